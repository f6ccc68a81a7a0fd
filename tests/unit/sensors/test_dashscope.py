"""Results and errors of the sensor, which are the same in all three modes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
from airflow.sdk.bases.sensor import AirflowRescheduleException
from connections import connect
from pytest_httpserver import HTTPServer
from state_store import TaskStateStore

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.job_history.history import JobHistory
from airflow_provider_videoretalk.polling import schedule
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger

Run = Callable[..., Any]


class TaskInstance:
    def get_first_reschedule_date(self, context: Any) -> None:
        return None


def poke(**arguments: Any) -> Any:
    return sensor(mode="poke", **arguments).execute({"ti": TaskInstance()})


def reschedule(**arguments: Any) -> Any:
    """A rescheduled sensor starts anew at each poke."""
    while True:
        try:
            return sensor(mode="reschedule", **arguments).execute({"ti": TaskInstance()})
        except AirflowRescheduleException:
            continue


def defer(**arguments: Any) -> Any:
    """As Airflow does it: the trigger's first event comes back through ``resume_execution``."""
    task = sensor(deferrable=True, **arguments)
    try:
        return task.execute({})
    except TaskDeferred as deferred:
        trigger, method = deferred.trigger, deferred.method_name
        assert isinstance(trigger, DashScopeTaskTrigger)

    async def first() -> Any:
        return (await anext(trigger.run())).payload

    return task.resume_execution(method, {"event": asyncio.run(first())}, {})


