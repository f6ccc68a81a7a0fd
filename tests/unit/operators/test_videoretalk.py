from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from pytest_httpserver import HTTPServer
from werkzeug import Request as Received
from werkzeug import Response

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.operators import base, job
from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger
from airflow_provider_videoretalk.triggers.delay import DelayTrigger
from airflow_provider_videoretalk.waiting.event import Awaited

SUBMIT = "/api/v1/services/aigc/image2video/video-synthesis"
AUDIO = "https://h/a.wav"
# What is looked at in the inputs, tests of their own tell.
VALID: dict[str, Any] = {"video_url": "https://h/a.mp4", "audio_url": AUDIO, "preflight": "off"}


def operator(**arguments: Any) -> VideoRetalkOperator:
    return VideoRetalkOperator(task_id="retalk", **VALID | arguments)


def about(task_id: str, **ended: Any) -> dict[str, Any]:
    """A trigger's event."""
    return {"awaited": {"task_id": task_id, "request_id": "r-submit", "submitted_at": 1.0}, **ended}


def accepts(service: HTTPServer) -> None:
    body = {"request_id": "r-submit", "output": {"task_id": "t1", "task_status": "PENDING"}}
    service.expect_request(SUBMIT, method="POST").respond_with_json(body)


def tells(service: HTTPServer, status: str, **output: Any) -> dict[str, Any]:
    body = {"request_id": "r-query", "output": {"task_id": "t1", "task_status": status, **output}}
    service.expect_request("/api/v1/tasks/t1").respond_with_json(body)
    return body


def refuses_to_cancel(service: HTTPServer) -> None:
    body = {"code": "UnsupportedOperation", "message": "not PENDING", "request_id": "c"}
    service.expect_request("/api/v1/tasks/t1/cancel", method="POST").respond_with_json(body, status=400)


