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
    :param begin: the second of the file from which on it is played
    :param end: the second of the file until which it is played; 0 for all
    """

    path: Path
    start: float
    tempo: float = 1.0
    begin: float = 0.0
    end: float = 0.0


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
        frames = _played(decode_frames(container), speech)
        yield from resampled(frames, wanted=SoundFormat(rate=TRACK_RATE, channels=1), kind="s16")


def _played(frames: Iterator[AudioFrame], speech: TrackSpeech) -> Iterator[AudioFrame]:
    """The part of a speech that is played, at its tempo and its own pitch."""
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
            nodes = (graph.add(name, arguments) for name, arguments in _filters(speech))
            graph.link_nodes(source, *nodes, graph.add("abuffersink")).configure()
        try:
            graph.push(frame)
        except av.EOFError:
            # The end of the part is reached.
            break
        yield from _pulled(graph, av)
    else:
        if graph is not None:
            graph.push(None)
    if graph is not None:
        yield from _pulled(graph, av)


def _filters(speech: TrackSpeech) -> Iterator[tuple[str, str]]:
    end = f":end={speech.end:.6f}" if speech.end else ""
    yield "atrim", f"start={speech.begin:.6f}{end}"
    yield "asetpts", "PTS-STARTPTS"
    if speech.tempo != 1.0:
        yield "atempo", f"{speech.tempo:.4f}"


def _pulled(graph: Any, av: Any) -> Iterator[AudioFrame]:
    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
