"""A photo becomes a video as long as the speech, whose mouth opens when it speaks."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from spoken_sounds import silence, word, write_wav

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.engine.talking_photo import animate, count_faces


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """A second of silence, and a second of something as loud as a voice."""
    return write_wav(tmp_path / "speech.wav", np.concatenate([silence(1), word(1)]))


def frames(path: Path) -> list[np.ndarray]:
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_photo_speaks(portrait: Path, speech: Path, tmp_path: Path) -> None:
    rendered = animate(photo=portrait, audio=speech, output=tmp_path / "out.mp4", side=480)
    assert (rendered.width, rendered.height, rendered.fps, rendered.face_found) == (480, 480, 24.0, True)
    assert rendered.seconds == pytest.approx(2, abs=0.05)
    pictures = frames(tmp_path / "out.mp4")
    assert len(pictures) == 48
    silent, spoken = pictures[12], pictures[36]
    change = np.abs(spoken.astype(int) - silent).sum(axis=2)
    mouth, forehead = change[260:340, 180:300].mean(), change[60:140, 180:300].mean()
    assert mouth > 5 * max(forehead, 0.5)


@pytest.mark.parametrize(("size", "shown"), [((901, 641), (900, 640)), ((2600, 1300), (1280, 640))])
def test_a_photo_without_a_resolution_keeps_its_own(
    portrait: Path, speech: Path, tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    """Within 1280 pixels, and with even sides."""
    with Image.open(portrait) as image:
        face = image.convert("RGB").resize((min(size), min(size)))
    canvas = Image.new("RGB", size, "white")
    canvas.paste(face, (0, 0))
    canvas.save(tmp_path / "photo.png")
    rendered = animate(photo=tmp_path / "photo.png", audio=speech, output=tmp_path / "out.mp4", side=None)
    assert (rendered.width, rendered.height) == shown


def test_faces_are_counted(portrait: Path, tmp_path: Path) -> None:
    with Image.open(portrait) as image:
        face = image.convert("RGB")
    pair = Image.new("RGB", (2 * face.width, face.height), "white")
    pair.paste(face, (0, 0))
    pair.paste(face, (face.width, 0))
    pair.save(tmp_path / "pair.png")
    Image.new("RGB", (640, 640), "white").save(tmp_path / "none.png")
    assert [count_faces(path) for path in (portrait, tmp_path / "pair.png", tmp_path / "none.png")] == [1, 2, 0]


def test_a_photo_without_a_face_is_refused(speech: Path, tmp_path: Path) -> None:
    Image.new("RGB", (640, 640), "white").save(tmp_path / "none.png")
    with pytest.raises(MediaRefusedError) as caught:
        animate(photo=tmp_path / "none.png", audio=speech, output=tmp_path / "out.mp4", side=480)
    assert caught.value.code == "InvalidFile.Content"
    assert not (tmp_path / "out.mp4").exists()


def test_what_is_no_photo_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(b"no photo" * 100)
    with pytest.raises(MediaRefusedError):
        count_faces(path)
