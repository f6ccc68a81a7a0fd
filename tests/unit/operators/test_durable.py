"""A retry, a crash, a clear: what an earlier try submitted is found, and not paid for twice."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from connections import connect
from signed_urls import SCHEMES, Scheme
from state_store import TaskStateStore
from unit.operators.world import AUDIO, VIDEO, CrashError, World, with_policy

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.request import Reply
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.submission import submitter
from airflow_provider_videoretalk.submission.fault_points import FaultPoint

KEY, PREFIX = "dashscope_submission", "dashscope_submission_"


def copies(variables: TaskStateStore) -> list[Any]:
    """The registry's records."""
    return [variables[key] for key in variables.names(PREFIX)]


def finished(world: World, task_id: str, *, life: timedelta = timedelta(hours=1)) -> None:
    """The ledger's record of a task whose result is here."""
    record = world.store[KEY]
    expires = (datetime.now(timezone.utc) + life).isoformat()
    record["succeeded"] = True
    record["result"] = {"task_id": task_id, "expires_at": expires, "video_url": "http://r/1.mp4"}


def succeeded(task_id: str) -> dict[str, Any]:
    """The event of a task that succeeded."""
    output = {"task_id": task_id, "task_status": "SUCCEEDED", "video_url": "http://r/1.mp4"}
    return {"version": 1, "job": {"task_id": task_id, "request_id": "r"}, "reply": {"output": output}}


@pytest.mark.parametrize("step", ["before_intent", "after_id"])
def test_a_crash_before_or_after_the_submit_makes_one_task(world: World, step: FaultPoint) -> None:
    world.dies_at = step
    with pytest.raises(CrashError):
        world.attempt()
    task_id = world.attempt()
    assert [task["task_id"] for task in world.tasks] == [task_id]
    assert world.attempt() == task_id
    assert world.spent.count("duplicate_prevented") == (2 if step == "after_id" else 1)


@pytest.mark.parametrize("step", ["after_intent", "after_post"])
def test_a_crash_around_the_post_is_not_guessed_about(world: World, step: FaultPoint) -> None:
    world.dies_at = step
    with pytest.raises(CrashError):
        world.attempt()
    made = len(world.tasks)
    assert made == (step == "after_post")
    for _ in range(2):
        with pytest.raises(AirflowFailException, match=r"its outcome is unknown.*[Cc]lear the task"):
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
        with pytest.raises(AirflowFailException, match=r"2 submits were sent, .* and the outcome of none is known"):
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
    if effect.endswith("after"):
        assert [world.attempt(**RECONCILE)] == [task["task_id"] for task in world.tasks]
        assert "adopt" in world.spent
    else:
        # That the list does not show it proves nothing yet.
        assert_waits(world)
        assert world.tasks == []


def assert_waits(world: World) -> None:
    """A try that can decide nothing submits nothing."""
    made = len(world.tasks)
    with pytest.raises(TaskDeferred) as deferred:
        world.operator(**RECONCILE).execute(world.context)
    assert deferred.value.method_name == "execute_again"
    assert len(world.tasks) == made


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


def lose(world: World, step: FaultPoint, *, run_id: str = "run") -> None:
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
    assert_waits(world)
    assert [task["task_id"] for task in world.tasks] == [other]


def test_a_task_of_nobody_here_is_adopted(world: World, variables: TaskStateStore) -> None:
    lose(world, "after_intent")
    lost, world.run_id, world.store = world.store, "another", TaskStateStore()
    register = dict(variables)
    other = world.attempt()
    variables.data, world.run_id, world.store = register, "run", lost
    assert world.attempt(**RECONCILE) == other


@pytest.mark.parametrize(("first", "second"), [("after_intent", "after_post"), ("after_post", "after_intent")])
def test_two_lost_submits_are_not_told_apart(world: World, first: FaultPoint, second: FaultPoint) -> None:
    lose(world, first)
    lost = world.store
    lose(world, second, run_id="another")
    for run_id, store in (("run", lost), ("another", world.store)):
        world.run_id, world.store = run_id, store
        with pytest.raises(AirflowFailException, match="1 other submits on this account are lost too"):
            world.attempt(**RECONCILE)
    assert len(world.tasks) == 1


def test_what_was_lost_long_ago_is_not_looked_up(world: World) -> None:
    """The register has forgotten by then whose the tasks of that time are."""
    lose(world, "after_post")
    world.store[KEY]["intended_at"] -= 6 * 3600
    with pytest.raises(AirflowFailException, match="too long ago to find its render job"):
        world.attempt(**RECONCILE)
    assert len(world.tasks) == 1


