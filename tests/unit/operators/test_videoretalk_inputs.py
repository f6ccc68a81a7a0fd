"""What the operator finds out before it pays: the inputs, the price, and whether they are those of an earlier try."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jinja2
import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException, TaskDeferred
from connections import connect
from media_files import video, wav
from object_store import ObjectStore, attached
from opentelemetry import trace
from pytest_httpserver import HTTPServer
from range_server import RangeServer
from unit.airflow_adapters.test_tracing import Airflow, airflow

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor

__all__ = ["airflow"]

SUBMIT = "/api/v1/services/aigc/image2video/video-synthesis"


@pytest.fixture
def media(tmp_path: Path) -> Any:
    with RangeServer() as server:
        server.add("/video.mp4", video(tmp_path / "video.mp4", seconds=4).read_bytes())
        server.add("/speech.wav", wav(seconds=3))
        server.add("/long.wav", wav(seconds=9))
        yield server


@pytest.fixture
def account(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """A service that takes every submit; its connection allows inputs on this machine."""
    prices = {"videoretalk": {"per_second": "0.5", "currency": "CNY", "as_of": "2026-11-01"}}
    connect(monkeypatch, host=service.url_for("/api/v1"), allow_private=True, prices=prices)
    body = {"request_id": "r", "output": {"task_id": "t1", "task_status": "PENDING"}}
    service.expect_request(SUBMIT, method="POST").respond_with_json(body)
    ended = {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "http://r/1.mp4"}
    usage = {"video_duration": 2.96}
    service.expect_request("/api/v1/tasks/t1").respond_with_json({"request_id": "q", "output": ended, "usage": usage})
    return service


def operator(media: RangeServer, sound: str = "/speech.wav", **arguments: Any) -> VideoRetalkOperator:
    given = {"video_url": media.url("/video.mp4"), "audio_url": media.url(sound), "deferrable": False}
    return VideoRetalkOperator(task_id="retalk", **given | arguments)


def submits(service: HTTPServer) -> list[dict[str, Any]]:
    return [json.loads(request.data) for request, _ in service.log if request.path == SUBMIT]


def test_the_result_tells_what_was_expected_and_paid(
    account: HTTPServer, media: RangeServer, context: dict[str, Any]
) -> None:
    result: Any = operator(media).execute(context)
    assert result["inputs"] == {"video_url": media.url("/video.mp4"), "audio_url": media.url("/speech.wav")}
    assert (result["estimated_seconds"], result["estimated_cost"], result["exact"]) == (3.0, 1.5, True)
    assert (result["billed_seconds"], result["cost"], result["currency"]) == (2.96, 1.48, "CNY")


@pytest.mark.parametrize(("sound", "seconds", "exact"), [("/speech.wav", 3.0, True), ("/doubtful.wav", 4.0, False)])
def test_a_sensor_expects_what_the_operator_expects(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], sound: str, seconds: float, exact: bool
) -> None:
    """Also if the estimate is only an upper bound, below the model's maximum."""
    media.add("/doubtful.wav", wav(seconds=3) + wav(seconds=1))
    submission: Any = operator(media, sound, wait_for_completion=False).execute(context)
    assert submission["exact"] is exact
    account.clear()
    output = {"task_id": "t1", "task_status": "PENDING"}
    account.expect_request("/api/v1/tasks/t1").respond_with_json({"request_id": "q", "output": output})
    expected = []
    for task in (
        operator(media, sound, deferrable=True),
        DashScopeTaskSensor(task_id="wait", dashscope_task_id=submission, deferrable=True),
    ):
        with pytest.raises(TaskDeferred) as deferred:
            task.execute(context)
        trigger: Any = deferred.value.trigger
        expected.append(trigger.expected_seconds)
    assert expected == [seconds, seconds]


def test_deferred_it_tells_the_same(account: HTTPServer, media: RangeServer, context: dict[str, Any]) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        operator(media, deferrable=True).execute(context)
    trigger: Any = deferred.value.trigger
    assert trigger.expected_seconds == 3.0
    assert trigger.cost_estimate["estimated_cost"] == 1.5
    # A retry finds the task, and with it the estimate.
    assert operator(media).execute(context)["cost"] == 1.48


def test_a_sensor_tells_the_same(account: HTTPServer, media: RangeServer, context: dict[str, Any]) -> None:
    receipt: Any = operator(media, wait_for_completion=False).execute(context)
    assert (receipt["task_id"], receipt["estimated_cost"]) == ("t1", 1.5)
    result: Any = DashScopeTaskSensor(task_id="wait", dashscope_task_id=receipt).execute(context)
    assert (result["task_id"], result["cost"], result["inputs"]) == ("t1", 1.48, receipt["inputs"])


