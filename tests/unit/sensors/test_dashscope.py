"""The three modes side by side: what one of them returns or raises, all of them do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope import errors
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
        trigger = deferred.trigger
        assert isinstance(trigger, DashScopeTaskTrigger)

    async def first() -> Any:
        return (await anext(trigger.run())).payload

    return task.resume_execution("execute_complete", {"event": asyncio.run(first())}, {})


@pytest.fixture(params=[poke, reschedule, defer], ids=["poke", "reschedule", "deferrable"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param


def sensor(**arguments: Any) -> DashScopeTaskSensor:
    return DashScopeTaskSensor(task_id="wait", **{"dashscope_task_id": "t1", "poke_interval": 0.01} | arguments)


def tells(service: HTTPServer, *answers: tuple[int, dict[str, Any]]) -> None:
    """Each answer once, the last one for ever."""
    for status, body in answers[:-1]:
        service.expect_oneshot_request("/api/v1/tasks/t1").respond_with_json(body, status=status)
    status, body = answers[-1]
    service.expect_request("/api/v1/tasks/t1").respond_with_json(body, status=status)


def told(status: str, **output: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"request_id": "r", "output": {"task_id": "t1", "task_status": status, **output}}


def test_result(service: HTTPServer, run: Run) -> None:
    tells(service, told("PENDING"), told("POST-PROCESSING"), told("SUCCEEDED", video_url="http://r/1.mp4"))
    result = run()
    assert (result["task_id"], result["status"], result["video_url"]) == ("t1", "SUCCEEDED", "http://r/1.mp4")


def test_already_done(service: HTTPServer, run: Run) -> None:
    tells(service, told("SUCCEEDED", video_url="http://r/1.mp4"))
    assert run()["video_url"] == "http://r/1.mp4"
    assert len(service.log) == 1


def test_passing_errors_are_tolerated(service: HTTPServer, run: Run) -> None:
    tells(service, (429, {"code": "Throttling", "message": "m"}), (500, {"code": "InternalError"}), told("SUCCEEDED"))
    assert run()["status"] == "SUCCEEDED"


@pytest.mark.parametrize("soft_fail", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_a_failed_task_fails_the_sensor_with_soft_fail_too(
    service: HTTPServer, run: Run, soft_fail: bool, late: bool
) -> None:
    tells(service, *[told("PENDING")] * late, told("FAILED", code="InvalidFile.FPS", message="Invalid fps."))
    with pytest.raises(errors.TaskFailedError, match="Invalid fps") as caught:
        run(soft_fail=soft_fail)
    assert (caught.value.code, caught.value.request_id) == ("InvalidFile.FPS", "r")


@pytest.mark.parametrize("late", [False, True])
def test_never_fail_skips_on_every_error(service: HTTPServer, run: Run, late: bool) -> None:
    tells(service, *[told("PENDING")] * late, told("FAILED", code="InvalidFile.FPS", message="Invalid fps."))
    with pytest.raises(AirflowSkipException):
        run(never_fail=True)


def test_unknown_is_its_own_error(service: HTTPServer, run: Run) -> None:
    tells(service, told("UNKNOWN"))
    with pytest.raises(errors.TaskUnknownError, match="not known to the service"):
        run()


def test_a_submission_that_is_not_visible_yet_is_waited_for(service: HTTPServer, run: Run) -> None:
    tells(service, told("UNKNOWN"), told("SUCCEEDED"))
    submission = {"task_id": "t1", "request_id": "r", "submitted_at": datetime.now(timezone.utc).isoformat()}
    assert run(dashscope_task_id=submission)["status"] == "SUCCEEDED"


def test_errors_that_stay_are_raised(service: HTTPServer, run: Run) -> None:
    tells(service, (401, {"code": "InvalidApiKey", "message": "m", "request_id": "e"}))
    with pytest.raises(errors.AccessError, match="InvalidApiKey"):
        run()


@pytest.mark.parametrize(("soft_fail", "raised"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)])
@pytest.mark.parametrize("run", [poke, defer], ids=["poke", "deferrable"])
def test_timeout(service: HTTPServer, run: Run, soft_fail: bool, raised: type[Exception]) -> None:
    tells(service, told("PENDING"))
    with pytest.raises(raised):
        run(timeout=0, soft_fail=soft_fail)
    assert all("cancel" not in request.path for request, _ in service.log)


def test_the_backstop_is_a_sensor_timeout_too() -> None:
    with pytest.raises(AirflowSensorTimeout):
        sensor(deferrable=True).resume_execution("__fail__", {"error": "Trigger timeout"}, {})


def test_takes_a_submission(service: HTTPServer, run: Run) -> None:
    tells(service, told("PENDING"), told("SUCCEEDED"))
    submission = {"task_id": "t1", "request_id": "r-submit", "status": "PENDING"}
    assert run(dashscope_task_id=submission)["request_id"] == "r-submit"


@pytest.mark.parametrize("bad", ["", " ", None, {"id": "t1"}, 7])
def test_no_task_id(service: HTTPServer, run: Run, bad: object) -> None:
    with pytest.raises(errors.InputError, match="allowed is a task's id or a submission"):
        run(dashscope_task_id=bad)
    assert not service.log