def test_a_second_lost_submit_of_ours_is_no_rival(world: World, variables: TaskStateStore) -> None:
    """The first one made nothing, as the list told; and had it made something, that would be the right video."""
    lose(world, "after_intent")
    world.dies_at = "after_post"
    with pytest.raises(CrashError):
        world.attempt(on_unknown_submit="resubmit")
    assert len(variables.names(PREFIX)) == 2
    assert world.attempt(**RECONCILE) == world.tasks[0]["task_id"]
    assert len(world.tasks) == 1


def test_a_lost_submit_on_another_connection_of_the_account_is_a_rival(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(world, "after_post")
    lost, world.run_id, world.store, world.dies_at = world.store, "another", TaskStateStore(), "after_intent"
    mine = json.loads(os.environ["AIRFLOW_CONN_DASHSCOPE_DEFAULT"])
    connect(monkeypatch, name="twin", host=mine["host"], password=mine["password"], queries_per_second=999)
    with pytest.raises(CrashError):
        world.attempt(dashscope_conn_id="twin")
    world.run_id, world.store = "run", lost
    with pytest.raises(AirflowFailException, match="1 other submits on this account are lost too"):
        world.attempt(**RECONCILE)
    assert mine["password"] not in json.dumps([dict(lost), *map(dict, [world.store])])


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
    with pytest.raises(
        AirflowFailException, match="these 2 render jobs of the service's list may be its job"
    ) as caught:
        world.attempt(**RECONCILE)
    assert all(other in str(caught.value) for other in others)


def test_a_task_from_shortly_before_is_in_doubt(world: World, variables: TaskStateStore) -> None:
    """Clocks differ: it may be ours, or that of whoever used the account before."""
    before = world.attempt()
    world.emulator.state.jobs[before].submitted -= 10
    variables.clear()
    lose(world, "after_intent")
    with pytest.raises(AirflowFailException, match=f"the times do not tell: {before}"):
        world.attempt(**RECONCILE)


def test_an_endpoint_without_a_list(world: World) -> None:
    world.dies_at = "after_post"
    with pytest.raises(CrashError):
        world.attempt()
    world.emulator.faults.arm(
        FaultRule(operation="list", effect="error_before", status=404, code="NotFound", message="no list here")
    )
    with pytest.raises(AirflowFailException, match="the endpoint has no list: no list here"):
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


def test_an_expired_result_is_its_own_error(world: World) -> None:
    task_id = world.attempt()
    finished(world, task_id, life=-timedelta(seconds=1))
    with pytest.raises(errors.ResultExpiredError, match=f"the result of render job {task_id} expired"):
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
    task_id = world.attempt()
    world.emulator.state.jobs.clear()
    world.store[KEY]["submitted_at"] -= 61
    assert world.attempt() == task_id, "one answer is not the end"
    world.store[KEY]["submitted_at"] -= 24 * 3600
    with pytest.raises(errors.TaskUnknownError):
        world.attempt()
    assert world.tasks == []


@pytest.mark.parametrize("cleared", [False, True])
def test_a_task_that_is_not_visible_yet_is_not_taken_for_forgotten(world: World, cleared: bool) -> None:
    task_id = world.attempt()
    world.emulator.state.jobs.clear()
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
        with pytest.raises(
            errors.ChangedInputError, match=f"the inputs changed since an earlier try submitted render job {queued}"
        ):
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


@pytest.mark.parametrize("discarded", [False, True])
def test_a_job_that_was_resumed_after_a_clear_fails_as_any_other(world: World, discarded: bool) -> None:
    """The clear was a person's wish for this job. The retries after it decide by its error."""
    world.attempt()
    world.store.clear()
    world.run_id = "another"
    queued = world.attempt()
    world.clear()
    if discarded:
        world.store = TaskStateStore()
    assert world.attempt() == queued
    world.end(queued, "FAILED", "InvalidFile.FPS")
    for _ in range(2):
        with pytest.raises(errors.TaskFailedError, match=r"InvalidFile\.FPS"):
            world.attempt()
    assert len(world.tasks) == 2


def test_a_job_that_queued_too_long_is_over(world: World, variables: TaskStateStore) -> None:
    """It is cancelled, and not asked for or cancelled again: the next try submits."""
    world.attempt()
    variables.clear()
    world.store.clear()
    queued = world.attempt()
    error = errors.QueueTimeoutError("too late").to_json()
    with pytest.raises(errors.QueueTimeoutError):
        world.operator().execute_complete(world.context, {"version": 1, "job": {"task_id": queued}, "error": error})
    assert {task["task_id"]: task["status"] for task in world.tasks}[queued] == "CANCELED"
    assert [world.store[KEY]["ended"], *(record["ended"] for record in copies(variables))] == [True, True]


def test_a_replaced_job_is_cancelled_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if nothing can be submitted in its place for some tries."""
    world.attempt()
    world.store.clear()
    world.attempt()
    world.audio = AUDIO + "?v=2"
    with monkeypatch.context() as patch:
        patch.setattr(VideoRetalkOperator, "prepare", lambda *_: (_ for _ in ()).throw(errors.TransportError("away")))
        for _ in range(2):
            with pytest.raises(errors.TransportError):
                world.attempt()
    assert world.spent.count("cancel") == 1
    world.attempt()
    assert world.spent.count("cancel") == 1
    assert len(world.tasks) == 3


def test_the_services_own_limit_ends_a_wait_in_the_queue(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service drops a job after three hours. Two minutes before, it is cancelled, whatever queue_timeout says."""
    world.attempt()
    world.store.clear()
    queued = world.attempt()
    world.store[KEY]["submitted_at"] -= 3 * 3600 - 120
    patient = {"deferrable": False, "queue_timeout": timedelta(hours=9)}
    with pytest.raises(errors.QueueTimeoutError, match="the service drops a job without a result 10800 s after"):
        world.attempt(**patient)
    assert {task["task_id"]: task["status"] for task in world.tasks}[queued] == "CANCELED"
    with pytest.raises(TaskDeferred) as deferred:
        world.operator().execute(world.context)
    assert deferred.value.trigger.poll_policy["service_limit"] == 3 * 3600


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
        {"reconcile_after": timedelta(seconds=-1)},
        {"resume": {"on_clear": "reuse"}},
        {"queue_timeout": None},
        {"render_timeout": "1h"},
        {"poll_interval": -1},
        {"throttle_timeout": True},
    ],
)
def test_bad_policies_are_found_when_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    ((field, _),) = arguments.items()
    with pytest.raises(errors.InputError, match=f"^{field} is .*, allowed is"):
        VideoRetalkOperator(task_id="t", video_url=VIDEO, audio_url=AUDIO, **with_policy(arguments))


