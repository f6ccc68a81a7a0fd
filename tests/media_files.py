"""Small real media for tests. Videos repeat one coded picture, so that their length costs nothing."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from PIL import Image

from airflow_provider_videoretalk.outbound.read_budget import BudgetMeter

_OPTIONS = {
    "libx264": {"preset": "ultrafast", "tune": "zerolatency"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0"},
}


def video(
    path: Path,
    *,
    seconds: float = 2,
    fps: Fraction | int = 15,
    width: int = 640,
    height: int = 640,
    codec: str = "libx264",
    container: str | None = None,
    rotation: int = 0,
    noise: bool = False,
    options: Mapping[str, str] | None = None,
) -> Path:
    """A video file; ``noise`` makes its pictures large."""
    with av.open(path, mode="w", format=container, options=dict(options or {})) as output:
        stream = output.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = _OPTIONS.get(codec, {})
        if rotation:
            stream.set_display_rotation(rotation)
        picture = np.full((height, width, 3), 90, np.uint8)
        if noise:
            picture = np.random.default_rng(1).integers(0, 255, picture.shape, np.uint8)
        (packet, *_) = [*stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")), *stream.encode(None)]
        content = bytes(packet)
        for i in range(round(seconds * fps)):
            copy = av.Packet(content)
            copy.stream, copy.time_base = stream, Fraction(1) / fps
            copy.pts = copy.dts = i
            copy.duration, copy.is_keyframe = 1, i % 15 == 0
            output.mux(copy)
    return path


def wav(*, seconds: float = 2, rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    """A WAV file of a tone, whose samples are no header's text."""
    buffer = io.BytesIO()
    moments = np.arange(round(seconds * rate)) / rate
    tone = (np.sin(2 * np.pi * 220 * moments) * 10_000).astype("<i2")
    content = tone.tobytes() if width == 2 else bytes(len(tone) * width)
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(content * channels)
    return buffer.getvalue()


def coded(
    path: Path,
    *,
    seconds: float = 2,
    codec: str = "libmp3lame",
    container: str = "mp3",
    rate: int = 44_100,
    bits: int = 64_000,
    quality: int | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """A sound file of noise that grows louder, so that a variable bit rate varies."""
    noise = np.random.default_rng(2).standard_normal(round(seconds * rate)).astype(np.float32)
    noise *= np.linspace(0, 0.5, len(noise), dtype=np.float32) ** 3
    with av.open(path, mode="w", format=container, options=dict(options or {})) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        stream.codec_context.bit_rate = bits
        if quality is not None:
            stream.codec_context.bit_rate = 0
            stream.codec_context.options = {"q": str(quality)}
            stream.codec_context.qscale = True
        for start in range(0, len(noise), 4410):
            piece = noise[start : start + 4410]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece[None]), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def image(kind: str, *, width: int = 64, height: int = 48) -> bytes:
    buffer = io.BytesIO()
    Image.new("1" if kind in ("png", "bmp") else "RGB", (width, height)).save(buffer, kind)
    return buffer.getvalue()


def box(kind: bytes, content: bytes) -> bytes:
    """A box of an MP4."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


class Memory:
    """An origin in memory, with or without ranges."""

    notes: tuple[str, ...] = ()

    def __init__(
        self, content: bytes, meter: BudgetMeter, *, forward_only: bool = False, states_size: bool = True
    ) -> None:
        self.content, self.meter, self.forward_only = content, meter, forward_only
        self.size = len(content) if states_size else None
        self.asked: list[tuple[int, int]] = []

    def fetch(self, start: int, length: int) -> bytes:
        self.meter.charge(size=length)
        if self.forward_only:
            assert start == sum(length for _, length in self.asked)
        content = self.content[start : start + length]
        self.asked.append((start, len(content)))
        return content

    def close(self) -> None: ...
