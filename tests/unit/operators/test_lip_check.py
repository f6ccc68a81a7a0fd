"""A video is compared with its presenter before it is published, if the task asks for it."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from labelled_clips import as_it_is, changed_clip, headless
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.emulator.engine.lip_sync import retalk
from airflow_provider_videoretalk.emulator.engine.sample_presenter import draw_presenter
from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak
from airflow_provider_videoretalk.operators import lip_check
from airflow_provider_videoretalk.operators.lip_check import UnchangedLipsError, lip_checks
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.outbound.host_access import any_address

pytestmark = pytest.mark.usefixtures("sources_on_this_machine")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    draw_presenter(folder / "presenter.mp4", seconds=2, size=320)
    changed_clip(folder / "presenter.mp4", folder / "same.mp4", as_it_is, quality=30)
    changed_clip(folder / "presenter.mp4", folder / "headless.mp4", headless)
    speak(text="Good morning, good morning.", voice="Cherry", output=folder / "speech.wav")
    retalk(
        video=folder / "presenter.mp4",
        audio=folder / "speech.wav",
        output=folder / "lips.mp4",
        video_extension=False,
    )
    return folder


@pytest.fixture
def made(httpserver: HTTPServer, clips: Path) -> Any:
    """The return value of a task that made a video, by its file's name."""
    for path in clips.glob("*.mp4"):
        httpserver.expect_request(f"/{path.name}").respond_with_data(path.read_bytes(), content_type="video/mp4")

    def result(name: str) -> dict[str, Any]:
        url = httpserver.url_for(f"/{name}") + "?Signature=secret"
        return {"task_id": "t1", "request_id": "r1", "video_url": url, "expires_at": "2099-01-01T00:00:00+00:00"}

    return result