def test_what_began_while_it_was_given_up_is_waited_for(world: World) -> None:
    running = world.attempt()
    error = errors.QueueTimeoutError("too late").to_json()
    event = {"version": 1, "job": {"task_id": running, "submitted_at": 5.0}, "error": error}
    with pytest.raises(TaskDeferred) as deferred:
        world.operator().execute_complete(world.context, event)
    assert deferred.value.trigger.poll_policy["queue_timeout"] is None
    assert deferred.value.trigger.poll_policy["service_limit"] is None
    assert (deferred.value.trigger.dashscope_task_id, deferred.value.trigger.submitted_at) == (running, 5.0)


def test_what_queues_too_long_and_can_not_be_cancelled_is_reported(world: World) -> None:
    """A gateway without cancelling; waiting on would never end. A job that renders is waited for all the same."""
    running, store = world.attempt(), world.store
    world.run_id, world.store = "another", TaskStateStore()
    task_id = world.attempt()
    world.emulator.faults.arm(
        FaultRule(operation="cancel", effect="error_before", status=404, code="NotFound", message="no cancelling here")
    )
    event = {
        "version": 1,
        "job": {"task_id": task_id, "submitted_at": 5.0},
        "error": errors.QueueTimeoutError("late").to_json(),
    }
    with pytest.raises(
        errors.QueueTimeoutError, match=f"late. Render job {task_id} could not be cancelled, and may run"
    ):
        world.operator().execute_complete(world.context, event)
    world.run_id, world.store = "run", store
    event["job"]["task_id"] = running
    with pytest.raises(TaskDeferred) as deferred:
        world.operator().execute_complete(world.context, event)
    assert deferred.value.trigger.poll_policy["begun_by"] is not None


