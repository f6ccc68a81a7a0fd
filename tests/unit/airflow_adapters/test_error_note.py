"""What a failed task keeps of its error, where it outlives the worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, AirflowTaskTimeout
from airflow.sdk.log import mask_secret
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.airflow_adapters.error_note import error_noted
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError, RequestError
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor

REFUSED = RequestError("too large", code="InvalidFile.Size", request_id="r-1", status=400, remedy="Shrink it.")


def fail(context: dict[str, Any], error: BaseException, **named: Any) -> Any:
    """What is noted of an error."""
    with pytest.raises(type(error)), error_noted(context, **named):
        raise error
    return context["ti"].pushed.get("videoretalk_error")


def test_an_error_of_this_package(context: dict[str, Any]) -> None:
    assert fail(context, REFUSED) == {
        "kind": "RequestError",
        "code": "InvalidFile.Size",
        "message": "too large",
        "remedy": "Shrink it.",
        "request_id": "r-1",
    }


def test_an_error_that_stops_retries_is_noted_by_its_cause(context: dict[str, Any]) -> None:
    error = AirflowFailException("text")
    error.__cause__ = REFUSED
    assert fail(context, error)["kind"] == "RequestError"


def test_any_other_error(context: dict[str, Any]) -> None:
    assert fail(context, KeyError("x")) == {"kind": "KeyError", "code": "KeyError", "message": "'x'", "remedy": ""}
    assert fail(context, AirflowTaskTimeout("after 3 s"))["message"] == "after 3 s"


@pytest.mark.parametrize(
    "no_failure",
    [AirflowSkipException("kept"), AirflowRescheduleException(datetime.now(timezone.utc)), KeyboardInterrupt()],
    ids=lambda error: type(error).__name__,
)
def test_what_is_no_failure_is_not_noted(context: dict[str, Any], no_failure: BaseException) -> None:
    assert fail(context, no_failure) is None


@pytest.mark.parametrize(("row", "longest"), [(None, 4_000), ({"row": 7}, 1_000)])
def test_a_text_is_cut(context: dict[str, Any], row: Any, longest: int) -> None:
    noted = fail(context, DashScopeError("x" * 9_000, remedy="y" * 9_000), row=row)
    assert (len(noted["message"]), len(noted["remedy"])) == (longest, longest)
    assert noted.get("row") == (row and 7)


def test_a_secret_and_a_signature_are_not_kept(context: dict[str, Any]) -> None:
    mask_secret("hunter2-hunter2")
    url = "https://h/v.mp4?Expires=1&OSSAccessKeyId=a&Signature=abc%2Fdef"
    noted = str(fail(context, OSError(f"key hunter2-hunter2 refused for {url}\0")))
    assert "hunter2" not in noted
    assert "abc%2Fdef" not in noted
    assert "\\x00" not in noted
    assert "https://h/v.mp4" in noted


def test_a_secret_at_the_cut_is_not_kept_in_part(context: dict[str, Any]) -> None:
    mask_secret("sk-0123456789abcdefghij")
    noted = fail(context, OSError("x" * 990 + " sk-0123456789abcdefghij"), row={"row": 7})
    assert "sk-0" not in noted["message"]


def test_an_error_that_cannot_be_told_stays_the_error(context: dict[str, Any]) -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            raise TypeError("no text")

    with pytest.raises(OddError), error_noted(context):
        raise OddError


def test_of_nested_ones_the_outermost_notes_once(context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: list[Any] = []
    monkeypatch.setattr(type(context["ti"]), "xcom_push", lambda ti, key, value: pushed.append(value))
    for row in (1, 2):
        with pytest.raises(RequestError), error_noted(context, {"row": row}), error_noted(context):
            raise REFUSED
    assert [noted["row"] for noted in pushed] == [1, 2]


def test_airflow_that_takes_no_xcom_hides_no_error(context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise RuntimeError("away")

    monkeypatch.setattr(type(context["ti"]), "xcom_push", away)
    with pytest.raises(RequestError), error_noted(context):
        raise REFUSED


def retalk() -> Any:
    return VideoRetalkOperator(task_id="t", video_url="no url", audio_url="https://h/a.wav")


def publish() -> Any:
    return PublishMediaOperator(task_id="t", source="https://h/v.mp4", destination=7)


def sensor() -> Any:
    return DashScopeTaskSensor(task_id="t", dashscope_task_id="", deferrable=True)


@pytest.mark.parametrize("operator", [retalk, publish, sensor])
def test_operators_note_their_errors(context: dict[str, Any], service: HTTPServer, operator: Callable[[], Any]) -> None:
    with pytest.raises(InputError) as raised:
        operator().execute(context)
    assert context["ti"].pushed["videoretalk_error"]["message"] == raised.value.message


@pytest.mark.parametrize(("operator", "kind"), [(retalk, "TaskDeferralTimeout"), (sensor, "AirflowSensorTimeout")])
def test_a_task_that_resumes_notes_its_error(context: dict[str, Any], operator: Callable[[], Any], kind: str) -> None:
    """Also one that Airflow itself raises, without a call of the operator."""
    with pytest.raises(Exception, match="Trigger timeout"):
        operator().resume_execution("__fail__", {"error": "Trigger timeout"}, context)
    assert context["ti"].pushed["videoretalk_error"]["kind"] == kind
