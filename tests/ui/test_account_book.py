"""Whatever becomes of a task, Spend and the emulator's own account book agree."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from connections import connect
from state_store import TaskStateStore
from variable_rows import VariableRows

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, QueueTimeoutError, RenderTimeoutError
from airflow_provider_videoretalk.dashscope.task import get_task
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.service.checksums import checksums_of
from airflow_provider_videoretalk.emulator.service.render_job import JobOutcome, ResultKey
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.job_history.fold import fold
from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.operators import audit as audit_module
from airflow_provider_videoretalk.operators import base, job
from airflow_provider_videoretalk.operators.audit import AuditJobsOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.polling.trigger_event import event_of
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor
from airflow_provider_videoretalk.submission import submitter
from airflow_provider_videoretalk.submission.resume import ResumePolicy
from airflow_provider_videoretalk.ui.airflow_db.own_session import call_with_session
from airflow_provider_videoretalk.ui.job_history import load_jobs
from airflow_provider_videoretalk.ui.spend import Spend, load_spend

DAG = "videoretalk_quickstart"
SAMPLES = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717"
VIDEO, AUDIO = f"{SAMPLES}/pvegot/input_video_01.mp4", f"{SAMPLES}/aumwir/stella2-%E6%9C%89%E5%A3%B0%E4%B9%A67.wav"
_numbers = itertools.count()


class CrashError(BaseException):
    """The worker is killed."""


class Clip:
    """One task instance, the job that it submitted, and what a person or a machine does to both."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.run_id = f"run{next(_numbers)}"
        self.store = TaskStateStore()
        self.max_tries = 1
        self.state: str | None = "running"
        self.trigger: Any = None

    @property
    def context(self) -> dict[str, Any]:
        ti = SimpleNamespace(
            dag_id=DAG, run_id=self.run_id, task_id="retalk", map_index=-1, max_tries=self.max_tries,
            xcom_push=lambda key, value: None,
        )  # fmt: skip
        return {"ti": ti, "dag_run": SimpleNamespace(clear_number=0), "task_state_store": self.store}

    def operator(self, **arguments: Any) -> VideoRetalkOperator:
        return VideoRetalkOperator(
            task_id="retalk",
            video_url=VIDEO,
            audio_url=AUDIO,
            **{"preflight": "off", "deferrable": True, **arguments},
        )

    def attempt(self, **arguments: Any) -> Any:
        """A try, until it waits for its job or ends; its return value, if it has one."""
        try:
            result = self.operator(**arguments).execute(self.context)
        except TaskDeferred as deferred:
            self.state, self.trigger = "deferred", deferred.trigger
            return None
        except (AirflowFailException, DashScopeError, CrashError):
            self.state = "failed"
            return None
        self.state = "success"
        return result

    def resume(self, error: DashScopeError | None = None) -> None:
        """The trigger fires: the job has ended, or a limit was reached."""
        awaited, _ = self.trigger.read_arguments()
        outcome = error or DashScopeHook().client.send(get_task(self.job_id))
        try:
            self.operator().execute_complete(self.context, event_of(outcome, awaited))
        except (AirflowFailException, DashScopeError):
            self.state = "failed"
        except TaskDeferred as deferred:
            self.trigger = deferred.trigger
        else:
            self.state = "success"

    @property
    def job_id(self) -> str:
        return str(self.trigger.dashscope_task_id)

    def clear(self) -> None:
        self.max_tries += 2

    def lose_reply(self, **rule: Any) -> None:
        self.world.emulator.faults.arm(FaultRule(operation="submit", **rule))


class World:
    """The service, and Airflow's states."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.clips: list[Clip] = []
        self.crashes_at = ""
        self.others = ""

    def occupy(self) -> None:
        """Submits a job of somebody else, which renders on. All others of the account stay in the queue."""
        request = VIDEORETALK.submit_request(urls={"video_url": VIDEO, "audio_url": AUDIO}, parameters={})
        self.others = DashScopeHook().client.send(request).task_id

    def clip(self) -> Clip:
        self.clips.append(Clip(self))
        return self.clips[-1]

    def reached(self, step: str) -> None:
        if step == self.crashes_at:
            self.crashes_at = ""
            raise CrashError

    def end(self, job_id: str, status: str = "SUCCEEDED", code: str | None = "InternalError") -> None:
        """The service ends a job, however it stands."""
        state = self.emulator.state
        ended = state.jobs[job_id]
        queue = state.queue_of(ended.account)
        if ended in queue:
            queue.remove(ended)
        if status == "SUCCEEDED":
            path = state.storage.folder("results") / job_id
            path.write_bytes(b"video")
            result = state.storage.add_result(
                key=job_id, path=path, media_type="video/mp4", checksums=checksums_of(path)
            )
            usage = {"video_duration": 3.0, "size": "1*1", "video_ratio": "standard", "fps": 25}
            output = {"video_url": ResultKey(result.key)}
            state.succeed(ended, JobOutcome(output=output, usage=usage, billed_seconds=3.0, face_found=True))
        else:
            state.fail(ended, code, "because")

    def states_of_task(self, dag_id: str, task_id: str, run_ids: Any) -> dict[tuple[str, int], str | None]:
        assert (dag_id, task_id) == (DAG, "retalk")
        return {(clip.run_id, -1): clip.state for clip in self.clips if clip.run_id in run_ids and clip.state}

    @property
    def book(self) -> dict[str, float]:
        """The emulator's own account book: billed seconds by job."""
        rows = self.emulator.state.job_reports()
        return {row["task_id"]: row["billed_seconds"] for row in rows if row["task_id"] != self.others}


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    settings = EmulatorSettings(port=0, submits_per_second=1000, queries_per_second=1000, render_factor=1e6, running=1)
    with Emulator(settings, engine=FakeEngine()) as emulator:
        yield emulator


