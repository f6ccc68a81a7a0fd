from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowTaskTimeout, TaskDeferred
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from connections import connect
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_httpserver import HTTPServer
from state_store import TaskStateStore
from werkzeug import Request as Received
from werkzeug import Response

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.job_history.history import JobHistory
from airflow_provider_videoretalk.operators import base, job_wait, job_wait_operator
from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator
from airflow_provider_videoretalk.operators.job import DashScopeJobOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.polling import schedule
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob
from airflow_provider_videoretalk.submission.cancel import Cancellation
from airflow_provider_videoretalk.triggers.admission import AdmissionTrigger
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger
from airflow_provider_videoretalk.triggers.retry_later import RetryLaterTrigger

SUBMIT = "/api/v1/services/aigc/image2video/video-synthesis"
AUDIO = "https://h/a.wav"
# What is looked at in the inputs, tests of their own tell.
VALID: dict[str, Any] = {"video_url": "https://h/a.mp4", "audio_url": AUDIO, "preflight": "off"}


def operator(**arguments: Any) -> VideoRetalkOperator:
    return VideoRetalkOperator(task_id="retalk", **VALID | arguments)


def event_about(task_id: str, **ended: Any) -> dict[str, Any]:
    """A trigger's event."""
    return {"version": 1, "job": {"task_id": task_id, "request_id": "r-submit", "submitted_at": 1.0}, **ended}


def accepts(service: HTTPServer) -> None:
    body = {"request_id": "r-submit", "output": {"task_id": "t1", "task_status": "PENDING"}}
    service.expect_request(SUBMIT, method="POST").respond_with_json(body)


def tells(service: HTTPServer, status: str, **output: Any) -> dict[str, Any]:
    body = {"request_id": "r-query", "output": {"task_id": "t1", "task_status": status, **output}}
    service.expect_request("/api/v1/tasks/t1").respond_with_json(body)
    return body


def cancels(service: HTTPServer) -> None:
    """The job queues until it is cancelled."""
    statuses = ["PENDING"]

    def tell(_: Received) -> Response:
        return Response(
            json.dumps({"output": {"task_id": "t1", "task_status": statuses[-1]}}), content_type="application/json"
        )

    def cancel(_: Received) -> Response:
        statuses.append("CANCELED")
        return Response('{"request_id": "c"}', content_type="application/json")

    service.expect_request("/api/v1/tasks/t1").respond_with_handler(tell)
    service.expect_request("/api/v1/tasks/t1/cancel", method="POST").respond_with_handler(cancel)


def refuses_to_cancel(service: HTTPServer) -> None:
    body = {"code": "UnsupportedOperation", "message": "not PENDING", "request_id": "c"}
    service.expect_request("/api/v1/tasks/t1/cancel", method="POST").respond_with_json(body, status=400)