def test_a_job_that_is_cancelled_after_its_limit_stands_in_nobodys_way(world: World, variables: TaskStateStore) -> None:
    world.attempt()
    world.run_id, world.store = "another", TaskStateStore()
    task_id = world.attempt()
    error = errors.QueueTimeoutError("late").to_json()
    event = {"version": 1, "job": {"task_id": task_id, "submitted_at": 5.0}, "error": error}
    with pytest.raises(errors.QueueTimeoutError, match="was still queued and is cancelled"):
        world.operator().execute_complete(world.context, event)
    assert world.store[KEY]["ended"]
    assert [record["ended"] for record in copies(variables) if record["task_id"] == task_id] == [True]


@pytest.mark.parametrize(("durable", "retryable"), [(True, True), (False, False)])
def test_an_error_of_a_wait_can_be_retried_only_with_a_record(world: World, durable: bool, retryable: bool) -> None:
    """The job goes on. Without a record, a retry would pay for another."""
    task_id = world.attempt()
    error = errors.AccessError("the key was replaced", status=401).to_json()
    event = {"version": 1, "job": {"task_id": task_id, "submitted_at": 5.0}, "error": error}
    with pytest.raises(errors.AccessError) as caught:
        world.operator(durable=durable).execute_complete(world.context, event)
    assert caught.value.retryable is retryable


def test_a_task_that_failed_stands_in_nobodys_way(world: World, variables: TaskStateStore) -> None:
    task_id = world.attempt()
    output = {"task_id": task_id, "task_status": "FAILED", "code": "InvalidFile.FPS"}
    event = {"version": 1, "job": {"task_id": task_id, "request_id": "r"}, "reply": {"output": output}}
    with pytest.raises(errors.TaskFailedError):
        world.operator().execute_complete(world.context, event)
    assert [record["ended"] for record in copies(variables)] == [True]


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_a_retry_with_a_new_signature_submits_nothing(world: World, scheme: Scheme) -> None:
    world.audio, again = scheme.twice
    task_id = world.attempt()
    # No host of these URLs exists, so the emulator would fail the job.
    finished(world, task_id)
    world.audio = again
    assert world.attempt()["task_id"] == task_id
    assert len(world.tasks) == 1
    world.audio = scheme.other
    assert world.attempt() != task_id


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_signatures_make_no_other_input_in_any_model(scheme: Scheme) -> None:
    def identity(url: str) -> Any:
        given = {"image_url": url, "more": [{"url": url}], "prompt": "Signature="}
        return DashScopeTaskOperator(task_id="t", model="m", path="services/x", input=given).identity()

    first, second = scheme.twice
    assert identity(first) == identity(second)
    assert identity(first) != identity(scheme.other)


UNREADABLE = [
    pytest.param({"version": 2}, id="another version"),
    pytest.param({"version": 1}, id="fields missing"),
    pytest.param({}, id="empty"),
    pytest.param([], id="a list"),
    pytest.param("gone", id="a text"),
    pytest.param(0, id="a number"),
]


@pytest.mark.parametrize("damage", UNREADABLE)
@pytest.mark.parametrize("policy", [{}, {"on_unknown_submit": "resubmit", "on_clear": "fresh"}])
def test_an_unreadable_record_of_its_own_submits_nothing(world: World, damage: Any, policy: dict[str, Any]) -> None:
    world.attempt()
    world.store[KEY] = {**world.store[KEY], **damage} if damage == {"version": 2} else damage
    world.clear()
    for _ in range(2):
        with pytest.raises(errors.StateReadError, match=f"task state {KEY} cannot be read.*delete it") as caught:
            world.attempt(**policy)
        assert not caught.value.retryable
    assert len(world.tasks) == 1


def test_an_unreadable_copy_of_its_own_submits_nothing(world: World, variables: TaskStateStore) -> None:
    """A clear discarded the store, so the registry's copy is the task's own record."""
    world.attempt()
    (key,) = variables.names(PREFIX)
    variables[key]["posts"] = "many"
    world.store = TaskStateStore()
    world.clear()
    with pytest.raises(errors.StateReadError, match=f"Variable {key} cannot be read: posts is of type str"):
        world.attempt()
    assert len(world.tasks) == 1


class Broken(TaskStateStore):
    """A store that fails to read, to write, or both."""

    fails: tuple[str, ...] = ()

    def get(self, key: str, default: Any = None) -> Any:
        if "get" in self.fails:
            raise RuntimeError("the API server is away")
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        if "set" in self.fails:
            raise RuntimeError("the API server is away")
        super().set(key, value)


