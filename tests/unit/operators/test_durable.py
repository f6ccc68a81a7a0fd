"""A retry, a crash, a clear: what an earlier try submitted is found, and not paid for twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from connections import connect
from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.emulator.work.stand_in import StandInEngine
from airflow_provider_videoretalk.operators import job
from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.waiting import submitter
from airflow_provider_videoretalk.waiting.ledger import KEY
from airflow_provider_videoretalk.waiting.register import PREFIX
from airflow_provider_videoretalk.waiting.steps import Step

SAMPLES = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717"
VIDEO, AUDIO = f"{SAMPLES}/pvegot/input_video_01.mp4", f"{SAMPLES}/aumwir/stella2-%E6%9C%89%E5%A3%B0%E4%B9%A67.wav"


class CrashError(BaseException):
    """The process dies."""


class World:
    """One task instance of Airflow, and the service."""

    def __init__(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.emulator = emulator
        self.now = emulator.state.clock
        self.store = TaskStateStore()
        self.max_tries, self.clear_number = 1, 0
        self.audio = AUDIO
        self.dies_at: Step | None = None
        self.spent: list[str] = []
        self.run_id = "run"
        monkeypatch.setattr(job, "reached", self._reached)
        monkeypatch.setattr(submitter, "reached", self._reached)
        monkeypatch.setattr(
            VideoRetalkOperator, "audit", lambda operator, event, task_id, reason: self.spent.append(event)
        )

    def _reached(self, step: Step) -> None:
        if step == self.dies_at:
            self.dies_at = None
            raise CrashError

    @property
    def context(self) -> dict[str, Any]:
        ti = SimpleNamespace(
            dag_id="dag",
            run_id=self.run_id,
            task_id="retalk",
            map_index=-1,
            max_tries=self.max_tries,
            xcom_push=lambda key, value: json.dumps(value),
        )
        return {
            "ti": ti,
            "dag_run": SimpleNamespace(clear_number=self.clear_number),
            "task_state_store": self.store,
        }

    def operator(self, **arguments: Any) -> VideoRetalkOperator:
        return VideoRetalkOperator(
            task_id="retalk",
            video_url=VIDEO,
            audio_url=self.audio,
            **{"deferrable": True, "preflight": "off"} | arguments,
        )

    def attempt(self, **arguments: Any) -> str | dict[str, Any]:
        """A try: the id of the task it waits for, or the result that it returns."""
        try:
            return self.operator(**arguments).execute(self.context)
        except TaskDeferred as deferred:
            return deferred.trigger.dashscope_task_id

    def clear(self) -> None:
        self.max_tries += 2
        self.clear_number += 1

    @property
    def tasks(self) -> list[dict[str, Any]]:
        return self.emulator.state.books()

    def end(self, task_id: str, status: str = "SUCCEEDED", code: str | None = None) -> None:
        """The service ends a task, however it stands."""
        task = self.emulator.state.tasks[task_id]
        if task in task.account.queue:
            task.account.queue.remove(task)
        if status == "SUCCEEDED":
            self.emulator.state.storage.folder("results")
            task.billed_seconds = 3.0
            task.finish("SUCCEEDED", at=self.emulator.state.clock())
        else:
            self.emulator.state.fail(task, code, "because")


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    settings = EmulatorSettings(port=0, submits_per_second=1000, queries_per_second=1000, render_factor=1e6)
    with Emulator(settings, engine=StandInEngine()) as emulator:
        yield emulator


@pytest.fixture
def world(running: Emulator, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> World:
    connect(
        monkeypatch,
        host=running.base_url,
        password=f"sk-{abs(hash(request.node.nodeid))}",
        queries_per_second=1000,
    )
    running.state.tasks.clear()
    running.faults.clear()
    return World(running, monkeypatch)


def finished(world: World, task_id: str, *, life: timedelta = timedelta(hours=1)) -> None:
    """The ledger's record of a task whose result is here."""
    record = world.store[KEY]
    expires = (datetime.now(timezone.utc) + life).isoformat()
    record["finished"] = True
    record["result"] = {"task_id": task_id, "expires_at": expires, "video_url": "http://r/1.mp4"}