def listen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the audit says from now on."""
    said: list[str] = []
    monkeypatch.setattr(
        VideoRetalkOperator, "record_spend", lambda operator, event, task_id, reason: said.append(reason)
    )
    return said


def requests_to(service: HTTPServer, path: str) -> int:
    return sum(request.path == path for request, _ in service.log)


def test_waiting_on_a_worker(service: HTTPServer, context: dict[str, Any]) -> None:
    accepts(service)
    tells(service, "SUCCEEDED", video_url="http://r/1.mp4")
    result = operator(deferrable=False).execute(context)
    assert (result["task_id"], result["request_id"], result["video_url"]) == ("t1", "r-submit", "http://r/1.mp4")
    assert context["ti"].pushed["dashscope_task_id"] == "t1"
    assert context["ti"].pushed["videoretalk_watch"].endswith("/tasks/retalk/-1")


@pytest.mark.trap(6)
def test_a_retry_that_finds_its_task_returns_the_result(service: HTTPServer, context: dict[str, Any]) -> None:
    """Airflow's own mixin for resumable jobs returns nothing then."""
    accepts(service)
    tells(service, "SUCCEEDED", video_url="http://r/1.mp4")
    with pytest.raises(TaskDeferred):
        operator(deferrable=True).execute(context)
    assert operator(deferrable=False).execute(context)["video_url"] == "http://r/1.mp4"
    assert operator(deferrable=False).execute(context)["video_url"] == "http://r/1.mp4"
    assert requests_to(service, SUBMIT) == 1


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
def test_a_job_that_has_ended_is_not_deferred_for(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    accepts(service)
    with pytest.raises(TaskDeferred):
        operator(deferrable=True).execute(context)
    tells(service, status, video_url="http://r/1.mp4", code="InvalidFile.Content")
    now = time.time() + 60
    monkeypatch.setattr(job_wait.event_if_ended, "__kwdefaults__", {"clock": lambda: now})
    if status == "FAILED":
        with pytest.raises(errors.TaskFailedError, match=r"InvalidFile\.Content"):
            operator(deferrable=True).execute(context)
    else:
        assert operator(deferrable=True).execute(context)["video_url"] == "http://r/1.mp4"
    assert requests_to(service, SUBMIT) == 1


def test_a_job_that_ended_while_it_was_given_up_is_not_deferred_for(
    service: HTTPServer, context: dict[str, Any]
) -> None:
    """The cancel after ``queue_timeout`` says that the render has begun, and it may have ended since."""
    tells(service, "SUCCEEDED", video_url="http://r/1.mp4")
    refuses_to_cancel(service)
    event = event_about("t1", error=errors.QueueTimeoutError("m").to_json())
    assert operator(deferrable=True).execute_complete(context, event)["video_url"] == "http://r/1.mp4"


def test_waiting_on_the_triggerer(service: HTTPServer, context: dict[str, Any]) -> None:
    accepts(service)
    task = operator(deferrable=True, queue_timeout=timedelta(seconds=70), render_timeout=timedelta(seconds=30))
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    trigger = deferred.value.trigger
    assert isinstance(trigger, DashScopeTaskTrigger)
    assert (trigger.dashscope_task_id, trigger.request_id) == ("t1", "r-submit")
    assert (trigger.poll_policy["queue_timeout"], trigger.poll_policy["render_timeout"]) == (70, 30)
    assert deferred.value.timeout is not None
    assert deferred.value.timeout > timedelta(seconds=100)
    event = event_about("t1", reply=tells(service, "SUCCEEDED", video_url="https://r/1.mp4"))
    assert task.execute_complete(context, event)["video_url"] == "https://r/1.mp4"


def test_not_waiting(service: HTTPServer, context: dict[str, Any]) -> None:
    accepts(service)
    result = operator(wait_for_completion=False).execute(context)
    assert {name: result[name] for name in ("task_id", "request_id", "status")} == {
        "task_id": "t1",
        "request_id": "r-submit",
        "status": "PENDING",
    }
    assert result["inputs"] == {"video_url": VALID["video_url"], "audio_url": AUDIO}
    record = context["task_state_store"]["dashscope_submission"]
    submitted_at = datetime.fromisoformat(result["submitted_at"]).timestamp()
    assert submitted_at == pytest.approx(record["submitted_at"], abs=0.001)


@pytest.mark.usefixtures("in_shanghai")
def test_a_submission_has_its_time_in_utc() -> None:
    awaited = AwaitedJob(task_id="t1", request_id="r", submitted_at=1_800_000_000.5)
    assert DashScopeJobOperator(task_id="t").submission_result(awaited) == {
        "task_id": "t1",
        "request_id": "r",
        "status": "PENDING",
        "submitted_at": "2027-01-15T08:00:00.500000+00:00",
    }


@pytest.mark.parametrize("deferrable", [True, False])
def test_the_log_tells_of_a_success(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    lines: list[str] = []
    # Airflow warns that no task runner calls.
    log = SimpleNamespace(info=lambda text, *values: lines.append(text % values), warning=lambda *_: None)
    monkeypatch.setattr(VideoRetalkOperator, "log", log)
    accepts(service)
    times = {
        "submit_time": "2026-11-27 10:00:00.000",
        "scheduled_time": "2026-11-27 10:00:07.000",
        "end_time": "2026-11-27 10:01:37.500",
    }
    body = tells(service, "SUCCEEDED", video_url="http://r/1.mp4", **times)
    body["usage"] = {"video_duration": 9.5}
    if deferrable:
        with pytest.raises(TaskDeferred):
            operator(deferrable=True).execute(context)
        operator(deferrable=True).execute_complete(context, event_about("t1", reply=body))
    else:
        service.clear()
        accepts(service)
        service.expect_request("/api/v1/tasks/t1").respond_with_json(body)
        operator(deferrable=False).execute(context)
    assert lines[-1] == (
        "Render job t1 succeeded: queued 7.0 s, rendered 90.5 s, billed 9.5 s. "
        "Its result expires at 2026-11-28T02:01:37.500000+00:00"
    )


def test_the_spans_of_a_job(service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    accepts(service)
    times = {"submit_time": "2026-11-27 10:00:00.000", "scheduled_time": "2026-11-27 10:00:07.000"}
    tells(service, "SUCCEEDED", video_url="http://r/1.mp4", **times)
    with trace.get_tracer("airflow").start_as_current_span("worker.retalk"):
        operator(deferrable=False).execute(context)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    connection = {"videoretalk.connection_id": "dashscope_default"}
    assert spans["videoretalk.submit"].attributes == connection | {"videoretalk.model": "videoretalk"}
    assert spans["videoretalk.wait"].attributes == {"videoretalk.job_id": "t1"}
    job = {"videoretalk.job_id": "t1", "videoretalk.currency": "CNY"}
    assert spans["videoretalk.queue"].attributes == connection | job
    submitted_at = context["task_state_store"]["dashscope_submission"]["submitted_at"]
    assert spans["videoretalk.queue"].start_time == round(submitted_at * 1e9)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_throttled_submit_defers_and_goes_on(service: HTTPServer, context: dict[str, Any], deferrable: bool) -> None:
    service.expect_oneshot_request(SUBMIT).respond_with_json(
        {"code": "Throttling.RateQuota"}, status=429, headers={"Retry-After": "60"}
    )
    task = operator(deferrable=deferrable, wait_for_completion=False)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    assert isinstance(deferred.value.trigger, RetryLaterTrigger)
    assert deferred.value.method_name == "execute_again"
    accepts(service)
    assert task.execute_again(context, deferred.value.trigger.note)["task_id"] == "t1"


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        # Airflow loses tasks whose deferral is over before it has looked at the worker's end.
        (max, ([7, 7, 8], [16, 32])),
        # A minute at most, of which half may be left out.
        (min, ([7, 7, 7, 8], [16, 30])),
    ],
)
def test_throttling_backs_off_up_to_its_limit(
    service: HTTPServer,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    choose: Any,
    expected: tuple[list[float], list[float]],
) -> None:
    service.expect_request(SUBMIT).respond_with_json({"code": "Throttling"}, status=429, headers={"Retry-After": "7"})
    now = 1_000.0
    monkeypatch.setattr(base.random, "uniform", lambda *bounds: choose(bounds))
    task, note = operator(throttle_timeout=timedelta(seconds=100)), None
    slept: list[float] = []
    deferred_for: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    monkeypatch.setattr(base, "time", SimpleNamespace(time=lambda: now, sleep=sleep))
    while True:
        try:
            task.execute_again(context, note) if note else task.execute(context)
        except TaskDeferred as deferred:
            note = deferred.trigger.note
            deferred_for.append(deferred.trigger.moment - now)
            now = deferred.trigger.moment
        except errors.ThrottledError:
            break
    assert (slept, deferred_for) == expected


def test_a_moment_that_has_passed_is_not_waited_for(context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock may have been set, or the request before may have taken long."""
    slept: list[float] = []
    monkeypatch.setattr(base, "time", SimpleNamespace(time=lambda: 1_000.0, sleep=slept.append))
    task = operator()

    def attempt(context: Any, *, refusals: int, since: float) -> str:
        if not refusals:
            task.run_again_at(995.0, refusals=1, since=since)
        return "done"

    monkeypatch.setattr(task, "attempt", attempt)
    assert task.execute(context) == "done"
    assert slept == [0.0]


@pytest.mark.parametrize(("done", "needless"), [(True, False), (False, False), (False, True)])
def test_how_a_job_is_cancelled(
    service: HTTPServer, monkeypatch: pytest.MonkeyPatch, done: bool, needless: bool
) -> None:
    """In the time that is left, and the history and the log get the outcome."""
    asked: list[Any] = []

    def cancel(client: Any, task_id: str, *, sleep: Any, **options: Any) -> Cancellation:
        assert sleep == client.sleep
        asked.append((task_id, options))
        return Cancellation(done=done, begun=False, sentence="A sentence.", needless=needless)

    monkeypatch.setattr(job_wait_operator, "cancel", cancel)
    monkeypatch.setattr(job_wait_operator, "note_cancelled", lambda task_id: asked.append(("noted", task_id)))
    monkeypatch.setattr(job_wait_operator, "record_spend", lambda log, *said, tags: asked.append((*said, tags)))
    awaited = AwaitedJob(task_id="t1", expected_seconds=9.5)
    assert operator()._cancel(awaited, seconds=4.5).done is done
    options = {"expected_seconds": 9.5, "pauses": (0.5, 1.0, 2.0)}
    tags = {"connection_id": "dashscope_default", "model": "videoretalk"}
    spent = [] if needless else [("cancel", "t1", "A sentence.", tags)]
    done_too = [("cancelled", "t1", "It is not billed.", tags), ("noted", "t1")]
    assert asked == [("t1", options), *spent, *(done_too if done else [])]


def test_what_a_deferral_stores(service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, name="mine", host=service.url_for("/api/v1"))
    accepts(service)
    context["ti"].start_date = datetime(2100, 1, 1, tzinfo=timezone.utc)
    task = operator(
        deferrable=True,
        dashscope_conn_id="mine",
        poll_interval=5,
        max_poll_interval=60,
        queue_timeout=100,
        render_timeout=200,
        execution_timeout=timedelta(minutes=1),
        hold_back=False,
    )
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    record = context["task_state_store"]["dashscope_submission"]
    _, arguments = deferred.value.trigger.serialize()
    assert arguments == {
        "version": 1,
        "dashscope_conn_id": "mine",
        "dashscope_task_id": "t1",
        "submitted_at": record["submitted_at"],
        "request_id": "r-submit",
        "poll_policy": {
            "poll_interval": 5.0,
            "max_poll_interval": 60.0,
            "queue_timeout": 100.0,
            "render_timeout": 200.0,
            # Three hours, after which the service drops a job.
            "service_limit": 10_800.0,
            "deadline": datetime(2100, 1, 1, 0, 1, tzinfo=timezone.utc).timestamp(),
            "begun_by": None,
        },
        "cancel_on_kill": True,
        "cost_estimate": record["intent"]["cost_estimate"],
    }
    assert deferred.value.method_name == "execute_complete"
    # Ten minutes more than both limits: it counts only if the trigger is lost.
    assert deferred.value.timeout == timedelta(seconds=900)


def test_a_success_without_a_url_is_no_result(context: dict[str, Any]) -> None:
    reply = {"request_id": "q", "output": {"task_id": "t1", "task_status": "SUCCEEDED", "other": 1}}
    with pytest.raises(errors.TransportError) as caught:
        operator().execute_complete(context, event_about("t1", reply=reply))
    assert caught.value.message == "render job t1 succeeded, but it has no video_url"
    assert caught.value.request_id == "r-submit"


@pytest.mark.parametrize(("hours", "retryable"), [(1, True), (23.9, True), (24.1, False)])
def test_a_job_that_is_unknown_may_be_known_again(context: dict[str, Any], hours: float, retryable: bool) -> None:
    """A retry asks again, and submits nothing. What the service has dropped stays unknown."""
    event = event_about("t1", reply={"output": {"task_id": "t1", "task_status": "UNKNOWN"}})
    event["job"]["submitted_at"] = time.time() - hours * 3600
    with pytest.raises(errors.TaskUnknownError) as caught:
        operator().execute_complete(context, event)
    assert caught.value.retryable == retryable


def test_a_job_without_a_record_that_is_unknown_is_not_asked_about_again(context: dict[str, Any]) -> None:
    """A retry would submit another one."""
    event = event_about("t1", reply={"output": {"task_id": "t1", "task_status": "UNKNOWN"}})
    event["job"]["submitted_at"] = time.time()
    with pytest.raises(errors.TaskUnknownError) as caught:
        operator(durable=False).execute_complete(context, event)
    assert not caught.value.retryable


def test_an_error_of_the_triggerer_is_raised(context: dict[str, Any]) -> None:
    """Nothing is sent for a submit that cannot be admitted."""
    error = errors.AccessError("the key is refused", code="InvalidApiKey", status=401)
    with pytest.raises(errors.AccessError) as caught:
        operator().execute_again(context, {"error": error.to_json()})
    assert (caught.value.message, caught.value.code) == ("the key is refused", "InvalidApiKey")


def test_a_bill_is_no_throttle(service: HTTPServer, context: dict[str, Any]) -> None:
    service.expect_request(SUBMIT).respond_with_json({"code": "PrepaidBillOverdue", "message": "m"}, status=429)
    with pytest.raises(errors.AccessError, match="Settle the account's bill"):
        operator().execute(context)


def test_a_lost_reply_is_not_retried(service: HTTPServer, context: dict[str, Any]) -> None:
    service.expect_request(SUBMIT).respond_with_data("<html>bad gateway</html>", status=502)
    with pytest.raises(AirflowFailException, match=r"Look into the service.s list") as caught:
        operator().execute(context)
    assert isinstance(caught.value.__cause__, errors.OutcomeUnknownError)
    assert requests_to(service, SUBMIT) == 1


@pytest.mark.parametrize("deferred", [True, False])
def test_a_failed_task_raises_what_the_service_said(
    service: HTTPServer, context: dict[str, Any], deferred: bool
) -> None:
    accepts(service)
    payload = tells(service, "FAILED", code="InvalidFile.FPS", message="Invalid fps.")
    task = operator(deferrable=False)
    event = event_about("t1", reply=payload)
    with pytest.raises(errors.TaskFailedError) as caught:
        task.execute_complete(context, event) if deferred else task.execute(context)
    assert (caught.value.code, caught.value.request_id) == ("InvalidFile.FPS", "r-query")
    assert "Invalid fps." in caught.value.message


def test_the_history_knows_how_a_job_failed(
    context: dict[str, Any], variables: TaskStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On Airflow 3.1 and 3.2 there is no history.
    monkeypatch.setattr(variable_store, "HAS_KEYS", True)
    reply = {"output": {"task_id": "t1", "task_status": "FAILED", "code": "InvalidFile.FPS"}}
    with pytest.raises(errors.TaskFailedError):
        operator().execute_complete(context, event_about("t1", reply=reply))
    (record,) = JobHistory(variables).load(date(2026, 1, 1))
    assert record.ended is not None
    assert (record.job_id, record.ended.status, record.ended.code) == ("t1", "FAILED", "InvalidFile.FPS")


@pytest.mark.parametrize("output", [{}, {"video_url": "file:///etc/passwd"}, {"other": "https://r/1.json"}])
def test_a_success_without_a_video_costs_nothing_again(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, output: dict[str, str]
) -> None:
    monkeypatch.setattr(schedule, "GRACE", 0)
    accepts(service)
    tells(service, "SUCCEEDED", **output)
    with pytest.raises(errors.TransportError, match="succeeded, but") as raised:
        operator(deferrable=False).execute(context)
    assert raised.value.retryable
    service.clear()
    tells(service, "SUCCEEDED", video_url="https://r/1.mp4")
    assert operator(deferrable=False).execute(context)["video_url"] == "https://r/1.mp4"
    assert all(request.method == "GET" for request, _ in service.log), "nothing is submitted again"


def test_what_queued_too_long_is_cancelled(
    service: HTTPServer, context: dict[str, Any], variables: TaskStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On Airflow 3.1 and 3.2 there is no history.
    monkeypatch.setattr(variable_store, "HAS_KEYS", True)
    accepts(service)
    cancels(service)
    with pytest.raises(errors.QueueTimeoutError, match="did not begin within"):
        operator(deferrable=False, queue_timeout=timedelta(0)).execute(context)
    assert requests_to(service, "/api/v1/tasks/t1/cancel") == 1
    (record,) = JobHistory(variables).load(date(2026, 1, 1))
    assert record.ended is not None
    assert (record.job_id, record.ended.status) == ("t1", "CANCELED")


@pytest.mark.parametrize(
    ("audio_url", "bill"), [(AUDIO, "its whole length"), ({"audio_url": AUDIO, "seconds": 12.5}, "about 12.57 seconds")]
)
def test_what_rendered_too_long_is_reported(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, audio_url: Any, bill: str
) -> None:
    accepts(service)
    tells(service, "RUNNING")
    refuses_to_cancel(service)
    said = listen(monkeypatch)
    with pytest.raises(errors.RenderTimeoutError, match="cannot be stopped, and is billed if it succeeds"):
        operator(deferrable=False, render_timeout=timedelta(0), audio_url=audio_url).execute(context)
    assert f"Render job t1 is RUNNING and cannot be cancelled. If it succeeds, {bill} will be billed." in said


@pytest.mark.parametrize("kind", [errors.QueueTimeoutError, errors.RenderTimeoutError, errors.TaskTimeoutError])
@pytest.mark.parametrize("status", [400, 404], ids=["too late to cancel", "no route to cancel"])
def test_a_result_that_came_after_the_limit_is_used(
    service: HTTPServer, context: dict[str, Any], kind: type[errors.TaskTimeoutError], status: int
) -> None:
    code = {400: "UnsupportedOperation", 404: "NotFound"}[status]
    service.expect_request("/api/v1/tasks/t1/cancel", method="POST").respond_with_json({"code": code}, status=status)
    tells(service, "SUCCEEDED", video_url="https://r/1.mp4")
    result = operator().execute_complete(context, event_about("t1", error=kind("late").to_json()))
    assert result["video_url"] == "https://r/1.mp4"


def test_a_worker_that_begins_after_the_limit_may_ask_again(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One failed query is not its end: the job may have succeeded while no worker waited for it."""
    monkeypatch.setattr(schedule, "_LAST_PAUSE", 0.01)
    service.expect_oneshot_request("/api/v1/tasks/t1").respond_with_json({"code": "InternalError"}, status=500)
    tells(service, "SUCCEEDED", video_url="https://r/1.mp4")
    awaited = AwaitedJob(task_id="t1", submitted_at=time.time() - 3600)
    result = operator(deferrable=False, queue_timeout=timedelta(minutes=1))._await(context, awaited)
    assert result["video_url"] == "https://r/1.mp4"


@pytest.mark.parametrize(("map_index", "pool", "told"), [(3, None, 1), (3, "videoretalk", 0), (2, None, 0)])
def test_many_clips_without_a_pool_are_warned_of(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, map_index: int, pool: Any, told: int
) -> None:
    accepts(service)
    context["ti"].map_index = map_index
    task, warnings = operator(wait_for_completion=False, pool=pool), list[str]()
    log = SimpleNamespace(warning=lambda message, *_: warnings.append(message), info=lambda *_: None)
    monkeypatch.setattr(VideoRetalkOperator, "log", log)
    task.execute(context)
    assert sum("without a pool of their own" in warning for warning in warnings) == told


@pytest.mark.trap(10)
def test_execution_timeout_holds_while_deferred(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow enforces it on workers alone, and its own limit on a deferral cancels nothing."""
    accepts(service)
    began = context["ti"].start_date = datetime.now(timezone.utc)
    task = operator(deferrable=True, execution_timeout=timedelta(minutes=10))
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    trigger = deferred.value.trigger
    assert trigger.poll_policy["deadline"] == (began + timedelta(minutes=10)).timestamp()
    assert (
        deferred.value.timeout.total_seconds()
        > trigger.poll_policy["queue_timeout"] + trigger.poll_policy["render_timeout"]
    )
    cancels(service)
    said = listen(monkeypatch)
    late = errors.TaskTimeoutError("task t1 was not finished in the time allowed").to_json()
    with pytest.raises(errors.TaskTimeoutError, match="in the time allowed"):
        task.execute_complete(context, event_about("t1", error=late))
    assert said == ["Render job t1 was still queued and is cancelled. It is not billed.", "It is not billed."]


def test_nothing_is_submitted_once_execution_timeout_is_over(service: HTTPServer, context: dict[str, Any]) -> None:
    context["ti"].start_date = datetime.now(timezone.utc) - timedelta(minutes=11)
    with pytest.raises(errors.TaskTimeoutError, match="execution_timeout ended before a render job was submitted"):
        operator(deferrable=True, execution_timeout=timedelta(minutes=10)).execute(context)
    assert not [request for request, _ in service.log if request.method == "POST"]


@pytest.mark.parametrize(
    ("started", "arguments"),
    [
        # On a worker, Airflow itself enforces it.
        (timedelta(minutes=11), {"deferrable": False, "execution_timeout": timedelta(minutes=10)}),
        (timedelta(minutes=11), {"deferrable": True}),
        (None, {"deferrable": True, "execution_timeout": timedelta(minutes=10)}),
    ],
)
def test_without_a_deadline_that_is_known_a_job_is_submitted(
    service: HTTPServer, context: dict[str, Any], started: timedelta | None, arguments: dict[str, Any]
) -> None:
    accepts(service)
    context["ti"].start_date = started and datetime.now(timezone.utc) - started
    assert operator(wait_for_completion=False, **arguments).execute(context)["task_id"] == "t1"


@pytest.mark.trap(4)
def test_on_kill_does_not_wait_for_a_lock_that_its_own_thread_holds(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal may come in the middle of a call to the supervisor: nothing is known then, and nothing cancelled."""
    held = threading.Lock()

    def blocked(**_: Any) -> dict[str, Any]:
        with held:
            return {"run": {"retalk": "failed"}}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(blocked))
    monkeypatch.setattr(job_wait, "_STATE_SECONDS", 0.05)
    cancelled: list[AwaitedJob] = []
    task = operator(deferrable=False)
    task._worker_wait = job_wait.WorkerWait(
        client=task.hook.client,
        awaited=AwaitedJob(task_id="t1"),
        poll_policy=PollPolicy(),
        task_instance=context["ti"],
        has_record=True,
        cancel=cancelled.append,
        log=task.log,
    )
    with held:
        task.on_kill()
    assert not cancelled
    assert not service.log


@pytest.mark.parametrize(("durable", "cancelled"), [(True, False), (False, True)])
def test_on_kill_without_a_record_always_cancels(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, durable: bool, cancelled: bool
) -> None:
    accepts(service)
    tells(service, "RUNNING")
    states = {"run": {"retalk": "restarting"}}
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(lambda **_: states))
    task, cancels = operator(deferrable=False, durable=durable), list[str]()
    monkeypatch.setattr(task, "_cancel", lambda awaited, **_: cancels.append(awaited.task_id))

    def killed(*_: Any, **__: Any) -> NoReturn:
        task.on_kill()
        raise errors.AccessError("the process was killed")

    monkeypatch.setattr(job_wait, "wait_for_job", killed)
    with pytest.raises(errors.AccessError):
        task.execute(context)
    assert cancels == ["t1"] * cancelled


@pytest.mark.trap(10)
def test_execution_timeout_on_a_worker_cancels_the_job_once(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow raises it in the middle of the wait, and calls ``on_kill`` next."""
    accepts(service)
    cancels(service)
    states = {"run": {"retalk": "failed"}}
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(lambda **_: states))

    def timed_out(*_: Any, **__: Any) -> NoReturn:
        raise AirflowTaskTimeout("Timeout")

    monkeypatch.setattr(job_wait, "wait_for_job", timed_out)
    task = operator(deferrable=False)
    with pytest.raises(AirflowTaskTimeout):
        task.execute(context)
    task.on_kill()
    assert requests_to(service, "/api/v1/tasks/t1/cancel") == 1


def test_on_kill_cancels_what_a_worker_waits_for(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    accepts(service)
    status = "PENDING"
    asked = threading.Event()

    def tell(_: Received) -> Response:
        asked.set()
        return Response(
            json.dumps({"output": {"task_id": "t1", "task_status": status}}), content_type="application/json"
        )

    def cancel(_: Received) -> Response:
        nonlocal status
        status = "CANCELED"
        return Response('{"request_id": "c"}', content_type="application/json")

    service.expect_request("/api/v1/tasks/t1").respond_with_handler(tell)
    service.expect_request("/api/v1/tasks/t1/cancel", method="POST").respond_with_handler(cancel)
    states = {"retalk": "failed"}
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(lambda **_: {"run": states}))
    task = operator(deferrable=False)
    task.on_kill()
    assert not service.log
    with ThreadPoolExecutor(1) as worker:
        execution = worker.submit(task.execute, context)
        assert asked.wait(30)
        states["retalk"] = "restarting"
        task.on_kill()
        assert requests_to(service, "/api/v1/tasks/t1/cancel") == 0
        states["retalk"] = "failed"
        task.on_kill()
        with pytest.raises(errors.TaskFailedError, match="ended CANCELED"):
            execution.result(30)
    task.on_kill()
    assert requests_to(service, "/api/v1/tasks/t1/cancel") == 1


def test_the_connections_intervals_reach_the_trigger(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    accepts(service)
    connect(monkeypatch, host=service.url_for("/api/v1"), poll_interval=10, max_poll_interval=600)
    with pytest.raises(TaskDeferred) as deferred:
        operator(deferrable=True, poll_interval=timedelta(seconds=12)).execute(context)
    poll_policy = deferred.value.trigger.poll_policy
    assert (poll_policy["poll_interval"], poll_policy["max_poll_interval"]) == (12, 600)


@pytest.mark.parametrize(
    ("extra", "arguments", "message"),
    [
        ({"poll_interval": 10}, {"poll_interval": 9}, "^poll_interval is 9 s, allowed is 10 s or more"),
        (
            {"max_poll_interval": 600},
            {"max_poll_interval": 300},
            "^max_poll_interval is 300 s, allowed is 600 s or more",
        ),
        (
            {"throttle_timeout": 60},
            {"throttle_timeout": timedelta(minutes=2)},
            "^throttle_timeout is 120 s, allowed is 60 s or less",
        ),
        ({"hold_back": True}, {"hold_back": False}, "^hold_back is False, allowed is True"),
    ],
)
def test_an_operator_may_not_widen_its_connections_limits(
    service: HTTPServer,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    extra: dict[str, Any],
    arguments: dict[str, Any],
    message: str,
) -> None:
    connect(monkeypatch, host=service.url_for("/api/v1"), **extra)
    with pytest.raises(errors.InputError, match=f"^{message}, by the connection 'dashscope_default'"):
        operator(**arguments).execute(context)
    assert not service.log


def test_the_connections_throttle_timeout(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, host=service.url_for("/api/v1"), throttle_timeout=50)
    service.expect_request(SUBMIT).respond_with_json({"code": "Throttling"}, status=429, headers={"Retry-After": "60"})
    with pytest.raises(errors.ThrottledError):
        operator().execute(context)
    connect(monkeypatch, host=service.url_for("/api/v1"), throttle_timeout=70)
    with pytest.raises(TaskDeferred):
        operator().execute(context)


def long_queue(request: Received) -> Response:
    """The service's list, by which 500 jobs queue and one renders."""
    total = 500 if request.args["status"] == "PENDING" else 1
    times = {"start_time": 1_795_000_000_000, "end_time": 1_795_000_100_000}
    row = {"task_id": "t0", "status": request.args["status"], **times}
    body = {"request_id": "l", "total": total, "total_page": total, "data": [row]}
    return Response(json.dumps(body), content_type="application/json")


@pytest.mark.parametrize(
    ("extra", "arguments", "held_back"),
    [
        ({}, {}, True),
        ({}, {"hold_back": False}, False),
        ({"hold_back": False}, {}, False),
        ({"hold_back": False}, {"hold_back": True}, True),
        ({"hold_back": True}, {}, True),
    ],
)
def test_a_submit_behind_a_long_queue_is_held_back(
    service: HTTPServer,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    extra: dict[str, Any],
    arguments: dict[str, Any],
    held_back: bool,
) -> None:
    accepts(service)
    connect(monkeypatch, host=service.url_for("/api/v1"), **extra)
    arguments = {"audio_url": SPEECH, "wait_for_completion": False, **arguments}
    service.expect_request("/api/v1/tasks").respond_with_handler(long_queue)
    context["ti"].map_index, context["task_state_store"] = 1, TaskStateStore()
    # A submit that is held back occupies no worker, neither by sleeping nor by trying again and again.
    awake = SimpleNamespace(time=time.time, sleep=lambda _: pytest.fail("it waits on the worker"))
    monkeypatch.setattr(base, "time", awake)
    task, before = operator(**arguments), time.time()
    if not held_back:
        assert task.execute(context)["task_id"] == "t1"
        assert "dashscope_expected_start" not in context["ti"].pushed
        return
    with pytest.raises(TaskDeferred) as deferred:
        task.execute_again(context, {"refusals": 3, "since": before - 50})
    assert deferred.value.method_name == "execute_again"
    trigger = deferred.value.trigger
    assert isinstance(trigger, AdmissionTrigger)
    assert (trigger.dashscope_conn_id, trigger.model, trigger.limit) == ("dashscope_default", "videoretalk", 10_800)
    assert before <= trigger.held_since <= time.time()
    # The speech, and the rest of its last frame.
    assert trigger.expected_seconds == 5.07
    assert context["ti"].pushed["dashscope_expected_start"] > before + 100 * 500
    assert requests_to(service, SUBMIT) == 0
    # The second worker submits. It does not look at the queue again.
    looks = requests_to(service, "/api/v1/tasks")
    event = {"refusals": 0, "since": time.time(), "held_since": trigger.held_since, "admitted_at": time.time()}
    assert operator(**arguments).execute_again(context, event)["task_id"] == "t1"
    assert requests_to(service, "/api/v1/tasks") == looks


def test_an_admission_that_is_old_is_decided_again_in_its_place(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    accepts(service)
    service.expect_request("/api/v1/tasks").respond_with_handler(long_queue)
    event = {"refusals": 0, "since": time.time(), "held_since": 1.5, "admitted_at": time.time() - 600}
    with pytest.raises(TaskDeferred) as deferred:
        operator().execute_again(context, event)
    assert deferred.value.trigger.held_since == 1.5
    assert requests_to(service, SUBMIT) == 0


def test_an_admission_outlasts_a_throttled_submit(service: HTTPServer, context: dict[str, Any]) -> None:
    service.expect_request(SUBMIT).respond_with_json({"code": "Throttling"}, status=429, headers={"Retry-After": "60"})
    event = {"refusals": 0, "since": time.time(), "held_since": 1.5, "admitted_at": time.time()}
    with pytest.raises(TaskDeferred) as deferred:
        operator().execute_again(context, event)
    note = deferred.value.trigger.note
    assert (note["refusals"], note["held_since"], note["admitted_at"]) == (1, 1.5, event["admitted_at"])


def test_a_submit_is_not_held_back_beyond_its_deadline(service: HTTPServer, context: dict[str, Any]) -> None:
    accepts(service)
    service.expect_request("/api/v1/tasks").respond_with_handler(long_queue)
    context["ti"].start_date = datetime.now(timezone.utc)
    arguments: dict[str, Any] = {"execution_timeout": timedelta(minutes=5), "deferrable": True}
    with pytest.raises(TaskDeferred) as deferred:
        operator(**arguments).execute(context)
    assert deferred.value.trigger.deadline == (context["ti"].start_date + timedelta(minutes=5)).timestamp()
    context["ti"].start_date -= timedelta(minutes=5)
    with pytest.raises(errors.TaskTimeoutError, match="before a render job was submitted"):
        operator(**arguments).execute_again(context, {"refusals": 0, "since": time.time()})
    assert requests_to(service, SUBMIT) == 0


SPEECH = {"audio_url": "https://h/speech.wav", "seconds": 5.0, "expires_at": None}


def test_takes_a_speech_result(service: HTTPServer, context: dict[str, Any]) -> None:
    accepts(service)
    task = operator(audio_url=SPEECH, wait_for_completion=False, video_extension="True", query_face_threshold="150")
    task.execute(context)
    (sent,) = [request.get_json() for request, _ in service.log if request.path == SUBMIT]
    assert sent["input"]["audio_url"] == "https://h/speech.wav"
    assert sent["parameters"] == {"video_extension": True, "query_face_threshold": 150}


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"video_url": "a.mp4"}, errors.InputError, "^video_url is 'a.mp4'"),
        ({"audio_url": {"url": "x"}}, errors.InputError, r"^audio_url is a mapping with the keys \['url'\]"),
        ({"audio_url": SPEECH | {"seconds": 1.2}}, errors.InputError, "audio duration is 1.2 s, allowed is 2 to 120 s"),
        ({"audio_url": SPEECH | {"seconds": 120.5}}, errors.InputError, "audio duration is 120.5 s"),
        (
            {"audio_url": SPEECH | {"expires_at": (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat()}},
            errors.ResultExpiredError,
            "audio_url expired at",
        ),
        ({"video_extension": "perhaps"}, errors.InputError, "^video_extension is 'perhaps', allowed is true or false"),
        ({"dry_run": "perhaps"}, errors.InputError, "^dry_run is 'perhaps', allowed is true or false"),
        ({"query_face_threshold": "high"}, errors.InputError, "^query_face_threshold is 'high', allowed is a whole"),
        ({"query_face_threshold": True}, errors.InputError, "^query_face_threshold is True"),
        (
            {"query_face_threshold": "201"},
            errors.InputError,
            "InvalidParameter: query_face_threshold is 201, allowed is 120 to 200",
        ),
    ],
)
def test_bad_input_is_found_before_anything_is_sent(
    service: HTTPServer,
    context: dict[str, Any],
    arguments: dict[str, Any],
    kind: type[errors.DashScopeError],
    message: str,
) -> None:
    with pytest.raises(kind, match=f"^(?:{message})"):
        operator(**arguments).execute(context)
    assert not service.log