def listen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the audit says from now on."""
    said: list[str] = []
    monkeypatch.setattr(VideoRetalkOperator, "audit", lambda operator, event, task_id, reason: said.append(reason))
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


def test_waiting_on_the_triggerer(service: HTTPServer, context: dict[str, Any]) -> None:
    accepts(service)
    task = operator(deferrable=True, queue_timeout=timedelta(seconds=70), render_timeout=timedelta(seconds=30))
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    trigger = deferred.value.trigger
    assert isinstance(trigger, DashScopeTaskTrigger)
    assert (trigger.dashscope_task_id, trigger.request_id) == ("t1", "r-submit")
    assert (trigger.patience["queue_timeout"], trigger.patience["render_timeout"]) == (70, 30)
    assert deferred.value.timeout is not None
    assert deferred.value.timeout > timedelta(seconds=100)
    event = about("t1", payload=tells(service, "SUCCEEDED", video_url="u"))
    assert task.execute_complete(context, event)["video_url"] == "u"


def test_not_waiting(service: HTTPServer, context: dict[str, Any]) -> None:
    accepts(service)
    result = operator(wait_for_completion=False).execute(context)
    assert {name: result[name] for name in ("task_id", "request_id", "status")} == {
        "task_id": "t1",
        "request_id": "r-submit",
        "status": "PENDING",
    }
    assert result["inputs"] == {"video_url": VALID["video_url"], "audio_url": AUDIO}


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_throttled_submit_defers_and_goes_on(service: HTTPServer, context: dict[str, Any], deferrable: bool) -> None:
    service.expect_oneshot_request(SUBMIT).respond_with_json({"code": "Throttling.RateQuota"}, status=429)
    task = operator(deferrable=deferrable, wait_for_completion=False)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    assert isinstance(deferred.value.trigger, DelayTrigger)
    assert deferred.value.method_name == "execute_again"
    accepts(service)
    assert task.execute_again(context, deferred.value.trigger.note)["task_id"] == "t1"


def test_throttling_backs_off_up_to_its_limit(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    service.expect_request(SUBMIT).respond_with_json({"code": "Throttling"}, status=429, headers={"Retry-After": "7"})
    now = 1_000.0
    monkeypatch.setattr(base.time, "time", lambda: now)
    monkeypatch.setattr(base.random, "uniform", lambda low, high: high)
    task, note, pauses = operator(throttle_timeout=timedelta(seconds=100)), None, []
    while True:
        try:
            task.execute_again(context, note) if note else task.execute(context)
        except TaskDeferred as deferred:
            note = deferred.trigger.note
            pauses.append(deferred.trigger.moment - now)
            now = deferred.trigger.moment
        except errors.ThrottledError:
            break
    assert pauses == [7, 7, 8, 16, 32]


def test_a_bill_is_no_throttle(service: HTTPServer, context: dict[str, Any]) -> None:
    service.expect_request(SUBMIT).respond_with_json({"code": "PrepaidBillOverdue", "message": "m"}, status=429)
    with pytest.raises(errors.AccessError, match="Settle the account's bill"):
        operator().execute(context)


def test_a_lost_reply_is_not_retried(service: HTTPServer, context: dict[str, Any]) -> None:
    service.expect_request(SUBMIT).respond_with_data("<html>bad gateway</html>", status=502)
    with pytest.raises(AirflowFailException, match="look for it in the task list before submitting again") as caught:
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
    event = about("t1", payload=payload)
    with pytest.raises(errors.TaskFailedError) as caught:
        task.execute_complete(context, event) if deferred else task.execute(context)
    assert (caught.value.code, caught.value.request_id) == ("InvalidFile.FPS", "r-query")
    assert "Invalid fps." in caught.value.message


def test_a_success_without_a_video_is_a_failure(service: HTTPServer, context: dict[str, Any]) -> None:
    accepts(service)
    tells(service, "SUCCEEDED")
    with pytest.raises(errors.TaskFailedError, match=r"succeeded without a video URL \(request_id r-submit\)"):
        operator(deferrable=False).execute(context)


def test_what_queued_too_long_is_cancelled(service: HTTPServer, context: dict[str, Any]) -> None:
    accepts(service)
    tells(service, "PENDING")
    service.expect_request("/api/v1/tasks/t1/cancel", method="POST").respond_with_json({"request_id": "c"})
    with pytest.raises(errors.QueueTimeoutError, match="was not begun within"):
        operator(deferrable=False, queue_timeout=timedelta(0)).execute(context)
    assert requests_to(service, "/api/v1/tasks/t1/cancel") == 1


@pytest.mark.parametrize(
    ("audio_url", "bill"), [(AUDIO, "its whole length"), ({"audio_url": AUDIO, "seconds": 12.5}, "about 12.5 seconds")]
)
def test_what_rendered_too_long_is_reported(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, audio_url: Any, bill: str
) -> None:
    accepts(service)
    tells(service, "RUNNING")
    refuses_to_cancel(service)
    said = listen(monkeypatch)
    with pytest.raises(errors.RenderTimeoutError, match="can't be stopped, and bills when it succeeds"):
        operator(deferrable=False, render_timeout=timedelta(0), audio_url=audio_url).execute(context)
    assert f"Task t1 is RUNNING and can't be stopped: it will bill {bill}, if it succeeds." in said


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
    assert trigger.patience["deadline"] == (began + timedelta(minutes=10)).timestamp()
    assert (
        deferred.value.timeout.total_seconds() > trigger.patience["queue_timeout"] + trigger.patience["render_timeout"]
    )
    service.expect_request("/api/v1/tasks/t1/cancel", method="POST").respond_with_json({"request_id": "c"})
    said = listen(monkeypatch)
    late = errors.TaskTimeoutError("task t1 was not finished in the time allowed").to_json()
    with pytest.raises(errors.TaskTimeoutError, match="in the time allowed"):
        task.execute_complete(context, about("t1", error=late))
    assert said == ["Task t1 was still queued and is cancelled; it bills nothing."]


def test_nothing_is_submitted_once_execution_timeout_is_over(service: HTTPServer, context: dict[str, Any]) -> None:
    context["ti"].start_date = datetime.now(timezone.utc) - timedelta(minutes=11)
    with pytest.raises(errors.TaskTimeoutError, match="before a task was known to be submitted"):
        operator(deferrable=True, execution_timeout=timedelta(minutes=10)).execute(context)
    assert not [request for request, _ in service.log if request.method == "POST"]


@pytest.mark.trap(4)
def test_on_kill_does_not_wait_for_a_lock_that_its_own_thread_holds(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal may come in the middle of a call to the supervisor: nothing is known then, and nothing cancelled."""
    task, held = operator(deferrable=False), threading.Lock()

    def ask(**_: Any) -> dict[str, Any]:
        with held:
            return {"run": {"retalk": "failed"}}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(ask))
    monkeypatch.setattr(job, "_STATE_SECONDS", 0.05)
    task._waiting_for, task._task_instance, task._recorded = Awaited(task_id="t1"), context["ti"], True
    with held:
        task.on_kill()
    assert not service.log


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
        ({"video_url": "a.mp4"}, errors.InputError, "video_url is 'a.mp4'"),
        ({"audio_url": {"url": "x"}}, errors.InputError, r"audio_url is a mapping with the keys \['url'\]"),
        ({"audio_url": SPEECH | {"seconds": 1.2}}, errors.InputError, "audio duration is 1.2 s, allowed is 2 to 120 s"),
        ({"audio_url": SPEECH | {"seconds": 120.5}}, errors.InputError, "audio duration is 120.5 s"),
        (
            {"audio_url": SPEECH | {"expires_at": (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat()}},
            errors.ResultExpiredError,
            "audio_url died at",
        ),
        ({"video_extension": "perhaps"}, errors.InputError, "video_extension is 'perhaps', allowed is true or false"),
        ({"query_face_threshold": "high"}, errors.InputError, "query_face_threshold is 'high', allowed is a whole"),
        ({"query_face_threshold": True}, errors.InputError, "query_face_threshold is True"),
        ({"query_face_threshold": "201"}, errors.InputError, "query_face_threshold is 201, allowed is 120 to 200"),
    ],
)
def test_bad_input_is_found_before_anything_is_sent(
    service: HTTPServer,
    context: dict[str, Any],
    arguments: dict[str, Any],
    kind: type[errors.DashScopeError],
    message: str,
) -> None:
    with pytest.raises(kind, match=message):
        operator(**arguments).execute(context)
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
