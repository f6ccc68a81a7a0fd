"""What is said of a presenter's clip before it is paid for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import pytest
from labelled_clips import BAD, GOOD, changed_clip, covered, rotated, write_clip
from PIL import Image

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.emulator.engine.video_frames import read_frames
from airflow_provider_videoretalk.faces.presenter_check import PresenterFaces, check_presenter


def findings(faces: PresenterFaces) -> list[str]:
    return [finding.code for finding in faces.findings]


@pytest.mark.parametrize("label", ["as it is", "slightly soft", "turned by 12 degrees"])
def test_a_good_clip_has_no_finding(label: str, presenter: Path, tmp_path: Path) -> None:
    assert findings(check_presenter(changed_clip(presenter, tmp_path / "clip.mp4", GOOD[label], step=15))) == []


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("no face", "no_face"),
        ("tiny face", "too_small"),
        ("blurred", "blurred"),
        ("dark", "dark"),
        ("tilted by 45 degrees", "tilted"),
        ("turned by 40 degrees", "turned"),
        ("two faces", "several_faces"),
    ],
)
def test_a_bad_clip_is_told(label: str, code: str, presenter: Path, tmp_path: Path) -> None:
    change, _ = BAD[label]
    assert findings(check_presenter(changed_clip(presenter, tmp_path / "clip.mp4", change, step=15))) == [code]


def test_the_measures(presenter: Path) -> None:
    faces = check_presenter(presenter)
    assert (faces.frames, faces.share_with_face, faces.share_with_several) == (12, 1.0, 0.0)
    assert faces.height == pytest.approx(340, abs=20)
    assert faces.picture_share == pytest.approx(faces.height / 640)
    assert faces.to_json().keys() == {
        *("frames", "share_with_face", "share_with_several", "height", "picture_share", "turn", "eye_distance"),
        *("tilt", "sharpness", "brightness", "findings"),
    }


def test_frames_are_taken_from_the_whole_clip(presenter: Path, tmp_path: Path) -> None:
    """A face that is missing at the end is missed, and the message has value and limit."""
    good = changed_clip(presenter, tmp_path / "good.mp4", GOOD["as it is"], step=5)
    frames = [Image.fromarray(frame) for frame in read_frames(good)]
    plain = Image.new("RGB", frames[0].size, (120, 130, 140))
    faces = check_presenter(write_clip(tmp_path / "half.mp4", [*frames[:8], *[plain] * 8]))
    assert faces.share_with_face == 0.5
    (finding,) = faces.findings
    assert finding.message == "a face was found in 50% of the frames, allowed is at least 80%"
    assert finding.remedy.startswith("Cut the clip")


def test_a_covered_mouth_hides_the_face_at_times(presenter: Path, tmp_path: Path) -> None:
    faces = check_presenter(changed_clip(presenter, tmp_path / "clip.mp4", covered, step=5))
    assert faces.share_with_face < 0.8


def test_a_rotation_that_players_apply_is_applied(presenter: Path, tmp_path: Path) -> None:
    lying = changed_clip(presenter, tmp_path / "lying.mp4", rotated(90), step=15)
    upright = tmp_path / "upright.mp4"
    with av.open(lying) as source, av.open(upright, "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(-90)
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert findings(check_presenter(lying)) != []
    assert findings(check_presenter(upright)) == []


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(InputError, match="the presenter's clip is"):
        check_presenter(path)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_videoretalk.optional_dependencies.is_installed", lambda _: False)
    with pytest.raises(ConfigurationError, match=r"The check of the presenter's face needs av, .*\[faces\]"):
        check_presenter(tmp_path / "any")


def test_importing_loads_no_media_library() -> None:
    program = """
import sys
import airflow_provider_videoretalk.faces.lip_change, airflow_provider_videoretalk.faces.presenter_check
print([name for name in ("av", "numpy", "PIL", "onnxruntime") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