def publish(source: Any, tmp_path: Path, context: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    destination = (tmp_path / "out.mp4").as_uri()
    operator = PublishMediaOperator(task_id="publish", source=source, destination=destination, **arguments)
    return operator.execute(context)


def test_a_lip_synced_video_is_published_and_told(
    made: Any, clips: Path, tmp_path: Path, context: dict[str, Any]
) -> None:
    returned = publish(made("lips.mp4"), tmp_path, context, lip_check="refuse", presenter=str(clips / "presenter.mp4"))
    assert returned["lips"]["changed"] is True
    assert returned["lips"]["share"] > 0.3
    assert json.loads((tmp_path / "out.mp4.json").read_text())["lips"] == returned["lips"]
    # The file is as it came.
    assert (tmp_path / "out.mp4").read_bytes() == (clips / "lips.mp4").read_bytes()
    assert returned["edits"]["names"] == []


def test_unchanged_lips_are_refused_and_nothing_is_lost(
    made: Any, clips: Path, tmp_path: Path, context: dict[str, Any]
) -> None:
    presenter = str(clips / "presenter.mp4")
    with pytest.raises(UnchangedLipsError, match=r"render job t1 was paid, but the lips differ .* in 0% of") as caught:
        publish(made("same.mp4"), tmp_path, context, lip_check="refuse", presenter=presenter)
    assert "/same.mp4 until 2099-01-01T00:00:00+00:00" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not caught.value.retryable
    assert list(tmp_path.iterdir()) == []


def test_a_warning_is_published_and_told(
    made: Any, httpserver: HTTPServer, tmp_path: Path, context: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Also with a presenter at a URL."""
    presenter = httpserver.url_for("/presenter.mp4")
    returned = publish(made("same.mp4"), tmp_path, context, lip_check="warn", presenter=presenter)
    assert returned["lips"] == {"changed": False, "share": 0.0, "frames": 24}
    (told,) = [record for record in caplog.records if record.getMessage().startswith("Checked the video")]
    assert told.levelname == "WARNING"


@pytest.mark.parametrize(
    ("presenter", "reason"),
    [
        ("headless.mp4", "no face was found in the presenter's clip"),
        ("speech.wav", "the presenter's clip has no picture"),
        ("missing.mp4", "missing.mp4'"),
    ],
)
def test_what_cannot_be_compared_is_published(
    presenter: str, reason: str, made: Any, clips: Path, tmp_path: Path, context: dict[str, Any]
) -> None:
    returned = publish(made("same.mp4"), tmp_path, context, lip_check="refuse", presenter=str(clips / presenter))
    assert {**returned["lips"], "reason": ""} == {"changed": None, "share": None, "frames": 0, "reason": ""}
    assert reason in returned["lips"]["reason"]


def test_a_presenter_of_which_the_service_takes_less_is_not_compared(
    made: Any,
    httpserver: HTTPServer,
    clips: Path,
    tmp_path: Path,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A URL may have any number of bytes."""
    size = (clips / "presenter.mp4").stat().st_size
    presenter = httpserver.url_for("/presenter.mp4")
    monkeypatch.setattr(lip_check, "VIDEO_BYTES", replace(lip_check.VIDEO_BYTES, high=size))
    assert publish(made("same.mp4"), tmp_path, context, lip_check="warn", presenter=presenter)["lips"]["frames"] == 24
    monkeypatch.setattr(lip_check, "VIDEO_BYTES", replace(lip_check.VIDEO_BYTES, high=size - 1))
    returned = publish(made("same.mp4"), tmp_path, context, lip_check="refuse", presenter=presenter)
    assert returned["lips"]["reason"].startswith(f"presenter has more than {size - 1:,} bytes")


def test_the_copy_of_a_presenter_leaves_room_for_what_follows(httpserver: HTTPServer, clips: Path, made: Any) -> None:
    made("presenter.mp4")
    folder = clips / "work"
    folder.mkdir()
    video = shutil.copy(clips / "same.mp4", folder / "video.mp4")
    presenter = httpserver.url_for("/presenter.mp4")
    (check,) = lip_checks("warn", presenter, source={}, place="", allowed_sources=None, access=any_address)
    assert check.apply(Path(video), folder / "none.mp4")["lips"]["changed"] is False
    assert [path.name for path in folder.iterdir()] == ["video.mp4"]


def test_a_later_release_knows_what_was_checked(
    made: Any, httpserver: HTTPServer, tmp_path: Path, context: dict[str, Any]
) -> None:
    """By this digest, skip_same finds that the same was published."""
    presenter = httpserver.url_for("/presenter.mp4")
    returned = publish(made("same.mp4"), tmp_path, context, lip_check="warn", presenter=presenter)
    settings = [["lip_check", {"mode": "warn", "presenter": presenter}]]
    assert returned["edits"]["digest"] == hashlib.sha256(json.dumps(settings).encode()).hexdigest()


def test_a_store_of_a_presenter_that_cannot_be_opened_is_told(
    made: Any, tmp_path: Path, context: dict[str, Any]
) -> None:
    """The author can correct it, and nothing is published meanwhile."""
    with pytest.raises(ConfigurationError, match=r"^presenter "):
        publish(made("same.mp4"), tmp_path, context, lip_check="warn", presenter="s3://no_such_conn@b/p.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{}, {"lip_check": "off"}, {"lip_check": ""}, {"lip_check": None}])
def test_by_default_nothing_is_compared(
    made: Any, tmp_path: Path, context: dict[str, Any], options: dict[str, Any]
) -> None:
    returned = publish({**made("same.mp4"), "lips": {"changed": True}}, tmp_path, context, **options)
    assert not {"lips", "edits"} & returned.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lip_check": "warn"}, "^presenter is None"),
        ({"lip_check": "strict", "presenter": "/a.mp4"}, "^lip_check is 'strict', allowed is one of off, warn, refuse"),
        (
            {"lip_check": "warn", "presenter": "https://other/a.mp4", "allowed_sources": "http://localhost/"},
            "^presenter is 'https://other/a.mp4', allowed is http://localhost/",
        ),
        (
            {"lip_check": "warn", "presenter": "/videos/a.mp4", "allowed_sources": "http://localhost/"},
            "^presenter is '/videos/a.mp4', allowed is http://localhost/",
        ),
    ],
)
def test_arguments_that_are_refused_before_the_download(
    arguments: Any, message: str, made: Any, httpserver: HTTPServer, tmp_path: Path, context: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match=f"^(?:{message})"):
        publish(made("same.mp4"), tmp_path, context, **arguments)
    assert not httpserver.log


def test_without_the_extra_nothing_is_downloaded(
    made: Any, httpserver: HTTPServer, tmp_path: Path, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_videoretalk.optional_dependencies.is_installed", lambda _: False)
    with pytest.raises(ConfigurationError, match=r"lip_check needs av, .*\[faces\]"):
        publish(made("same.mp4"), tmp_path, context, lip_check="warn", presenter="/a.mp4")
    assert not httpserver.log