def succeeded(task_id: str) -> dict[str, Any]:
    """The event of a task that succeeded."""
    output = {"task_id": task_id, "task_status": "SUCCEEDED", "video_url": "http://r/1.mp4"}
    return {"awaited": {"task_id": task_id, "request_id": "r"}, "payload": {"output": output}}


@pytest.mark.parametrize("step", ["before_intent", "after_id"])
def test_a_crash_before_or_after_the_submit_makes_one_task(world: World, step: Step) -> None:
    world.dies_at = step
    with pytest.raises(CrashError):
        world.attempt()
    task_id = world.attempt()
    assert [task["task_id"] for task in world.tasks] == [task_id]
    assert world.attempt() == task_id
    assert world.spent.count("duplicate_prevented") == (2 if step == "after_id" else 1)


@pytest.mark.parametrize("step", ["after_intent", "after_post"])
def test_a_crash_around_the_post_is_not_guessed_about(world: World, step: Step) -> None:
    world.dies_at = step
    with pytest.raises(CrashError):
        world.attempt()
    made = len(world.tasks)
    assert made == (step == "after_post")
    for _ in range(2):
        with pytest.raises(AirflowFailException, match=r"never learned its outcome.*clear the task"):
            world.attempt()
    assert len(world.tasks) == made
    world.clear()
    world.attempt()
    assert len(world.tasks) == made + 1


def test_a_lost_reply_fails_at_once_and_stays_unknown(world: World) -> None:
    world.emulator.faults.arm(FaultRule(operation="submit", effect="drop_after"))
    for _ in range(2):
        with pytest.raises(AirflowFailException):
            world.attempt()
    assert len(world.tasks) == 1


def test_a_lost_reply_is_sent_again_where_the_policy_says_so(world: World) -> None:
    world.emulator.faults.arm(FaultRule(operation="submit", effect="drop_after"))
    with pytest.raises(TaskDeferred) as deferred:
        world.operator(on_unknown_submit="resubmit").execute(world.context)
    assert deferred.value.method_name == "execute_again"
    with pytest.raises(TaskDeferred):
        world.operator(on_unknown_submit="resubmit").execute_again(world.context, deferred.value.trigger.note)
    assert len(world.tasks) == 2


def test_a_policy_that_sends_again_does_so_once(world: World) -> None:
    """A gateway that loses each reply would else make paid tasks for ever."""
    world.emulator.faults.arm(FaultRule(operation="submit", effect="drop_after", times=10))
    for _ in range(2):
        with pytest.raises(TaskDeferred):
            world.operator(on_unknown_submit="resubmit").execute(world.context)
    for _ in range(3):
        with pytest.raises(AirflowFailException, match="2 submits were sent, and the outcome of none was learned"):
            world.attempt(on_unknown_submit="resubmit")
    assert len(world.tasks) == 2


def test_an_id_that_the_store_did_not_take_is_known_to_the_register(world: World) -> None:
    """Whoever clears a task instance during its POST makes the store refuse what that try has to write."""

    class Refusing(TaskStateStore):
        def set(self, key: str, value: Any) -> None:
            if value["task_id"] is not None:
                raise RuntimeError("no such task instance")
            super().set(key, value)

    world.store = Refusing()
    with pytest.raises(RuntimeError):
        world.attempt()
    assert world.spent == ["submit"]
    world.store, world.clear_number = TaskStateStore(world.store), 1
    assert [world.attempt()] == [task["task_id"] for task in world.tasks]


RECONCILE: dict[str, Any] = {"on_unknown_submit": "reconcile", "reconcile_after": 0}