@pytest.fixture
def variables(database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[VariableRows]:
    rows = VariableRows()
    rows.delete_history()
    monkeypatch.setattr(variable_store, "VariableStore", lambda: rows)
    monkeypatch.setattr(variable_store, "HAS_KEYS", True)
    yield rows
    for key in list(rows):
        rows.delete(key)


@pytest.fixture
def world(running: Emulator, variables: VariableRows, monkeypatch: pytest.MonkeyPatch) -> World:
    key = f"sk-book-{next(_numbers)}"
    connect(monkeypatch, host=running.base_url, password=key, queries_per_second=1000, hold_back=False)
    running.state.jobs.clear()
    running.faults.clear()
    created = World(running)
    created.occupy()
    monkeypatch.setattr(base, "SHORTEST_DEFERRAL", 0.0)
    for module in (job, submitter):
        monkeypatch.setattr(module, "fault_point", created.reached)
    monkeypatch.setattr(audit_module, "states_of_task", created.states_of_task)
    monkeypatch.setattr(audit_module, "run_has_ended", lambda dag_id, run_id: True)
    return created


def audited() -> list[dict[str, Any]]:
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    return AuditJobsOperator(task_id="audit").execute({"ti": ti})  # type: ignore[typeddict-item,arg-type]


def spend(*, hours_from_now: float = 0.0) -> Spend:
    now = time.time() + hours_from_now * 3600
    return call_with_session(lambda session: load_spend(session, dag_ids={DAG}, now=now))


def records(world: World) -> list[JobRecord]:
    since = spend().span.first
    return list(call_with_session(lambda session: load_jobs(session, dag_ids={DAG}, since=since)).jobs)


# The endings. Each returns how many of its submits stay unknown, with the audit.


def succeeds(world: World) -> int:
    clip = world.clip()
    clip.attempt()
    world.end(clip.job_id)
    clip.resume()
    return 0


def fails(world: World) -> int:
    clip = world.clip()
    clip.attempt()
    world.end(clip.job_id, "FAILED", "InvalidFile.Duration")
    clip.resume()
    return 0


def fails_and_is_made_by_a_retry(world: World) -> int:
    clip = world.clip()
    clip.attempt()
    world.end(clip.job_id, "FAILED", "InternalError.Timeout")
    clip.resume()
    clip.attempt()
    world.end(clip.job_id)
    clip.resume()
    return 0


def is_cancelled_in_the_queue(world: World) -> int:
    clip = world.clip()
    clip.attempt()
    clip.resume(QueueTimeoutError("late"))
    assert world.emulator.state.jobs[clip.job_id].status == "CANCELED"
    return 0


def is_made_after_the_task_gave_up(world: World) -> int:
    clip = world.clip()
    clip.attempt()
    renders = world.emulator.state.jobs[clip.job_id]
    world.emulator.state.queue_of(renders.account).remove(renders)
    renders.status = "RUNNING"
    clip.resume(RenderTimeoutError("late"))
    world.end(clip.job_id)
    return 0


def is_marked_failed_and_made(world: World) -> int:
    clip = world.clip()
    clip.attempt()
    clip.state = "failed"
    world.end(clip.job_id)
    return 0


def is_marked_success_and_made(world: World) -> int:
    clip = world.clip()
    clip.attempt()
    clip.state = "success"
    world.end(clip.job_id)
    return 0


def is_deleted_and_made(world: World) -> int:
    clip = world.clip()
    clip.attempt()
    clip.state = None
    world.end(clip.job_id)
    return 0


def is_deleted_and_fails(world: World) -> int:
    clip = world.clip()
    clip.attempt()
    clip.state = None
    world.end(clip.job_id, "FAILED")
    return 0


def is_cleared_after_it_was_made(world: World) -> int:
    clip = world.clip()
    clip.attempt()
    world.end(clip.job_id)
    clip.resume()
    clip.clear()
    clip.attempt()
    world.end(clip.job_id)
    clip.resume()
    return 0


def is_cleared_while_it_queues(world: World) -> int:
    clip = world.clip()
    clip.attempt()
    clip.clear()
    clip.attempt(resume=ResumePolicy(on_clear="fresh"))
    world.end(clip.job_id)
    clip.resume()
    return 0


def loses_the_reply_and_the_job_is_made(world: World) -> int:
    clip = world.clip()
    clip.lose_reply(effect="drop_after")
    clip.attempt()
    world.end(list(world.emulator.state.jobs)[-1])
    return 1


def loses_the_request(world: World) -> int:
    clip = world.clip()
    clip.lose_reply(effect="drop_before")
    clip.attempt()
    return 1


def is_killed_after_the_post(world: World) -> int:
    clip = world.clip()
    world.crashes_at = "after_post"
    clip.attempt()
    world.end(list(world.emulator.state.jobs)[-1])
    return 1


def is_killed_after_the_id(world: World) -> int:
    clip = world.clip()
    world.crashes_at = "after_id"
    clip.attempt()
    world.end(list(world.emulator.state.jobs)[-1])
    return 0


def is_refused(world: World) -> int:
    clip = world.clip()
    clip.lose_reply(effect="error_before", status=400, code="InvalidParameter")
    clip.attempt()
    return 0


def is_made_without_a_record(world: World) -> int:
    clip = world.clip()
    clip.attempt(durable=False)
    world.end(clip.job_id)
    clip.resume()
    return 0


def is_made_and_a_sensor_waits(world: World) -> int:
    clip = world.clip()
    submission = clip.attempt(wait_for_completion=False)
    world.end(submission["task_id"])
    sensor = DashScopeTaskSensor(task_id="wait", dashscope_task_id=submission, deferrable=False)
    assert sensor.poke(clip.context).is_done  # type: ignore[arg-type]
    return 0


def fails_and_a_sensor_waits(world: World) -> int:
    clip = world.clip()
    submission = clip.attempt(wait_for_completion=False)
    world.end(submission["task_id"], "FAILED")
    sensor = DashScopeTaskSensor(task_id="wait", dashscope_task_id=submission, deferrable=False)
    with suppress(DashScopeError):
        sensor.poke(clip.context)  # type: ignore[arg-type]
    return 0


def is_made_and_its_sensor_is_gone(world: World) -> int:
    clip = world.clip()
    world.end(clip.attempt(wait_for_completion=False)["task_id"])
    return 0


def is_made_without_a_word_on_its_bill(world: World) -> int:
    clip = world.clip()
    clip.attempt()
    world.end(clip.job_id)
    world.emulator.faults.arm(FaultRule(operation="query", effect="replace", field="usage", value="{}", times=2))
    clip.resume()
    world.emulator.faults.clear()
    return 0


ENDINGS: list[Callable[[World], int]] = [
    succeeds,
    fails,
    fails_and_is_made_by_a_retry,
    is_cancelled_in_the_queue,
    is_made_after_the_task_gave_up,
    is_marked_failed_and_made,
    is_marked_success_and_made,
    is_deleted_and_made,
    is_deleted_and_fails,
    is_cleared_after_it_was_made,
    is_cleared_while_it_queues,
    loses_the_reply_and_the_job_is_made,
    loses_the_request,
    is_killed_after_the_post,
    is_killed_after_the_id,
    is_refused,
    is_made_without_a_record,
    is_made_and_a_sensor_waits,
    fails_and_a_sensor_waits,
    is_made_and_its_sensor_is_gone,
    is_made_without_a_word_on_its_bill,
]


def check_agreement(world: World, *, unknown: int) -> None:
    """Each job is in the books with what the service billed; only submits of unknown outcome are not."""
    found = spend(hours_from_now=4)
    by_id = {record.job_id: record for record in records(world) if record.job_id}
    for job_id, billed in world.book.items():
        if job_id in by_id:
            assert by_id[job_id].billed_seconds == billed, by_id[job_id]
    assert len(world.book) - len(by_id) <= unknown, "a job that is not in the books is a submit of unknown outcome"
    assert found.unknown.count == unknown
    assert found.open.count == 0
    known = sum(billed for job_id, billed in world.book.items() if job_id in by_id)
    # The list price of a second.
    assert found.total == pytest.approx(known * (0.08 if found.unit == "CNY" else 1.0))


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
def test_one_ending(ending: Callable[[World], int], world: World) -> None:
    unknown = ending(world)
    audited()
    check_agreement(world, unknown=unknown)


def test_all_endings_and_their_days_folded(world: World, variables: VariableRows) -> None:
    unknown = sum(ending(world) for ending in ENDINGS)
    audited()
    check_agreement(world, unknown=unknown)
    fold(variables, now=time.time() + 86400 + 3600)
    assert len([key for key in variables if key.startswith("dashscope_history_")]) <= 2
    check_agreement(world, unknown=unknown)


def test_the_audit_returns_what_can_be_saved(world: World) -> None:
    saved = (is_made_after_the_task_gave_up, is_marked_failed_and_made, is_marked_success_and_made, is_deleted_and_made)
    for ending in (*saved, succeeds, fails, is_made_and_a_sensor_waits):
        ending(world)
    waiting = world.clip()
    waiting.attempt()
    world.end(waiting.job_id)
    results = audited()
    assert len(results) == len(saved)
    assert {result["task_instance"].split("/")[1] for result in results} == {clip.run_id for clip in world.clips[:4]}
    assert all(result["status"] == "SUCCEEDED" and result["video_url"] for result in results)
    assert [result["cost"] for result in results] == [0.24] * len(saved)
