"""What the operator finds out before it pays: the inputs, the price, and whether they are those of an earlier try."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
from connections import connect
from media_files import video, wav
from pytest_httpserver import HTTPServer
from range_server import RangeServer

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor

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
    """A service that takes every submit; its connection lets inputs lie on this machine."""
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


def test_deferred_it_tells_the_same(account: HTTPServer, media: RangeServer, context: dict[str, Any]) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        operator(media, deferrable=True).execute(context)
    trigger: Any = deferred.value.trigger
    assert trigger.expected_seconds == 3.0
    assert trigger.quote["estimated_cost"] == 1.5
    # A retry finds the task, and with it the quote.
    assert operator(media).execute(context)["cost"] == 1.48


def test_a_sensor_tells_the_same(account: HTTPServer, media: RangeServer, context: dict[str, Any]) -> None:
    receipt: Any = operator(media, wait_for_completion=False).execute(context)
    assert (receipt["task_id"], receipt["estimated_cost"]) == ("t1", 1.5)
    result: Any = DashScopeTaskSensor(task_id="wait", dashscope_task_id=receipt).execute(context)
    assert (result["task_id"], result["cost"], result["inputs"]) == ("t1", 1.48, receipt["inputs"])


def test_strict_refuses_before_anything_is_sent(
    account: HTTPServer, media: RangeServer, context: dict[str, Any]
) -> None:
    with pytest.raises(errors.InputError, match=r"audio duration is 9 s, allowed is 4 s.* video_extension=True"):
        operator(media, "/long.wav").execute(context)
    assert submits(account) == []


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
    told = context["ti"].pushed["dashscope_dry_run"]
    assert told["estimated_cost"] == 1.5
    assert told["media"]["video_url"]["seconds"] == 4.0


def test_a_dry_run_of_what_would_be_refused_fails(
    account: HTTPServer, media: RangeServer, context: dict[str, Any]
) -> None:
    with pytest.raises(errors.InputError, match="allowed is 4 s"):
        operator(media, "/long.wav", dry_run=True).execute(context)
    assert len(context["ti"].pushed["dashscope_dry_run"]["findings"]) == 1


def test_a_url_that_is_signed_anew_is_the_same_input(
    account: HTTPServer, media: RangeServer, context: dict[str, Any]
) -> None:
    for signature in ("one", "two"):
        url = f"{media.url('/video.mp4')}?Expires=1995000000&Signature={signature}"
        operator(media, video_url=url).execute(context)
    assert len(submits(account)) == 1


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
    with pytest.raises(errors.ConfigurationError, match="has prices that can't be read"):
        operator(media).execute(context)
    assert submits(account) == []


def test_private_addresses_are_refused_unless_the_connection_allows_them(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, host=account.url_for("/api/v1"))
    with pytest.raises(errors.InputError, match=r"has the address 127\.0\.0\.1"):
        operator(media).execute(context)
    assert submits(account) == []
