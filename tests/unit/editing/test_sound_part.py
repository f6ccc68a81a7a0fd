"""Parts of a speech: each sample once, from any kind of file."""

from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.sound_part import SoundPart, cut_sound

KINDS = {
    "wav": ("wav", "pcm_s16le"),
    "mp3": ("mp3", "libmp3lame"),
    "aac": ("adts", "aac"),
    "m4a": ("ipod", "aac"),
    "mov": ("mov", "alac"),
}


def speech(path: Path, *, kind: str, seconds: float = 6, rate: int = 44_100, channels: int = 1) -> Path:
    """A sound that is nowhere like itself: a tone that rises."""
    container, codec = KINDS[kind]
    moments = np.arange(round(seconds * rate)) / rate
    samples = np.tile((0.5 * np.sin(2 * np.pi * (200 + 100 * moments) * moments)).astype(np.float32), (channels, 1))
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    with av.open(path, mode="w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        for start in range(0, samples.shape[1], 4410):
            piece = np.ascontiguousarray(samples[:, start : start + 4410])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def samples_in(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        content = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return content.reshape(-1, file.getnchannels()).T


def whole(path: Path) -> NDArray[np.int16]:
    """All samples that a player gives, as integers."""
    with av.open(path) as container:
        resampler = av.AudioResampler(format="s16p")
        frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray() for frame in [*frames, *resampler.resample(None)]], axis=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 2])
def test_parts_that_follow_each_other_have_each_sample_once(kind: str, channels: int, tmp_path: Path) -> None:
    source = speech(tmp_path / f"speech.{kind}", kind=kind, channels=channels)
    ends = (0, 1.23456, 1.3, 3.999, 6.5)
    parts = []
    for start, end in pairwise(ends):
        part = cut_sound(source, tmp_path / "part.wav", start=start, end=end)
        assert (part.rate, part.channels) == (44_100, channels)
        parts.append(samples_in(tmp_path / "part.wav"))
        assert part.seconds == parts[-1].shape[1] / 44_100
    assert [part.shape[1] for part in parts[:3]] == [54_444, 57_330 - 54_444, 176_356 - 57_330]
    expected = whole(source)
    found = np.concatenate(parts, axis=1)
    assert found.shape == expected.shape
    # AAC has noise that the decoder makes anew. A lost sample would make a difference of 1,800.
    assert np.abs(found.astype(int) - expected).max() <= (200 if KINDS[kind][1] == "aac" else 2)


def test_many_channels_become_two(tmp_path: Path) -> None:
    source = speech(tmp_path / "speech.wav", kind="wav", channels=6, seconds=2)
    assert cut_sound(source, tmp_path / "part.wav", start=0, end=1) == SoundPart(seconds=1, rate=44_100, channels=2)


@pytest.mark.parametrize(
    ("rate", "channels", "expected"), [(96_000, 2, (96_000, 1)), (192_000, 2, (48_000, 1)), (48_000, 2, (48_000, 2))]
)
def test_a_part_is_smaller_than_the_limit(rate: int, channels: int, expected: tuple[int, int], tmp_path: Path) -> None:
    source = speech(tmp_path / "speech.wav", kind="wav", rate=rate, channels=channels, seconds=3)
    part = cut_sound(source, tmp_path / "part.wav", start=1, end=121)
    assert (part.rate, part.channels) == expected
    assert part.seconds == pytest.approx(2, abs=0.001)
    assert samples_in(tmp_path / "part.wav").shape == (expected[1], round(part.seconds * part.rate))


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 5), (6, 5), (0, 120.1)])
def test_values_out_of_range(start: float, end: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at most 120 s"):
        cut_sound(tmp_path / "speech.wav", tmp_path / "part.wav", start=start, end=end)


@pytest.mark.parametrize("kind", ["wav", "mp3", "m4a"])
def test_a_part_behind_the_end(kind: str, tmp_path: Path) -> None:
    source = speech(tmp_path / f"speech.{kind}", kind=kind, seconds=2)
    with pytest.raises(InputError, match="no sound between 50 s and 60 s"):
        cut_sound(source, tmp_path / "part.wav", start=50, end=60)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"speech.{kind}"]


def test_a_file_without_sound(tmp_path: Path) -> None:
    from numbered_video import numbered_video

    source = numbered_video(tmp_path / "clip.mp4", range(5))
    with pytest.raises(InputError, match=r"clip\.mp4', which has no sound"):
        cut_sound(source, tmp_path / "part.wav", start=0, end=5)


@pytest.mark.parametrize("content", [None, b"", b"RIFF\0\0\0\0WAVE", b"<html></html>"])
def test_what_is_no_sound_is_refused_by_name(content: bytes | None, tmp_path: Path) -> None:
    source = tmp_path / "speech.wav"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(InputError, match="the speech"):
        cut_sound(source, tmp_path / "part.wav", start=0, end=5)
    assert not list(tmp_path.glob("*part*"))


def test_damaged_packets_are_left_out(tmp_path: Path) -> None:
    source = speech(tmp_path / "speech.mp3", kind="mp3")
    content = bytearray(source.read_bytes())
    content[20_000:20_400] = bytes(400)
    source.write_bytes(content)
    part = cut_sound(source, tmp_path / "part.wav", start=0, end=5)
    assert part.seconds == pytest.approx(5, abs=0.1)