@pytest.fixture(params=[poke, reschedule, defer], ids=["poke", "reschedule", "deferrable"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param


def sensor(**arguments: Any) -> DashScopeTaskSensor:
    return DashScopeTaskSensor(task_id="wait", **{"dashscope_task_id": "t1", "poke_interval": 0.01} | arguments)


def test_a_sensor_polls_as_often_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection without a poll_interval of its own makes it no rarer."""
    connect(monkeypatch, host="https://h.example")
    with pytest.raises(TaskDeferred) as deferred:
        sensor(deferrable=True, poke_interval=0.5).execute({})
    assert deferred.value.trigger.poll_policy["poll_interval"] == 0.5


@pytest.mark.parametrize(("hours", "retryable"), [(None, True), (1, True), (24.1, False)])
def test_a_job_that_is_unknown_may_be_known_again(
    monkeypatch: pytest.MonkeyPatch, hours: float | None, retryable: bool
) -> None:
    connect(monkeypatch, host="https://h.example")
    at = None if hours is None else datetime.fromtimestamp(time.time() - hours * 3600, tz=timezone.utc).isoformat()
    task = sensor(dashscope_task_id={"task_id": "t1", "request_id": "r", "submitted_at": at})
    event = {"version": 1, "job": {"task_id": "t1"}, "reply": {"output": {"task_id": "t1", "task_status": "UNKNOWN"}}}
    with pytest.raises(errors.TaskUnknownError) as caught:
        task.execute_complete({}, event)
    assert caught.value.retryable == retryable


def answers(service: HTTPServer, *replies: tuple[int, dict[str, Any]]) -> None:
    """Each reply once, the last one repeatedly."""
    for status, body in replies[:-1]:
        service.expect_oneshot_request("/api/v1/tasks/t1").respond_with_json(body, status=status)
    status, body = replies[-1]
    service.expect_request("/api/v1/tasks/t1").respond_with_json(body, status=status)


def reply(status: str, **output: Any) -> tuple[int, dict[str, Any]]:
    result = {"video_url": "https://result.example/v.mp4"} if status == "SUCCEEDED" else {}
    return 200, {"request_id": "r", "output": {"task_id": "t1", "task_status": status, **result, **output}}


def test_result(service: HTTPServer, run: Run) -> None:
    answers(service, reply("PENDING"), reply("POST-PROCESSING"), reply("SUCCEEDED", video_url="http://r/1.mp4"))
    result = run()
    assert (result["task_id"], result["status"], result["video_url"]) == ("t1", "SUCCEEDED", "http://r/1.mp4")


SUBTASKS: list[dict[str, Any]] = [
    {"transcription_url": "https://r/1.json", "subtask_status": "SUCCEEDED"},
    {"code": "InvalidFile.Format", "message": "m", "subtask_status": "FAILED"},
]


def test_the_results_of_any_model_are_whole(service: HTTPServer, run: Run) -> None:
    answers(service, reply("SUCCEEDED", results=SUBTASKS))
    result = run(on_failed_subtask="keep")
    assert result["output"]["results"] == SUBTASKS
    assert result["result_urls"] == ["https://result.example/v.mp4", "https://r/1.json"]
    assert [subtask["code"] for subtask in result["subtasks"]] == [None, "InvalidFile.Format"]


def test_a_failed_subtask_fails_the_sensor(service: HTTPServer, run: Run) -> None:
    answers(service, reply("SUCCEEDED", results=SUBTASKS))
    with pytest.raises(errors.TaskFailedError, match="1 of its 2 subtasks failed: m"):
        run()


def test_an_unknown_policy_for_subtasks_is_refused() -> None:
    with pytest.raises(errors.InputError, match=r"^on_failed_subtask is 'no'"):
        sensor(on_failed_subtask="no")


def test_already_done(service: HTTPServer, run: Run) -> None:
    answers(service, reply("SUCCEEDED", video_url="http://r/1.mp4"))
    assert run()["video_url"] == "http://r/1.mp4"
    assert len(service.log) == 1


def test_passing_errors_are_tolerated(service: HTTPServer, run: Run) -> None:
    answers(
        service, (429, {"code": "Throttling", "message": "m"}), (500, {"code": "InternalError"}), reply("SUCCEEDED")
    )
    assert run()["status"] == "SUCCEEDED"


def test_a_reply_about_another_job_is_not_used(service: HTTPServer, run: Run) -> None:
    other = {"request_id": "r", "output": {"task_id": "t2", "task_status": "SUCCEEDED", "video_url": "http://r/2.mp4"}}
    answers(service, (200, other), reply("SUCCEEDED", video_url="http://r/1.mp4"))
    result = run()
    assert (result["task_id"], result["video_url"]) == ("t1", "http://r/1.mp4")


@pytest.mark.parametrize(
    ("extra", "own", "poll_interval", "max_poll_interval"),
    [
        ({}, 15, 15, 300),
        ({"poll_interval": 30, "max_poll_interval": 600}, 15, 30, 600),
        ({"poll_interval": 5}, 15, 15, 300),
    ],
)
def test_the_connections_limits_of_a_deferred_sensor(
    service: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    extra: dict[str, Any],
    own: float,
    poll_interval: float,
    max_poll_interval: float,
) -> None:
    answers(service, reply("PENDING"))
    connect(monkeypatch, host=service.url_for("/api/v1"), **extra)
    with pytest.raises(TaskDeferred) as deferred:
        sensor(deferrable=True, poke_interval=own).execute({})
    poll_policy = deferred.value.trigger.poll_policy
    assert (poll_policy["poll_interval"], poll_policy["max_poll_interval"]) == (poll_interval, max_poll_interval)


@pytest.mark.parametrize("soft_fail", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_a_failed_task_fails_the_sensor_with_soft_fail_too(
    service: HTTPServer, run: Run, soft_fail: bool, late: bool
) -> None:
    answers(service, *[reply("PENDING")] * late, reply("FAILED", code="InvalidFile.FPS", message="Invalid fps."))
    with pytest.raises(errors.TaskFailedError, match="Invalid fps") as caught:
        run(soft_fail=soft_fail)
    assert (caught.value.code, caught.value.request_id) == ("InvalidFile.FPS", "r")


@pytest.mark.parametrize("late", [False, True])
def test_never_fail_skips_on_every_error(service: HTTPServer, run: Run, late: bool) -> None:
    answers(service, *[reply("PENDING")] * late, reply("FAILED", code="InvalidFile.FPS", message="Invalid fps."))
    with pytest.raises(AirflowSkipException):
        run(never_fail=True)


def test_unknown_is_its_own_error(service: HTTPServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "REFUSAL_SECONDS", 0)
    answers(service, reply("UNKNOWN"))
    with pytest.raises(errors.TaskUnknownError, match="not known to the service"):
        run()


def test_a_submission_that_is_not_visible_yet_is_waited_for(service: HTTPServer, run: Run) -> None:
    answers(service, reply("UNKNOWN"), reply("SUCCEEDED"))
    submission = {"task_id": "t1", "request_id": "r", "submitted_at": datetime.now(timezone.utc).isoformat()}
    assert run(dashscope_task_id=submission)["status"] == "SUCCEEDED"


def test_errors_that_stay_are_raised(service: HTTPServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "REFUSAL_SECONDS", 0)
    answers(service, (401, {"code": "InvalidApiKey", "message": "m", "request_id": "e"}))
    with pytest.raises(errors.AccessError, match="InvalidApiKey"):
        run()


@pytest.mark.parametrize(("soft_fail", "raised"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)])
@pytest.mark.parametrize("run", [poke, defer], ids=["poke", "deferrable"])
def test_timeout(service: HTTPServer, run: Run, soft_fail: bool, raised: type[Exception]) -> None:
    answers(service, reply("PENDING"))
    with pytest.raises(raised):
        run(timeout=0, soft_fail=soft_fail)
    assert all("cancel" not in request.path for request, _ in service.log)


def test_the_backstop_is_a_sensor_timeout_too() -> None:
    with pytest.raises(AirflowSensorTimeout):
        sensor(deferrable=True).resume_execution("__fail__", {"error": "Trigger timeout"}, {})


@pytest.mark.parametrize("refused", [400, 401, 403, 404, "UNKNOWN"])
def test_one_refusal_is_not_the_end_of_a_paid_job(service: HTTPServer, run: Run, refused: int | str) -> None:
    """A gateway is restarted, or a key is replaced, while the job renders."""
    refusal = reply(refused) if isinstance(refused, str) else (refused, {"code": "", "message": "m"})
    answers(service, refusal, reply("RUNNING"), refusal, reply("SUCCEEDED"))
    assert run()["status"] == "SUCCEEDED"


def test_a_rescheduled_sensor_remembers_for_how_long_it_was_refused(
    service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It queries again in the same poke, as the next poke is another process."""
    monkeypatch.setattr(schedule, "REFUSAL_SECONDS", 0.5)
    answers(service, (401, {"code": "InvalidApiKey", "message": "m"}))
    with pytest.raises(errors.AccessError, match="was refused for"):
        sensor(mode="reschedule").execute({"ti": TaskInstance()})
    assert len(service.log) > 1


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
@pytest.mark.usefixtures("service")
def test_the_last_poke_is_at_the_end_of_the_timeout(mode: str) -> None:
    task = sensor(mode=mode, poke_interval=3600, timeout=100)
    task._ends_at = time.time() + 50
    assert task._get_next_poke_interval(0.0, lambda: 50.0, 1) == pytest.approx(50, abs=30)


@pytest.mark.parametrize(
    ("estimate", "seconds"),
    [
        ({"expected_seconds": 12.5, "estimated_seconds": 12.5, "exact": True}, 12.5),
        ({"expected_seconds": 12.5, "estimated_seconds": 12.5, "exact": False}, 12.5),
        ({"expected_seconds": None, "estimated_seconds": 120.0, "exact": False}, None),
        ({"expected_seconds": "long"}, None),
        ({}, None),
    ],
)
def test_the_expected_seconds_of_a_submission_reach_the_trigger(
    service: HTTPServer, estimate: dict[str, Any], seconds: float | None
) -> None:
    answers(service, reply("PENDING"))
    with pytest.raises(TaskDeferred) as deferred:
        sensor(deferrable=True, dashscope_task_id={"task_id": "t1", **estimate}).execute({})
    assert deferred.value.trigger.expected_seconds == seconds


def test_what_the_trigger_gets(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(service, reply("PENDING"))
    connect(monkeypatch, name="other", host=service.url_for("/api/v1"))
    submission = {"task_id": "t1", "request_id": "r-submit", "submitted_at": "2026-11-22T10:00:00+00:00"}
    task = sensor(deferrable=True, dashscope_conn_id="other", dashscope_task_id=submission, timeout=3600)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute({})
    trigger = deferred.value.trigger
    assert trigger.dashscope_conn_id == "other"
    assert (trigger.dashscope_task_id, trigger.request_id, trigger.submitted_at) == ("t1", "r-submit", 1795341600.0)
    assert trigger.cancel_on_kill is False
    # Airflow's own limit comes ten minutes after the trigger's.
    assert deferred.value.timeout == timedelta(seconds=4200)


def test_the_end_of_a_job_and_its_cost_are_in_the_history(
    service: HTTPServer, variables: TaskStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On Airflow 3.1 and 3.2 there is no history.
    monkeypatch.setattr(variable_store, "HAS_KEYS", True)
    status, body = reply("SUCCEEDED")
    answers(service, (status, body | {"usage": {"video_duration": 10.0}}))
    price = {"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-25"}
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="wait", map_index=-1)
    result = sensor(deferrable=True, dashscope_task_id={"task_id": "t1", "price": price}).execute({"ti": ti})
    assert (result["cost"], result["currency"]) == (0.8, "CNY")
    (record,) = JobHistory(variables).load(date(2026, 1, 1))
    assert record.ended is not None
    assert (record.ended.status, record.ended.task_instance) == ("SUCCEEDED", "dag/run/wait/-1")
    assert (record.ended.billed_seconds, record.ended.cost, record.ended.currency) == (10.0, 0.8, "CNY")


def test_a_poke_by_itself(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no execute() before it. Two queries of one poke are a tenth of a second apart at least."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    answers(service, (401, {"code": "InvalidApiKey", "message": "m"}), reply("SUCCEEDED"))
    assert sensor(mode="reschedule", poke_interval=0).poke({}).xcom_value["status"] == "SUCCEEDED"
    # The others are the client's.
    assert max(pauses) == 0.1


@pytest.mark.parametrize(
    ("mode", "first"),
    [
        ("poke", reply("PENDING")),
        ("poke", (401, {"code": "InvalidApiKey", "message": "m"})),
        ("reschedule", reply("PENDING")),
    ],
)
def test_the_wait_between_two_queries_is_airflows(
    service: HTTPServer, mode: str, first: tuple[int, dict[str, Any]]
) -> None:
    """A rescheduled sensor frees its worker meanwhile."""
    answers(service, first, reply("SUCCEEDED"))
    assert not sensor(mode=mode).poke({}).is_done


def test_takes_a_submission(service: HTTPServer, run: Run) -> None:
    answers(service, reply("PENDING"), reply("SUCCEEDED"))
    submission = {"task_id": "t1", "request_id": "r-submit", "status": "PENDING"}
    assert run(dashscope_task_id=submission)["request_id"] == "r-submit"


@pytest.mark.parametrize("bad", ["", " ", None, {"id": "t1"}, 7])
def test_no_task_id(service: HTTPServer, run: Run, bad: object) -> None:
    with pytest.raises(errors.InputError, match=r"^dashscope_task_id is .*, allowed is the id of a render job"):
        run(dashscope_task_id=bad)
    assert not service.log