@pytest.mark.parametrize("nothing", ["", "None", " None ", None])
def test_fields_without_a_value_are_left_out(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], nothing: Any
) -> None:
    """A form's empty field renders as one of these."""
    fields = dict.fromkeys(("ref_image_url", "video_extension", "query_face_threshold"), nothing)
    operator(media, **fields).execute(context)
    (body,) = submits(account)
    assert body["input"] == {"video_url": media.url("/video.mp4"), "audio_url": media.url("/speech.wav")}
    assert body["parameters"] == {"video_extension": False, "query_face_threshold": 170}


@pytest.mark.parametrize("field", ["video_url", "audio_url", "max_cost", "is_dry_run"])
@pytest.mark.parametrize("nothing", ["", "None"])
def test_fields_that_need_a_value_or_guard_the_cost_are_refused_without_one(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], field: str, nothing: str
) -> None:
    task = operator(media)
    setattr(task, field, nothing)
    with pytest.raises(errors.InputError, match=f"is '{nothing}'"):
        task.execute(context)
    assert not submits(account)


def test_a_quota_that_is_used_up_is_not_sent_again(
    service: HTTPServer, media: RangeServer, monkeypatch: pytest.MonkeyPatch, context: dict[str, Any]
) -> None:
    connect(monkeypatch, host=service.url_for("/api/v1"), allow_private=True)
    refusal = {"code": "Throttling.AllocationQuota", "message": "Free allocated quota exceeded.", "request_id": "e6"}
    service.expect_request(SUBMIT).respond_with_json(refusal, status=429)
    with pytest.raises(errors.AccessError, match="The free quota is used up"):
        operator(media).execute(context)
    assert len(submits(service)) == 1


def test_strict_refuses_before_anything_is_sent(
    account: HTTPServer, media: RangeServer, context: dict[str, Any]
) -> None:
    with pytest.raises(errors.InputError, match=r"audio duration is 9 s, allowed is 4 s.* video_extension=True"):
        operator(media, "/long.wav").execute(context)
    assert submits(account) == []


def test_the_check_of_the_inputs_is_in_the_trace(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], airflow: Airflow
) -> None:
    with trace.get_tracer("airflow").start_as_current_span("worker.retalk"):
        operator(media).execute(context)
    assert "videoretalk.preflight" in airflow.spans


def test_warn_says_it_and_goes_on(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    operator(media, "/long.wav", preflight="warn").execute(context)
    assert len(submits(account)) == 1


@pytest.mark.parametrize("most", [1.5, "1.50"])
def test_what_may_be_spent(account: HTTPServer, media: RangeServer, context: dict[str, Any], most: float | str) -> None:
    operator(media, max_cost=most).execute(context)
    assert len(submits(account)) == 1


def test_what_may_not(account: HTTPServer, media: RangeServer, context: dict[str, Any]) -> None:
    with pytest.raises(errors.InputError, match=r"costs 3 s of output, 1.5 CNY .*, allowed is at most 1.49 CNY"):
        operator(media, max_cost="1.49").execute(context)
    assert submits(account) == []


def test_an_unknown_length_counts_at_its_most(account: HTTPServer, media: RangeServer, context: dict[str, Any]) -> None:
    with pytest.raises(errors.InputError, match="costs at most 120 s of output, at most 60 CNY"):
        operator(media, preflight="off", max_cost=10).execute(context)
    assert submits(account) == []


@pytest.mark.parametrize("dry", [True, "true"])
def test_a_dry_run_sends_nothing(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], dry: bool | str
) -> None:
    with pytest.raises(AirflowSkipException):
        operator(media, dry_run=dry).execute(context)
    assert account.log == []
    pushed = context["ti"].pushed["dashscope_dry_run"]
    assert pushed["estimated_cost"] == 1.5
    assert pushed["media"]["video_url"]["seconds"] == 4.0


def test_a_dry_run_of_what_would_be_refused_fails(
    account: HTTPServer, media: RangeServer, context: dict[str, Any]
) -> None:
    with pytest.raises(errors.InputError, match=r"allowed is 4 s"):
        operator(media, "/long.wav", dry_run=True).execute(context)
    assert len(context["ti"].pushed["dashscope_dry_run"]["findings"]) == 1


def test_a_url_that_is_signed_anew_is_the_same_input(
    account: HTTPServer, media: RangeServer, context: dict[str, Any]
) -> None:
    for signature in ("one", "two"):
        url = f"{media.url('/video.mp4')}?Expires=1995000000&Signature={signature}"
        operator(media, video_url=url).execute(context)
    assert len(submits(account)) == 1


