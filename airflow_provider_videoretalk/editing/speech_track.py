"""Puts speeches on one time line. Its functions load FFmpeg (PyAV, the extra ``media``)."""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.optional_dependencies import require_extra

if TYPE_CHECKING:
    from array import array

    from av.audio.frame import AudioFrame

TRACK_RATE = 24_000
"""Samples a second of a track: those of the service's speech."""

_SAMPLE_BYTES = 2
_REMEDY = "Give a whole WAV, MP3, AAC or M4A file."

# What FFmpeg's filter takes.
_LOWEST_TEMPO, _HIGHEST_TEMPO = 0.5, 2.0


@dataclass(frozen=True, kw_only=True)
class TrackSpeech:
    """
    :param path: of the speech, a local file
    :param start: when it begins on the track, in seconds
    :param tempo: how much faster it is played, at the same pitch; 0.5 to 2
    """

    path: Path
    start: float
    tempo: float = 1.0


def write_speech_track(speeches: Sequence[TrackSpeech], target: Path, *, seconds: float) -> float:
    """Writes speeches as one WAV file, mono, with silence between them.

    A speech that begins before the one before it has ended begins when that has ended.

    :param speeches: in the order of their begin
    :param seconds: the least length; there is silence after the last speech
    :returns: the length in seconds
    :raises InputError: a speech cannot be decoded, or a value is out of range
    :raises TransportError: the track cannot be written
    :raises ConfigurationError: the extra ``media`` is not installed
    """
    for speech in speeches:
        if speech.start < 0 or not _LOWEST_TEMPO <= speech.tempo <= _HIGHEST_TEMPO:
            raise InputError(
                f"start is {speech.start:g} s and tempo is {speech.tempo:g}, allowed are times from 0 on, and a tempo "
                f"of {_LOWEST_TEMPO:g} to {_HIGHEST_TEMPO:g}",
                remedy="Give the times of a track.",
            )
    require_extra("media", part="A dub")
    # Heavy.
    from airflow_provider_videoretalk.editing.media_file import write_whole_file

    with write_whole_file(target) as partial, wave.open(str(partial), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(_SAMPLE_BYTES)
        file.setframerate(TRACK_RATE)
        written = 0
        for speech in speeches:
            written += _silence(file, round(speech.start * TRACK_RATE) - written)
            for samples in _samples(speech):
                file.writeframesraw(samples.tobytes())
                written += len(samples)
        written += _silence(file, round(seconds * TRACK_RATE) - written)
    return written / TRACK_RATE


def _silence(file: wave.Wave_write, count: int) -> int:
    file.writeframesraw(bytes(_SAMPLE_BYTES * max(0, count)))
    return max(0, count)


def _samples(speech: TrackSpeech) -> Iterator[array[float]]:
    from airflow_provider_videoretalk.editing.media_file import open_media, refuse_damaged_media
    from airflow_provider_videoretalk.editing.sound_samples import SoundFormat, decode_frames, resampled

    with (
        open_media(speech.path, field="the speech", remedy=_REMEDY) as container,
        refuse_damaged_media(speech.path, field="the speech", remedy=_REMEDY),
    ):
        frames = _faster(decode_frames(container), speech.tempo) if speech.tempo != 1.0 else decode_frames(container)
        yield from resampled(frames, wanted=SoundFormat(rate=TRACK_RATE, channels=1), kind="s16")


def _faster(frames: Iterator[AudioFrame], tempo: float) -> Iterator[AudioFrame]:
    """The frames, played faster at the same pitch."""
    import av
    from av.filter import Graph

    graph: Any = None
    for frame in frames:
        if graph is None:
            graph = Graph()
            source = graph.add_abuffer(
                sample_rate=frame.sample_rate,
                format=frame.format.name,
                layout=frame.layout.name,
                time_base=frame.time_base,
            )
            graph.link_nodes(source, graph.add("atempo", f"{tempo:.4f}"), graph.add("abuffersink")).configure()
        graph.push(frame)
        yield from _pulled(graph, av)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph, av)


def _pulled(graph: Any, av: Any) -> Iterator[AudioFrame]:
    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
