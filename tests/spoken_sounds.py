"""Sounds for tests whose words and pauses are known."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

RATE = 24000


def word(seconds: float, *, loudness: float = 0.3) -> np.ndarray:
    """Something as loud as a voice, with the pitch of one."""
    moments = np.arange(round(seconds * RATE)) / RATE
    return loudness * sum(np.sin(2 * np.pi * 140 * overtone * moments) / overtone for overtone in (1, 2, 3, 5))


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE))


def words_and_pauses(*seconds: float, loudness: float = 0.3) -> np.ndarray:
    """Silence and words in turn, beginning with silence."""
    makers = (silence, lambda length: word(length, loudness=loudness))
    return np.concatenate([makers[index % 2](length) for index, length in enumerate(seconds)])


def noise(like: np.ndarray, *, loudness: float) -> np.ndarray:
    return loudness * np.random.default_rng(1).standard_normal(len(like))


def hum(like: np.ndarray, *, loudness: float, frequency: float = 50) -> np.ndarray:
    return loudness * np.sin(2 * np.pi * frequency * np.arange(len(like)) / RATE)


def write_wav(path: Path, samples: np.ndarray, *, channels: int = 1) -> Path:
    bits = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2")
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.repeat(bits, channels).tobytes())
    path.write_bytes(content.getvalue())
    return path


def write_coded(
    path: Path, samples: np.ndarray, *, codec: str, container: str, begins_at: float = 0, gaps: Sequence[float] = ()
) -> Path:
    """A coded sound.

    :param begins_at: the second at which its first sample is played
    :param gaps: the seconds before each quarter of the sound for which the file has no samples
    """
    with av.open(path, mode="w", format=container) as output:
        stream = output.add_stream(codec, rate=RATE, layout="mono")
        parts = np.array_split(samples.astype(np.float32), max(1, len(gaps)))
        start = begins_at * RATE
        for part, gap in zip(parts, gaps or (0,), strict=True):
            start += gap * RATE
            frame = AudioFrame.from_ndarray(part[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, round(start), Fraction(1, RATE)
            output.mux(stream.encode(frame))
            start += len(part)
        output.mux(stream.encode(None))
    return path


def film(path: Path, samples: np.ndarray | None = None, *, container: str = "mp4", fragments: bool = False) -> Path:
    """A small video with B-frames, a rotation, a title and sound. Its frames are not in the order of time."""
    sound = word(2) if samples is None else samples
    options = {"movflags": "frag_keyframe+empty_moov"} if fragments else {}
    with av.open(path, mode="w", format=container, options=options) as output:
        output.metadata["title"] = "The news"
        picture = output.add_stream("libx264", rate=Fraction(30000, 1001))
        picture.width, picture.height, picture.pix_fmt = 160, 120, "yuv420p"
        picture.options = {"bf": "3", "g": "12", "preset": "fast"}
        picture.set_display_rotation(90)
        voice = output.add_stream("aac", rate=RATE, layout="mono")
        for number in range(round(len(sound) / RATE * 30)):
            image = np.full((120, 160, 3), number * 4 % 256, np.uint8)
            output.mux(picture.encode(VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(picture.encode(None))
        frame = AudioFrame.from_ndarray(sound.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        output.mux(voice.encode(frame))
        output.mux(voice.encode(None))
    return path