class SigningStore(ObjectStore):
    """A store that notes for how many seconds it signs."""

    signed: list[float]

    def sign(self, path: str, expiration: float, **_: Any) -> str:
        self.signed.append(expiration)
        return f"https://h/{path}?Expires={time.time() + expiration:.0f}&OSSAccessKeyId=k&Signature=signed-by-the-store"


def test_a_store_signs_for_as_long_as_the_job_may_take(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], masked: list[str]
) -> None:
    store = SigningStore()
    store.objects["clips/a.wav"], store.signed = wav(seconds=3), []
    limits = {"queue_timeout": timedelta(hours=2), "render_timeout": timedelta(minutes=30)}
    with attached(mine=store):
        operator(media, audio_url="s3://mine@clips/a.wav", preflight="off", **limits).execute(context)
    (seconds,) = store.signed
    assert 2.5 * 3600 <= seconds <= 2.5 * 3600 + 60
    assert "signed-by-the-store" in masked
    (sent,) = submits(account)
    assert sent["input"]["audio_url"].endswith("Signature=signed-by-the-store")


@pytest.mark.parametrize(("queue_timeout", "refused"), [(7200, True), (1800, False)])
def test_a_url_that_ends_before_its_turn_is_refused(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], queue_timeout: float, refused: bool
) -> None:
    ends = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=1)
    url = f"{media.url('/video.mp4')}?Expires={ends.timestamp():.0f}&OSSAccessKeyId=k&Signature=s"
    task = operator(media, video_url=url, queue_timeout=queue_timeout)
    if refused:
        with pytest.raises(errors.InputError, match=f"video_url.* {ends.isoformat(timespec='minutes')[:16]}"):
            task.execute(context)
    else:
        task.execute(context)
    assert len(submits(account)) == (not refused)


def test_the_signatures_in_rendered_fields_are_masked(media: RangeServer, masked: list[str]) -> None:
    task = operator(media, video_url="https://h/v.mp4?Expires=1995000000&OSSAccessKeyId=k&Signature=rendered-signature")
    task.render_template_fields({}, jinja_env=jinja2.Environment())
    assert "rendered-signature" in masked


def test_a_paid_video_is_not_lost_for_an_input_that_has_gone(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(wav(seconds=3))
    policy = {"upload_host": account.url_for("/store"), "upload_dir": "dashscope-instant/d", "oss_access_key_id": "k"}
    policy |= {"signature": "s", "policy": "p", "x_oss_object_acl": "private", "x_oss_forbid_overwrite": "true"}
    account.expect_request("/api/v1/uploads").respond_with_json({"data": policy})
    account.expect_request("/store", method="POST").respond_with_data("")
    with pytest.raises(TaskDeferred):
        operator(media, audio_url=str(path), deferrable=True).execute(context)
    (sent,) = submits(account)
    assert sent["input"]["audio_url"].startswith("oss://dashscope-instant/d/")
    path.unlink()
    result: Any = operator(media, audio_url=str(path)).execute(context)
    assert result["inputs"]["audio_url"].startswith(f"file://{path}#sha256:")
    assert len(submits(account)) == 1


def test_prices_that_can_not_be_read(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, host=account.url_for("/api/v1"), allow_private=True, prices="cheap")
    with pytest.raises(
        errors.ConfigurationError, match="the extra 'prices' of the connection 'dashscope_default' is not a JSON object"
    ):
        operator(media).execute(context)
    assert submits(account) == []


def test_private_addresses_are_refused_unless_the_connection_allows_them(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, host=account.url_for("/api/v1"))
    with pytest.raises(errors.InputError, match="has no public address"):
        operator(media).execute(context)
    assert submits(account) == []


@pytest.mark.parametrize("field", ["video_url", "audio_url", "ref_image_url"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("s3://mine@b/a", r"^{} is 's3://mine@b/a', allowed is https://h/, by the task's allowed_sources"),
        ("https://other/a", r"^{} is 'https://other/a', allowed is https://h/, by the task's allowed_sources"),
        (" ", r"^{} is ' ', allowed is a URL or a path"),
    ],
)
def test_an_input_that_is_refused_is_named(field: str, value: str, message: str) -> None:
    given: dict[str, Any] = {"video_url": "https://h/v.mp4", "audio_url": "https://h/a.wav", field: value}
    task = VideoRetalkOperator(task_id="retalk", allowed_sources="https://h/", **given)
    if field == "ref_image_url" and not value.strip():
        # It is optional.
        assert "ref_image_url" not in task._job_inputs.sources
        return
    with pytest.raises(errors.InputError, match=message.format(field)):
        task.identity()