@pytest.mark.parametrize("effect", ["drop_before", "drop_after", "error_before", "error_after", "html_after"])
def test_a_lost_reply_is_looked_up(world: World, effect: Any) -> None:
    world.emulator.faults.arm(FaultRule(operation="submit", effect=effect))
    with pytest.raises(TaskDeferred) as deferred:
        world.operator(**RECONCILE).execute(world.context)
    assert deferred.value.method_name == "execute_again"
    task_id = world.attempt(**RECONCILE)
    assert [task["task_id"] for task in world.tasks] == [task_id]
    assert ("adopt" in world.spent) is effect.endswith("after")


def test_the_list_is_not_believed_at_once(world: World) -> None:
    world.dies_at = "after_post"
    with pytest.raises(CrashError):
        world.attempt()
    with pytest.raises(TaskDeferred) as deferred:
        world.operator(on_unknown_submit="reconcile", reconcile_after=60).execute(world.context)
    assert deferred.value.trigger.moment == world.store[KEY]["intended_at"] + 60


def test_nothing_is_looked_at_again_after_execution_timeout(world: World) -> None:
    world.dies_at = "after_post"
    with pytest.raises(CrashError):
        world.attempt()
    context, limit = world.context, timedelta(minutes=10)
    began = context["ti"].start_date = datetime.now(timezone.utc)
    patient = {"on_unknown_submit": "reconcile", "reconcile_after": 3600, "execution_timeout": limit}
    with pytest.raises(TaskDeferred) as deferred:
        world.operator(**patient).execute(context)
    assert deferred.value.trigger.moment == (began + limit).timestamp()
    context["ti"].start_date = began - limit
    with pytest.raises(errors.TaskTimeoutError):
        world.operator(**patient).execute(context)
    assert len(world.tasks) == 1


def lose(world: World, step: Step, *, run_id: str = "run") -> None:
    """A try of a run dies at this step."""
    world.run_id, world.store, world.dies_at = run_id, TaskStateStore(), step
    with pytest.raises(CrashError):
        world.attempt()


def test_a_task_of_another_run_is_not_adopted(world: World) -> None:
    """It was created at the same time, on the same account: the register tells whose it is."""
    lose(world, "after_intent")
    lost, world.run_id, world.store = world.store, "another", TaskStateStore()
    other = world.attempt()
    world.run_id, world.store = "run", lost
    assert world.attempt(**RECONCILE) != other
    assert len(world.tasks) == 2


def test_a_task_of_nobody_here_is_adopted(world: World, variables: TaskStateStore) -> None:
    lose(world, "after_intent")
    lost, world.run_id, world.store = world.store, "another", TaskStateStore()
    register = dict(variables)
    other = world.attempt()
    variables.data, world.run_id, world.store = register, "run", lost
    assert world.attempt(**RECONCILE) == other


@pytest.mark.parametrize(("first", "second"), [("after_intent", "after_post"), ("after_post", "after_intent")])
def test_two_lost_submits_are_not_told_apart(world: World, first: Step, second: Step) -> None:
    lose(world, first)
    lost = world.store
    lose(world, second, run_id="another")
    for run_id, store in (("run", lost), ("another", world.store)):
        world.run_id, world.store = run_id, store
        with pytest.raises(AirflowFailException, match="1 other submits on this connection are as lost"):
            world.attempt(**RECONCILE)
    assert len(world.tasks) == 1


def test_what_was_lost_long_ago_is_not_looked_up(world: World) -> None:
    """The register has forgotten by then whose the tasks of that time are."""
    lose(world, "after_post")
    world.store[KEY]["intended_at"] -= 6 * 3600
    with pytest.raises(AirflowFailException, match="too long to tell what became of it"):
        world.attempt(**RECONCILE)
    assert len(world.tasks) == 1


def test_a_second_lost_submit_of_ours_is_no_rival(world: World, variables: TaskStateStore) -> None:
    """The first one made nothing, as the list told; and had it made something, that would be the right video."""
    lose(world, "after_intent")
    world.dies_at = "after_post"
    with pytest.raises(CrashError):
        world.attempt(**RECONCILE)
    assert len(variables.names(PREFIX)) == 1
    assert world.attempt(**RECONCILE) == world.tasks[0]["task_id"]
    assert len(world.tasks) == 1