@pytest.mark.parametrize("fails", [("get",), ("set",), "unreadable", "variables"])
@pytest.mark.parametrize("ended", ["SUCCEEDED", "FAILED"])
def test_a_paid_result_is_returned_whatever_became_of_its_record(
    world: World, variables: TaskStateStore, caplog: pytest.LogCaptureFixture, fails: Any, ended: str
) -> None:
    world.store = Broken()
    task_id = world.attempt()
    event = succeeded(task_id)
    event["reply"]["output"] |= {"task_status": ended, "code": "InvalidFile.FPS"}
    if fails == "unreadable":
        world.store[KEY] = {"version": 2}
    elif fails == "variables":
        variables.set = lambda key, value: 1 / 0  # type: ignore[method-assign]
    else:
        world.store.fails = fails
    if ended == "FAILED":
        with pytest.raises(errors.TaskFailedError, match=r"InvalidFile\.FPS"):
            world.operator().execute_complete(world.context, event)
    else:
        assert world.operator().execute_complete(world.context, event)["task_id"] == task_id
    assert f"The end of render job {task_id} could not be recorded" in caplog.text


def test_a_failing_store_does_not_keep_the_copy_from_the_result(world: World, variables: TaskStateStore) -> None:
    world.store = Broken()
    task_id = world.attempt()
    world.store.fails = ("set",)
    world.operator().execute_complete(world.context, succeeded(task_id))
    assert [record["succeeded"] for record in copies(variables)] == [True]


def test_records_of_a_later_release_and_foreign_variables_stop_nobody(
    world: World, variables: TaskStateStore, caplog: pytest.LogCaptureFixture
) -> None:
    variables[f"{PREFIX}notes"] = "mine"
    variables[f"{PREFIX}{'0' * 16}_soon"] = "mine"
    variables["dashscope_admission_v1_notes"] = "mine"
    unreadable = f"{PREFIX}{'0' * 16}_{'0' * 16}_{world.now() * 1000:.0f}"
    variables[unreadable] = {"version": 2}
    task_id = world.attempt()
    assert [task["task_id"] for task in world.tasks] == [task_id]
    world.store[KEY]["invented"] = world.store[KEY]["intent"]["invented"] = {"later": True}
    for record in copies(variables):
        if isinstance(record, dict):
            record["invented"] = 1
    assert world.attempt() == task_id
    assert world.operator().execute_complete(world.context, succeeded(task_id))["task_id"] == task_id
    assert {f"{PREFIX}notes", f"{PREFIX}{'0' * 16}_soon", unreadable} <= set(variables)
    assert "could not be recorded" not in caplog.text


def test_an_unreadable_record_of_that_time_is_doubt(world: World, variables: TaskStateStore) -> None:
    """It may be about the very job that the list shows."""
    lose(world, "after_post")
    key = f"{PREFIX}{'0' * 16}_{'0' * 16}_{world.store[KEY]['intended_at'] * 1000:.0f}"
    variables[key] = {"version": 2}
    with pytest.raises(AirflowFailException, match=f"cannot be read: {key}"):
        world.attempt(**RECONCILE)
    assert len(world.tasks) == 1
    del variables[key]
    assert world.attempt(**RECONCILE) == world.tasks[0]["task_id"]
    record = world.store[KEY]
    assert record["submitted_at"] == record["intended_at"], "the limits count from the submit, not from its discovery"