def test_any_other_model_gets_allowed_sources_only(service: HTTPServer, context: dict[str, Any]) -> None:
    values = {"image_url": "https://mine.example/a.png", "more": [{"url": "https://other.example/b.png"}]}
    task = DashScopeTaskOperator(
        task_id="t", model="m", path="services/x/y", input=values, allowed_sources="https://mine.example/"
    )
    with pytest.raises(errors.InputError, match=r"input\.more\[0\]\.url is 'https://other\.example/b\.png'"):
        task.execute(context)
    assert not service.log


def test_allowed_sources_narrow_what_inputs_may_be(service: HTTPServer, context: dict[str, Any]) -> None:
    """Airflow's configuration allows any host."""
    with pytest.raises(errors.InputError, match=r"^video_url is 'https://[^']*'.*allowed_sources"):
        operator(allowed_sources="https://mine.example/").execute(context)
    assert not service.log


def test_any_other_model(service: HTTPServer, context: dict[str, Any]) -> None:
    service.expect_request("/api/v1/services/x/y", method="POST").respond_with_json(
        {"request_id": "r", "output": {"task_id": "t2", "task_status": "PENDING"}}
    )
    task = DashScopeTaskOperator(
        task_id="t",
        model="wan2.2-s2v",
        path="/services/x/y/",
        input={"image_url": "oss://a"},
        wait_for_completion=False,
    )
    assert task.execute(context)["task_id"] == "t2"
    (sent,) = [request.get_json() for request, _ in service.log if request.method == "POST"]
    assert sent == {"model": "wan2.2-s2v", "input": {"image_url": "oss://a"}, "parameters": {}}
    for field in ("input", "parameters"):
        wrong: dict[str, Any] = {"input": {}, "parameters": {}, field: '{"a": 1}'}
        with pytest.raises(errors.InputError, match=rf"^{field} is a str, allowed is a mapping"):
            DashScopeTaskOperator(task_id="t", model="m", path="p", **wrong).execute(context)