def test_a_lost_submit_on_another_connection_is_no_rival(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(world, "after_post")
    lost, world.run_id, world.store, world.dies_at = world.store, "another", TaskStateStore(), "after_intent"
    connect(monkeypatch, name="other", host=world.emulator.base_url, password="sk-other", queries_per_second=1000)
    with pytest.raises(CrashError):
        world.attempt(dashscope_conn_id="other")
    world.run_id, world.store = "run", lost
    assert world.attempt(**RECONCILE) == world.tasks[0]["task_id"]


def test_several_candidates_are_told_and_not_guessed_about(world: World, variables: TaskStateStore) -> None:
    lose(world, "after_intent")
    lost, register, others = world.store, dict(variables), []
    for _ in range(2):
        world.store = TaskStateStore()
        others.append(world.attempt())
    world.store, variables.data = lost, register
    with pytest.raises(AirflowFailException, match="these tasks were created about when") as caught:
        world.attempt(**RECONCILE)
    assert all(other in str(caught.value) for other in others)


def test_a_task_from_shortly_before_is_in_doubt(world: World, variables: TaskStateStore) -> None:
    """Clocks differ: it may be ours, or that of whoever used the account before."""
    before = world.attempt()
    variables.clear()
    lose(world, "after_intent")
    with pytest.raises(AirflowFailException, match=f"these tasks .* {before}"):
        world.attempt(**RECONCILE)


def test_an_endpoint_without_a_list(world: World) -> None:
    world.dies_at = "after_post"
    with pytest.raises(CrashError):
        world.attempt()
    world.emulator.faults.arm(
        FaultRule(operation="list", effect="error_before", status=404, code="NotFound", message="no list here")
    )
    with pytest.raises(AirflowFailException, match="there is no list: no list here"):
        world.attempt(**RECONCILE)
    assert len(world.tasks) == 1


@pytest.mark.parametrize("effect", ["throttle", "drop_before"])
def test_what_was_refused_or_lost(world: World, effect: Any) -> None:
    world.emulator.faults.arm(FaultRule(operation="submit", effect=effect))
    if effect == "throttle":
        with pytest.raises(TaskDeferred):
            world.operator().execute(world.context)
        assert KEY not in world.store
        world.attempt()
    else:
        with pytest.raises(AirflowFailException):
            world.attempt()
        assert world.store[KEY]["task_id"] is None


def test_a_result_that_is_here_is_used(world: World) -> None:
    task_id = world.attempt()
    finished(world, task_id)
    result = world.attempt()
    assert result["task_id"] == task_id
    assert len(world.tasks) == 1


def test_a_result_is_remembered_before_anything_else_can_fail(world: World) -> None:
    task_id = world.attempt()
    world.dies_at = "after_result"
    with pytest.raises(CrashError):
        world.operator().execute_complete(world.context, succeeded(task_id))
    result = world.attempt()
    assert (result["task_id"], result["video_url"]) == (task_id, "http://r/1.mp4")
    assert len(world.tasks) == 1


def test_a_result_that_died_is_its_own_error(world: World) -> None:
    task_id = world.attempt()
    finished(world, task_id, life=-timedelta(seconds=1))
    with pytest.raises(errors.ResultExpiredError, match=f"the result of task {task_id} died"):
        world.attempt()
    assert len(world.tasks) == 1
    assert world.spent[-1] == "loss"


@pytest.mark.parametrize(("code", "again"), [("InternalError.Algo", True), ("InvalidFile.FPS", False), (None, False)])
def test_a_failed_task_is_made_anew_only_where_that_can_help(world: World, code: str | None, again: bool) -> None:
    world.attempt()
    world.store.clear()
    task_id = world.attempt()
    world.end(task_id, "FAILED", code)
    if again:
        assert world.attempt() != task_id
    else:
        with pytest.raises(errors.TaskFailedError):
            world.attempt()
    assert len(world.tasks) == 2 + again


def test_a_forgotten_task_is_never_made_anew_by_itself(world: World) -> None:
    world.attempt()
    world.emulator.state.tasks.clear()
    world.store[KEY]["submitted_at"] -= 61
    with pytest.raises(errors.TaskUnknownError):
        world.attempt()
    assert world.tasks == []


@pytest.mark.parametrize("cleared", [False, True])
def test_a_task_that_is_not_visible_yet_is_not_taken_for_forgotten(world: World, cleared: bool) -> None:
    task_id = world.attempt()
    world.emulator.state.tasks.clear()
    if cleared:
        world.clear()
    assert world.attempt() == task_id
    assert world.tasks == []


def test_inputs_that_can_not_be_looked_at_are_told_by_their_places(world: World, tmp_path: Path) -> None:
    first = tmp_path / "en.wav"
    first.write_bytes(b"RIFF")
    world.audio = str(first)
    task_id = world.attempt(on_changed_input="fail")
    first.unlink()
    assert world.attempt(on_changed_input="fail") == task_id, "it has gone since: it was paid for"
    world.audio = str(tmp_path / "fr.wav")
    with pytest.raises(errors.ChangedInputError):
        world.attempt(on_changed_input="fail")
    assert len(world.tasks) == 1


@pytest.mark.parametrize("policy", ["submit", "fail"])
def test_changed_input_never_adopts(world: World, policy: Any) -> None:
    blocker = world.attempt()
    world.store.clear()
    queued = world.attempt()
    world.audio = AUDIO + "?v=2"
    if policy == "fail":
        with pytest.raises(errors.ChangedInputError, match=f"not those of task {queued}"):
            world.attempt(on_changed_input="fail")
        assert len(world.tasks) == 2
        return
    assert world.attempt() not in (blocker, queued)
    assert {task["task_id"]: task["status"] for task in world.tasks}[queued] == "CANCELED"


@pytest.mark.trap(5)
@pytest.mark.parametrize("policy", ["adopt_unfinished", "reuse", "fresh"])
@pytest.mark.parametrize("ended", [False, True])
def test_a_clear_is_a_persons_wish(world: World, policy: Any, ended: bool) -> None:
    world.attempt()
    world.store.clear()
    queued = world.attempt()
    if ended:
        finished(world, queued)
        world.end(queued)
    world.clear()
    found = world.attempt(on_clear=policy)
    if policy == "fresh":
        assert found != queued
        statuses = {task["task_id"]: task["status"] for task in world.tasks}
        assert statuses[queued] == ("SUCCEEDED" if ended else "CANCELED")
    elif policy == "reuse":
        assert (found["task_id"] if ended else found) == queued
    else:
        assert (found == queued) is not ended
    # The life that the clear began has retries of its own.
    assert world.attempt(on_clear=policy) == found


def test_what_ends_while_it_is_cleared_is_used(world: World) -> None:
    world.attempt()
    world.store.clear()
    queued = world.attempt()
    world.clear()
    world.end(queued)
    assert world.attempt() == queued
    assert len(world.tasks) == 2


@pytest.mark.parametrize("policy", ["adopt_unfinished", "reuse", "fresh"])
@pytest.mark.parametrize("stands", ["queued", "finished", "seen"])
def test_a_clear_that_discards_the_store(world: World, policy: Any, stands: str) -> None:
    """As Airflow 3.4's does: the register remembers."""
    blocker = world.attempt()
    world.run_id, world.store = "another", TaskStateStore()
    queued = world.attempt()
    assert isinstance(queued, str)
    if stands != "queued":
        world.end(queued)
    if stands == "seen":
        world.operator().execute_complete(world.context, succeeded(queued))
    world.clear()
    world.store = TaskStateStore()
    adopted = policy == "reuse" or (policy == "adopt_unfinished" and stands != "seen")
    assert (world.attempt(on_clear=policy) == queued) is adopted
    statuses = {task["task_id"]: task["status"] for task in world.tasks}
    assert len(statuses) == (2 if adopted else 3)
    assert statuses[blocker] == "RUNNING"
    assert (statuses[queued] == "CANCELED") is (policy == "fresh" and stands == "queued")


def test_a_retry_goes_by_its_own_store(world: World) -> None:
    """The register may hold what a deleted run of the same name submitted."""
    world.attempt()
    world.store = TaskStateStore()
    world.attempt()
    assert len(world.tasks) == 2


def test_a_siblings_clear_is_none_of_its_business(world: World) -> None:
    task_id = world.attempt()
    finished(world, task_id)
    world.clear_number += 1
    assert world.attempt()["task_id"] == task_id


def test_without_a_record_every_try_submits(world: World, caplog: pytest.LogCaptureFixture) -> None:
    first, second = world.attempt(durable=False), world.attempt(durable=False)
    assert first != second
    assert KEY not in world.store


@pytest.mark.parametrize(
    "arguments",
    [
        {"on_clear": "maybe"},
        {"on_changed_input": "adopt"},
        {"on_unknown_submit": "guess"},
        {"reconcile_after": "soon"},
        {"queue_timeout": None},
        {"render_timeout": "1h"},
        {"poll_interval": -1},
        {"throttle_timeout": True},
    ],
)
def test_bad_policies_are_found_when_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    ((field, _),) = arguments.items()
    with pytest.raises(errors.InputError, match=f"^{field} is .*, allowed is"):
        VideoRetalkOperator(task_id="t", video_url=VIDEO, audio_url=AUDIO, **arguments)


def test_what_began_while_it_was_given_up_is_waited_for(world: World) -> None:
    running = world.attempt()
    error = errors.QueueTimeoutError("too late").to_json()
    event = {"awaited": {"task_id": running, "submitted_at": 5.0}, "error": error}
    with pytest.raises(TaskDeferred) as deferred:
        world.operator().execute_complete(world.context, event)
    assert deferred.value.trigger.patience["queue_timeout"] is None
    assert deferred.value.trigger.patience["service_limit"] is None
    assert (deferred.value.trigger.dashscope_task_id, deferred.value.trigger.submitted_at) == (running, 5.0)


def test_what_queues_too_long_and_can_not_be_cancelled_is_reported(world: World) -> None:
    """A gateway without cancelling; waiting on would never end."""
    task_id = world.attempt()
    world.emulator.faults.arm(
        FaultRule(operation="cancel", effect="error_before", status=404, code="NotFound", message="no cancelling here")
    )
    event = {"awaited": {"task_id": task_id, "submitted_at": 5.0}, "error": errors.QueueTimeoutError("late").to_json()}
    with pytest.raises(errors.QueueTimeoutError, match="late"):
        world.operator().execute_complete(world.context, event)


def test_a_task_that_failed_stands_in_nobodys_way(world: World, variables: TaskStateStore) -> None:
    task_id = world.attempt()
    output = {"task_id": task_id, "task_status": "FAILED", "code": "InvalidFile.FPS"}
    event = {"awaited": {"task_id": task_id, "request_id": "r"}, "payload": {"output": output}}
    with pytest.raises(errors.TaskFailedError):
        world.operator().execute_complete(world.context, event)
    assert [record["over"] for record in variables.values()] == [True]


def test_signatures_make_no_other_input_in_any_model(world: World) -> None:
    def identity(signature: str) -> Any:
        image = f"https://b.example.com/i.png?v=1&X-Amz-Signature={signature}"
        given = {"image_url": image, "more": [{"url": image}], "prompt": f"Signature={signature[:0]}"}
        return DashScopeTaskOperator(task_id="t", model="m", path="services/x", input=given).identity()

    assert identity("a") == identity("b")