@pytest.fixture
def two_accounts(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A job queues on the default connection, and there is another connection, ``other``."""
    connect(monkeypatch, name="other", host=world.emulator.base_url, password="sk-other", queries_per_second=1000)
    world.attempt()
    world.store.clear()
    return world


def test_another_connection_is_another_input(two_accounts: World) -> None:
    """The earlier job is cancelled on the account that it was submitted to."""
    world = two_accounts
    queued = world.attempt()
    world.spent.clear()
    again = world.attempt(dashscope_conn_id="other")
    assert again not in (queued, world.tasks[0]["task_id"])
    assert {task["task_id"]: task["status"] for task in world.tasks}[queued] == "CANCELED"
    assert world.spent == ["cancel", "cancelled", "submit"]
    # The new job belongs to the new connection.
    assert world.attempt(dashscope_conn_id="other") == again
    assert world.store[KEY]["intent"]["connection_id"] == "other"
    assert len(world.tasks) == 3


def test_another_connection_fails_where_the_policy_says_so(two_accounts: World) -> None:
    world = two_accounts
    queued = world.attempt()
    expected = f"the connection changed from 'dashscope_default' to 'other' since .* render job {queued}"
    with pytest.raises(errors.ChangedInputError, match=f"^(?:{expected})"):
        world.attempt(dashscope_conn_id="other", on_changed_input="fail")
    assert len(world.tasks) == 2
    assert world.attempt(on_changed_input="fail") == queued


def test_a_connection_that_was_deleted_can_not_be_cancelled_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, name="other", host=world.emulator.base_url, password="sk-other", queries_per_second=1000)
    reasons: list[str] = []
    monkeypatch.setattr(VideoRetalkOperator, "record_spend", lambda operator, event, task_id, why: reasons.append(why))
    first = world.attempt(dashscope_conn_id="other")
    monkeypatch.delenv("AIRFLOW_CONN_OTHER")
    assert world.attempt() != first
    cancelled = reasons[1]
    assert f"Render job {first} could not be cancelled, and may run and be billed: there is no connection" in cancelled
    assert "The connection changed from 'other' to 'dashscope_default'" in cancelled


def test_a_lost_submit_is_looked_for_on_its_own_connection(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a new connection it is the same video: it is not submitted while the outcome is unknown."""
    connect(monkeypatch, name="other", host=world.emulator.base_url, password="sk-other", queries_per_second=1000)
    world.attempt()
    lose(world, "after_post")
    lost = world.tasks[1]["task_id"]
    with pytest.raises(AirflowFailException, match="its outcome is unknown"):
        world.attempt(dashscope_conn_id="other")
    with pytest.raises(errors.ChangedInputError, match="since an earlier try sent a submit of unknown outcome"):
        world.attempt(dashscope_conn_id="other", on_changed_input="fail")
    again = world.attempt(dashscope_conn_id="other", **RECONCILE)
    assert {task["task_id"]: task["status"] for task in world.tasks}[lost] == "CANCELED"
    assert [task["task_id"] for task in world.tasks][2:] == [again]


def test_a_refused_change_of_the_connection_is_taken_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A try with a wrong connection, whose key is refused, does not make Airflow forget the paid job."""
    # The emulator accepts keys that begin with sk-.
    connect(monkeypatch, name="other", host=world.emulator.base_url, password="wrong", queries_per_second=1000)
    first = world.attempt()
    world.emulator.state.jobs[first].status = "RUNNING"
    with pytest.raises(errors.AccessError):
        world.attempt(dashscope_conn_id="other")
    assert world.attempt() == first
    assert len(world.tasks) == 1


def test_an_empty_list_is_no_proof_for_a_later_try(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is late, and the input cannot be read: the next try looks into the list again."""
    lose(world, "after_post")
    (lost,) = world.tasks
    with monkeypatch.context() as patch:
        patch.setattr(submitter, "find_lost_submit", lambda *args, **kwargs: None)
        patch.setattr(VideoRetalkOperator, "prepare", lambda *_: (_ for _ in ()).throw(errors.TransportError("away")))
        with pytest.raises(errors.TransportError):
            world.attempt(**RECONCILE)
    assert world.attempt(**RECONCILE) == lost["task_id"]
    assert len(world.tasks) == 1


def test_a_reply_about_another_job_is_not_believed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.attempt()
    reply = json.dumps({"output": {"task_id": "another", "task_status": "CANCELED"}}).encode()
    with monkeypatch.context() as patch:
        patch.setattr(Client, "_reply", lambda *_: Reply(status=200, headers={}, content=reply))
        assert world.attempt() == first
    assert "loss" not in world.spent
    assert len(world.tasks) == 1


def test_a_limit_that_the_connection_got_since_does_not_lose_the_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.attempt(poll_interval=4)
    limited = json.loads(os.environ["AIRFLOW_CONN_DASHSCOPE_DEFAULT"])
    limited["extra"]["poll_interval"] = 10
    monkeypatch.setenv("AIRFLOW_CONN_DASHSCOPE_DEFAULT", json.dumps(limited))
    with pytest.raises(TaskDeferred) as deferred:
        world.operator(poll_interval=4).execute(world.context)
    assert deferred.value.trigger.dashscope_task_id == first
    assert deferred.value.trigger.poll_policy["poll_interval"] == 10
    world.store.clear()
    world.run_id = "another"
    with pytest.raises(errors.InputError, match="poll_interval is 4 s, allowed is 10 s or more"):
        world.operator(poll_interval=4).execute(world.context)
    assert len(world.tasks) == 1


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitter, "_PAUSE", 0.0)


