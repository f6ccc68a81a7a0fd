"""Real media for the tests of the engine: small, and created once per session."""

from __future__ import annotations

import wave
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from drawn_presenter import media, portrait, presenter
from PIL import Image

from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["media", "portrait", "presenter"]

SENTENCE = "Good morning, and welcome to the morning news. The weather is warm and the people are happy."


class MakeVideo(Protocol):
    def __call__(
        self,
        name: str,
        *,
        seconds: float = 2,
        fps: Fraction | int = 15,
        width: int = 640,
        height: int = 640,
        codec: str = "libx264",
        container: str | None = None,
        rotation: int = 0,
    ) -> Path: ...


@pytest.fixture(scope="session")
def speech(media: Path) -> Path:
    """About six seconds of English."""
    path = media / "speech.wav"
    speak(text=SENTENCE, voice="Cherry", output=path)
    return path


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Write a video that repeats one packet, so that its length takes no time to encode."""

    def make(
        name: str,
        *,
        seconds: float = 2,
        fps: Fraction | int = 15,
        width: int = 640,
        height: int = 640,
        codec: str = "libx264",
        container: str | None = None,
        rotation: int = 0,
    ) -> Path:
        path = tmp_path / name
        with av.open(path, mode="w", format=container) as output:
            stream = output.add_stream(codec, rate=fps)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            if codec == "libx264":
                stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
            if codec == "libx265":
                stream.options = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0"}
            if rotation:
                stream.set_display_rotation(rotation)
            picture = np.full((height, width, 3), 90, np.uint8)
            (packet, *_) = [*stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")), *stream.encode(None)]
            content = bytes(packet)
            for i in range(round(seconds * fps)):
                copy = av.Packet(content)
                copy.stream, copy.time_base = stream, Fraction(1) / fps
                copy.pts = copy.dts = i
                copy.duration, copy.is_keyframe = 1, True
                output.mux(copy)
        return path

    return make


@pytest.fixture
def make_sound(tmp_path: Path) -> Callable[..., Path]:
    """Write a WAV file of a steady tone; ``samples`` overrides the length in seconds."""

    def make(name: str, *, seconds: float = 2, sample_rate: int = 8000, loudness: float = 0.4) -> Path:
        path = tmp_path / name
        moments = np.arange(round(seconds * sample_rate)) / sample_rate
        tone = np.sin(2 * np.pi * 220 * moments) * loudness * 32767
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sample_rate)
            file.writeframes(tone.astype("<i2").tobytes())
        return path

    return make


@pytest.fixture
def write_pictures(tmp_path: Path) -> Callable[..., Path]:
    """Encode the given frames, with any colour tag and rotation."""

    def write(
        name: str,
        pictures: list[NDArray[np.uint8]],
        *,
        fps: int = 15,
        tag: int = 1,
        matrix: int = 1,
        rotation: int = 0,
        pixels: str = "yuv420p",
    ) -> Path:
        path = tmp_path / name
        height, width = pictures[0].shape[:2]
        with av.open(path, mode="w") as output:
            stream = output.add_stream("libx264", rate=fps)
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            stream.options = {"preset": "ultrafast", "crf": "10"}
            stream.codec_context.colorspace = tag
            if rotation:
                stream.set_display_rotation(rotation)
            for i, picture in enumerate(pictures):
                frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels, dst_colorspace=matrix)
                frame.pts, frame.time_base = i, Fraction(1, fps)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return path

    return write


@pytest.fixture(scope="session")
def make_image(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    folder = tmp_path_factory.mktemp("images")

    def make(name: str, *, width: int, height: int, format: str | None = None) -> Path:
        path = folder / name
        Image.new("1" if format in (None, "png", "bmp") else "RGB", (width, height)).save(path, format)
        return path

    return make
