"""Whether the lips of a video are told to have changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from labelled_clips import as_it_is, changed_clip, headless, turned, write_clip
from PIL import Image

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.emulator.engine.lip_sync import retalk
from airflow_provider_videoretalk.emulator.engine.sample_presenter import draw_presenter
from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak
from airflow_provider_videoretalk.emulator.engine.video_frames import ping_pong_index, read_frames
from airflow_provider_videoretalk.faces.lip_change import LipChange, compare_lips
from airflow_provider_videoretalk.faces.video_pictures import open_pictures, spread_positions


@pytest.fixture(scope="module")
def presenter(media: Path) -> Path:
    """Three seconds, 320 pixels square: small, since many faces are looked for."""
    path = media / "small.mp4"
    draw_presenter(path, seconds=3, size=320)
    return path


@pytest.fixture(scope="module")
def lip_synced(presenter: Path, media: Path) -> Path:
    """About five seconds: the presenter plays forwards, and backwards from three seconds on."""
    speech, video = media / "speech.wav", media / "lips.mp4"
    speak(text="Good morning, and welcome to the morning news. The weather is warm.", voice="Cherry", output=speech)
    retalk(video=presenter, audio=speech, output=video, video_extension=True)
    return video


def test_a_lip_synced_video_is_told(lip_synced: Path, presenter: Path) -> None:
    lips = compare_lips(lip_synced, presenter)
    assert lips.changed is True
    assert lips.frames == 24
    assert lips.share is not None
    assert lips.share > 0.4


def test_a_lip_synced_video_that_was_coded_badly_is_told(lip_synced: Path, presenter: Path, tmp_path: Path) -> None:
    assert compare_lips(changed_clip(lip_synced, tmp_path / "v.mp4", as_it_is, quality=38), presenter).changed is True


@pytest.mark.parametrize("quality", [20, 45])
def test_coding_anew_is_no_change(quality: int, presenter: Path, tmp_path: Path) -> None:
    video = changed_clip(presenter, tmp_path / "video.mp4", as_it_is, quality=quality)
    assert compare_lips(video, presenter).to_json() == {"changed": False, "share": 0.0, "frames": 24}


def test_another_size_and_rate_are_no_change(presenter: Path, tmp_path: Path) -> None:
    video = changed_clip(presenter, tmp_path / "video.mp4", lambda frame: frame.resize((400, 400)), step=5)
    assert compare_lips(video, presenter).changed is False


def test_a_video_that_plays_there_and_back_is_no_change(presenter: Path, tmp_path: Path) -> None:
    frames = [Image.fromarray(frame) for frame in read_frames(presenter)]
    order = [ping_pong_index(position, length=len(frames)) for position in range(120)]
    video = write_clip(tmp_path / "video.mp4", [frames[number] for number in order])
    assert compare_lips(video, presenter).to_json() == {"changed": False, "share": 0.0, "frames": 24}


def test_a_presenter_without_a_face(presenter: Path, tmp_path: Path) -> None:
    clip = changed_clip(presenter, tmp_path / "clip.mp4", headless, step=15)
    lips = compare_lips(clip, clip)
    assert lips.to_json() == {
        "changed": None,
        "share": None,
        "frames": 0,
        "reason": "no face was found in the presenter's clip",
    }


def test_another_video_cannot_be_compared(presenter: Path, tmp_path: Path) -> None:
    video = changed_clip(presenter, tmp_path / "video.mp4", lambda frame: turned(40)(frame).rotate(180), step=15)
    lips = compare_lips(video, presenter)
    assert (lips.changed, lips.reason) == (None, "the video shows other pictures than the presenter's clip")


def test_the_verdict_allows_for_pauses() -> None:
    assert [LipChange(frames=20, changed_frames=count).changed for count in (0, 2, 3, 20)] == [False, False, True, True]
    assert str(LipChange(frames=20, changed_frames=5)) == "the lips differ from the presenter's in 25% of 20 frames"


def test_positions_are_spread() -> None:
    assert spread_positions(length=100, count=4) == [12, 37, 62, 87]
    assert spread_positions(length=2, count=4) == [0, 1]


def test_pictures_are_sought(presenter: Path) -> None:
    with open_pictures(presenter, field="it") as pictures:
        assert (pictures.count, pictures.rate) == (75, 25)
        last, turn, back = pictures.at(74), pictures.at(75), pictures.at(73)
    assert (turn == back).all()
    assert (last != back).any()


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_videoretalk.optional_dependencies.is_installed", lambda _: False)
    with pytest.raises(ConfigurationError, match=r"The check of the lips needs av, .*\[faces\]"):
        compare_lips(tmp_path / "a", tmp_path / "b")
