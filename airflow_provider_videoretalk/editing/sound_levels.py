"""How loud the sound of a media file is, ten milliseconds by ten milliseconds."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import repeat
from math import log10
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.media_input import read_media

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer

LEVELS_PER_SECOND = 100
"""A level is the loudness of a hundredth of a second."""

DIGITAL_SILENCE = -90.0
"""The lowest level, in dB of full scale: what a sample of 16 bits cannot show."""

# Twice the highest frequency of a hissing consonant that matters.
_RATE = 16000
_LEVEL_SAMPLES = _RATE // LEVELS_PER_SECOND
_FULL_SCALE = float(_LEVEL_SAMPLES * 32768**2)

# Mains hum and what wind does in a microphone are below the voice.
_LOWEST_FREQUENCY = 120


def sound_levels(media: Path, *, field: str = "the file") -> array[float]:
    """The level of each hundredth of a second of a file's first sound, in dB of full scale.

    The first level is at second 0 of the file, as players count: a sound that begins later is preceded by silence, and
    so is a gap in the sound. The file is decoded as a stream. Two hours take 3 MB of memory.

    :param field: name of the input, for messages
    :raises InputError: the file cannot be read, or has no sound
    :raises ConfigurationError: the extra ``media`` is not installed
    """
    levels = array("f")
    with read_media(media, field=field) as container:
        if not container.streams.audio:
            raise InputError(f"{field} has no sound", remedy="Give a file with speech.")
        for samples in _mono_samples(container):
            levels.extend(map(_level, _windows(samples)))
    if not levels:
        raise InputError(f"{field} has no sound that can be decoded", remedy="Give a file with speech.")
    return levels


def _windows(samples: array[int]) -> Iterator[array[int]]:
    return (samples[start : start + _LEVEL_SAMPLES] for start in range(0, len(samples), _LEVEL_SAMPLES))


def _level(window: array[int]) -> float:
    energy = sum(map(mul, window, window))
    return max(10 * log10(energy / _FULL_SCALE), DIGITAL_SILENCE) if energy else DIGITAL_SILENCE


def _mono_samples(container: InputContainer) -> Iterator[array[int]]:
    """The sound in chunks of a second: one channel, 16 bits, without what lies below the voice."""
    graph: Any = None
    for frame in _decoded(container):
        if graph is None:
            graph = _filter_graph(frame, start=_start_of(container))
        graph.push(frame)
        yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _decoded(container: InputContainer) -> Iterator[AudioFrame]:
    """The decoded frames; damaged packets are skipped, as players do."""
    import av

    for packet in container.demux(container.streams.audio[0]):
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue


def _start_of(container: InputContainer) -> float:
    """The second that players call 0. MP4 has a time line of its own, which begins at 0."""
    import av

    if container.format.name.startswith("mov"):
        return 0.0
    return max(0.0, (container.start_time or 0) / av.time_base)


def _filter_graph(frame: AudioFrame, *, start: float) -> Any:
    from av.filter import Graph

    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format.name,
        layout=frame.layout.name,
        time_base=frame.time_base,
    )
    filters = (
        # Fills gaps, and what precedes the first sample.
        ("aresample", f"{_RATE}:async=1:first_pts={round(start * _RATE)}"),
        ("aformat", "sample_fmts=flt:channel_layouts=mono"),
        ("highpass", f"f={_LOWEST_FREQUENCY}"),
        ("aformat", "sample_fmts=s16"),
        ("asetnsamples", f"n={_RATE}:p=0"),
        ("abuffersink", ""),
    )
    graph.link_nodes(source, *(graph.add(name, arguments) for name, arguments in filters)).configure()
    return graph


def _pulled(graph: Any) -> Iterator[array[int]]:
    import av

    for _ in repeat(None):
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield array("h", bytes(frame.planes[0])[: 2 * frame.samples])