@pytest.mark.parametrize("arguments", [{"durable": False}, {}])
@pytest.mark.parametrize("effects", [["drop_after"] * 12, ["drop_after", "throttle"] * 6, ["error_after"] * 12])
def test_it_is_sent_twice_at_most_with_and_without_a_record(
    world: World, no_pause: None, arguments: dict[str, Any], effects: list[Any]
) -> None:
    """A gateway that loses each reply, and throttles in between, would else make paid jobs for ever."""
    world.emulator.faults.arm(*(FaultRule(operation="submit", effect=effect) for effect in effects))
    failures = 0
    event: dict[str, Any] | None = None
    for _ in range(12):
        operator = world.operator(on_unknown_submit="resubmit", **arguments)
        try:
            operator.execute_again(world.context, event) if event else operator.execute(world.context)
        except TaskDeferred as deferred:
            event = deferred.trigger.note
        except AirflowFailException:
            # Airflow does not retry it.
            failures += 1
            break
    assert failures == 1
    assert len(world.tasks) <= 2


def test_without_a_record_a_second_submit_can_succeed(world: World, no_pause: None) -> None:
    world.emulator.faults.arm(FaultRule(operation="submit", effect="drop_before"))
    task_id = world.attempt(durable=False, on_unknown_submit="resubmit")
    assert [task["task_id"] for task in world.tasks] == [task_id]


@pytest.mark.parametrize("code", [429, 503])
def test_a_status_that_can_not_be_queried_now_is_no_reason_to_submit(world: World, code: int) -> None:
    task_id = world.attempt()
    world.emulator.faults.arm(FaultRule(operation="query", effect="error_before", status=code, code="", message="m"))
    assert world.attempt() == task_id
    world.emulator.faults.arm(FaultRule(operation="query", effect="error_before", status=code, code="", message="m"))
    world.clear()
    with pytest.raises(errors.DashScopeError):
        world.attempt()
    assert len(world.tasks) == 1


def test_a_late_event_of_an_old_job_does_not_touch_the_record_of_a_newer_one(world: World) -> None:
    old = world.attempt()
    world.audio = AUDIO + "?v=2"
    new = world.attempt()
    assert world.operator().execute_complete(world.context, succeeded(old))["task_id"] == old
    assert (world.store[KEY]["task_id"], world.store[KEY]["succeeded"]) == (new, False)


TRANSCRIPTS = {
    "results": [
        {"transcription_url": "https://r/1.json", "subtask_status": "SUCCEEDED"},
        {"code": "InvalidFile.Format", "message": "m", "subtask_status": "FAILED"},
    ]
}


def any_model(**arguments: Any) -> DashScopeTaskOperator:
    # The emulator's own model: what is tested here is what a record makes of a reply with subtasks.
    inputs = {"video_url": VIDEO, "audio_url": AUDIO}
    path = "services/aigc/image2video/video-synthesis"
    return DashScopeTaskOperator(task_id="retalk", model="videoretalk", path=path, input=inputs, **arguments)


def event_with_subtasks(task_id: str) -> dict[str, Any]:
    event = succeeded(task_id)
    event["reply"]["output"] |= TRANSCRIPTS
    return event


def test_a_failed_subtask_fails_the_task_and_its_job_is_not_lost(world: World) -> None:
    """With ``keep``, a clear of the failed task returns what the first job has made."""
    with pytest.raises(TaskDeferred):
        any_model(deferrable=True).execute(world.context)
    (job,) = world.tasks
    with pytest.raises(errors.TaskFailedError, match="1 of its 2 subtasks failed: m"):
        any_model(deferrable=True).execute_complete(world.context, event_with_subtasks(job["task_id"]))
    world.clear()
    with pytest.raises(TaskDeferred) as deferred:
        any_model(deferrable=True, on_failed_subtask="keep").execute(world.context)
    assert deferred.value.trigger.dashscope_task_id == job["task_id"]
    kept = any_model(deferrable=True, on_failed_subtask="keep")
    result = kept.execute_complete(world.context, event_with_subtasks(job["task_id"]))
    assert result["output"]["results"] == TRANSCRIPTS["results"]
    assert result["result_urls"] == ["http://r/1.mp4", "https://r/1.json"]
    assert kept.execute(world.context) == result
    assert len(world.tasks) == 1
