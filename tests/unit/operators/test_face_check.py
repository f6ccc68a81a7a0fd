"""The presenter's face is looked at before a render is paid for, if the task asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from connections import connect
from full_disk import no_file_larger_than
from labelled_clips import beside_itself, blurred, changed_clip
from media_files import wav
from object_store import ObjectStore, attached
from pytest_httpserver import HTTPServer
from range_server import RangeServer

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError, TransportError
from airflow_provider_videoretalk.emulator.engine.sample_presenter import draw_presenter
from airflow_provider_videoretalk.inputs import face_check
from airflow_provider_videoretalk.media.local_copy import local_copy
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.outbound.host_access import any_address

SUBMIT = "/api/v1/services/aigc/image2video/video-synthesis"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds at 25 and 640 pixels: what the service accepts."""
    folder = tmp_path_factory.mktemp("clips")
    draw_presenter(folder / "good.mp4", seconds=3, size=640)
    changed_clip(folder / "good.mp4", folder / "blurred.mp4", blurred(9))
    changed_clip(folder / "good.mp4", folder / "two.mp4", beside_itself)
    return folder


@pytest.fixture
def media(clips: Path) -> Iterator[RangeServer]:
    with RangeServer() as server:
        for path in clips.iterdir():
            server.add(f"/{path.name}", path.read_bytes())
        server.add("/speech.wav", wav(seconds=3))
        server.add("/face.png", b"")
        yield server


@pytest.fixture(autouse=True)
def account(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    connect(monkeypatch, host=service.url_for("/api/v1"), allow_private=True)
    body = {"request_id": "r", "output": {"task_id": "t1", "task_status": "PENDING"}}
    service.expect_request(SUBMIT, method="POST").respond_with_json(body)
    return service


def submit(media: RangeServer, context: dict[str, Any], clip: str, **arguments: Any) -> Any:
    given = {"video_url": media.url(clip), "audio_url": media.url("/speech.wav"), "wait_for_completion": False}
    return VideoRetalkOperator(task_id="retalk", **given | arguments).execute(context)


def submits(service: HTTPServer) -> int:
    return sum(request.path == SUBMIT for request, _ in service.log)


def test_a_blurred_face_is_refused_before_it_is_paid(
    media: RangeServer, context: dict[str, Any], account: HTTPServer
) -> None:
    with pytest.raises(
        InputError, match=r"video_url: the face is blurred: its sharpness is 0\.\d+, allowed is at least"
    ):
        submit(media, context, "/blurred.mp4", face_check="refuse")
    assert submits(account) == 0


def test_a_good_face_is_submitted(media: RangeServer, context: dict[str, Any], account: HTTPServer) -> None:
    submit(media, context, "/good.mp4", face_check="refuse")
    assert submits(account) == 1


def test_a_warning_is_logged_and_submitted(
    media: RangeServer, context: dict[str, Any], account: HTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(media, context, "/blurred.mp4", face_check="warn")
    assert submits(account) == 1
    (said,) = [line for line in capsys.readouterr().out.splitlines() if "the face is blurred" in line]
    assert "Give a clip in which the face is in focus and does not move fast." in said


def test_by_default_no_frame_is_read(
    media: RangeServer, context: dict[str, Any], account: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_check, "check_faces", None)
    submit(media, context, "/blurred.mp4")
    assert submits(account) == 1


def test_several_faces_are_allowed_if_one_is_named(
    media: RangeServer, context: dict[str, Any], account: HTTPServer
) -> None:
    with pytest.raises(InputError, match="several faces of similar size are in 100% of the frames"):
        submit(media, context, "/two.mp4", face_check="refuse")
    named = {"ref_image_url": media.url("/face.png"), "preflight": "off"}
    submit(media, context, "/two.mp4", face_check="refuse", **named)
    assert submits(account) == 1


def test_a_dry_run_tells_the_measures(media: RangeServer, context: dict[str, Any]) -> None:
    with pytest.raises(AirflowSkipException):
        submit(media, context, "/blurred.mp4", face_check="warn", dry_run=True)
    report = context["ti"].pushed["dashscope_dry_run"]
    assert report["faces"]["findings"] == ["blurred"]
    assert report["faces"]["sharpness"] < 0.25
    assert [finding.partition(":")[0] for finding in report["findings"]] == ["video_url"]


def test_a_clip_in_a_store(clips: Path, media: RangeServer, context: dict[str, Any], account: HTTPServer) -> None:
    store = ObjectStore()
    store.objects["b/clip.mp4"] = (clips / "blurred.mp4").read_bytes()
    with attached(mine=store), pytest.raises(InputError, match="the face is blurred"):
        submit(media, context, "/", video_url="s3://mine@b/clip.mp4", face_check="refuse")
    assert submits(account) == 0


def test_what_could_not_be_checked_refuses_nothing(
    media: RangeServer,
    context: dict[str, Any],
    account: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(face_check, "VIDEO_BYTES", type("", (), {"high": 1000}))
    submit(media, context, "/blurred.mp4", face_check="refuse")
    assert submits(account) == 1
    assert "video_url: the face was not checked: it has more than 1,000 bytes" in capsys.readouterr().out


def test_without_the_extra_nothing_is_paid(
    media: RangeServer, context: dict[str, Any], account: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_videoretalk.optional_dependencies.is_installed", lambda _: False)
    with pytest.raises(ConfigurationError, match=r"face_check needs av, .*videoretalk\[faces\]"):
        submit(media, context, "/good.mp4", face_check="warn")
    assert submits(account) == 0


@pytest.mark.parametrize("word", ["strict", True])
def test_other_words(media: RangeServer, context: dict[str, Any], account: HTTPServer, word: Any) -> None:
    with pytest.raises(InputError, match="face_check is"):
        submit(media, context, "/good.mp4", face_check=word)
    assert submits(account) == 0


def test_an_empty_field_is_off(media: RangeServer, context: dict[str, Any], account: HTTPServer) -> None:
    submit(media, context, "/blurred.mp4", face_check="")
    assert submits(account) == 1


def test_a_full_disk_is_not_the_fault_of_the_source(media: RangeServer, tmp_path: Path) -> None:
    with no_file_larger_than(1_000), pytest.raises(TransportError) as caught:
        local_copy(media.url("/good.mp4"), tmp_path / "a", field="video_url", access=any_address)
    assert caught.value.message == f"{tmp_path} has no room for a copy of video_url: it took 1,000 bytes"
    assert "set TMPDIR on the workers" in caught.value.remedy
    assert caught.value.retryable


def test_a_copy_has_a_limit(media: RangeServer, tmp_path: Path) -> None:
    url = media.url("/good.mp4")
    size = local_copy(url, tmp_path / "a", field="it", access=any_address).stat().st_size
    assert local_copy(url, tmp_path / "b", field="it", access=any_address, most=size).stat().st_size == size
    with pytest.raises(InputError, match=r"^it has more than"):
        local_copy(url, tmp_path / "c", field="it", access=any_address, most=size - 1)
