"""Cuts a speech for one piece of a long video. Its functions load FFmpeg (PyAV, the extra ``media``)."""

from __future__ import annotations

import wave
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.videoretalk import AUDIO_BYTES, AUDIO_SECONDS
from airflow_provider_videoretalk.optional_dependencies import require_extra

if TYPE_CHECKING:
    from array import array

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

    from airflow_provider_videoretalk.editing.sound_samples import SoundFormat

_FIELD = "the speech"
_REMEDY = "Give a whole WAV, MP3, AAC or M4A file, such as one that FFmpeg has converted."

_SAMPLE_BYTES = 2
_HEADER_BYTES = 44
_SMALL_RATE = 48_000

# Formats with an index of all packets.
_SEEKABLE = ("mov", "wav")

# A decoder needs sound before the part, of which the first it gives may be wrong.
_LEAD_SECONDS = 1


@dataclass(frozen=True, kw_only=True)
class SoundPart:
    """A part that was written.

    :param seconds: its length; shorter than what was asked for where the speech ends
    :param rate: samples per second
    :param channels: 1 or 2
    """

    seconds: float
    rate: int
    channels: int


def cut_sound(source: Path, target: Path, *, start: float, end: float) -> SoundPart:
    """Writes the part of a speech from ``start`` to ``end`` as WAV, with 16 bits a sample.

    Parts that follow each other have each sample once: both ends are rounded to the same samples.

    - Rate and channels stay. More than two channels are mixed to two.
    - A part that would be larger than VideoRetalk's limit of 30 MB becomes mono, and then 48 kHz.
    - A part may be shorter than VideoRetalk's 2 seconds, such as for a preview. Preflight checks that.

    :param source: wav, mp3, aac or m4a, or the sound of an mp4, mov or avi
    :param start: in seconds from the first sample on
    :param end: in seconds; at most 120 s behind ``start``
    :raises InputError: the speech cannot be read, or has no sound from ``start`` on, or a value is out of range
    :raises TransportError: the part cannot be written
    :raises ConfigurationError: the extra ``media`` is not installed
    """
    _check(start=start, end=end)
    require_extra("media", part="A long video")
    # Heavy.
    from airflow_provider_videoretalk.editing.media_file import open_media, write_whole_file

    with write_whole_file(target) as partial, open_media(source, field=_FIELD, remedy=_REMEDY) as container:
        stream = _stream(container, source)
        wanted = _format(stream, seconds=end - start)
        first, last = round(start * wanted.rate), round(end * wanted.rate)
        samples = _samples(container, stream, source, wanted=wanted, first=first)
        written = _write_wav(partial, samples, wanted=wanted, count=last - first)
    if not written:
        target.unlink()
        raise InputError(
            f"{_FIELD} has no sound between {start:g} s and {end:g} s, it ends earlier",
            remedy="Cut within the length of the speech.",
        )
    return SoundPart(seconds=written / wanted.rate, rate=wanted.rate, channels=wanted.channels)


def _check(*, start: float, end: float) -> None:
    longest = AUDIO_SECONDS.high or 0
    if start < 0 or not 0 < end - start <= longest:
        raise InputError(
            f"start is {start:g} s and end is {end:g} s, allowed are parts of more than 0 and at most {longest:g} s",
            remedy="Count from the first sample on, and cut the speech into shorter parts.",
        )


def _stream(container: InputContainer, source: Path) -> AudioStream:
    from airflow_provider_videoretalk.editing.media_file import audio_stream

    stream = audio_stream(container)
    if stream is None:
        raise InputError(f"{_FIELD} is {str(source)!r}, which has no sound that can be decoded", remedy=_REMEDY)
    return stream


def _format(stream: AudioStream, *, seconds: float) -> SoundFormat:
    """The stream's own format, if a part of it is not too large."""
    from airflow_provider_videoretalk.editing.sound_samples import SoundFormat

    rate, channels = stream.sample_rate, min(stream.codec_context.layout.nb_channels, 2)
    for candidate in (SoundFormat(rate=rate, channels=channels), SoundFormat(rate=rate, channels=1)):
        if AUDIO_BYTES.allows(seconds * candidate.rate * candidate.channels * _SAMPLE_BYTES + _HEADER_BYTES):
            return candidate
    return SoundFormat(rate=_SMALL_RATE, channels=1)


def _samples(
    container: InputContainer, stream: AudioStream, source: Path, *, wanted: SoundFormat, first: int
) -> Generator[array[float], None, None]:
    """The samples from the number ``first`` on."""
    from airflow_provider_videoretalk.editing.media_file import refuse_damaged_media
    from airflow_provider_videoretalk.editing.sound_samples import resampled

    with refuse_damaged_media(source, field=_FIELD, remedy=_REMEDY):
        begin = (stream.start_time or 0) * Fraction(stream.time_base or 0) + Fraction(first, wanted.rate)
        yield from resampled(_frames(container, stream, begin=begin), wanted=wanted, kind="s16", begin=begin)


def _frames(container: InputContainer, stream: AudioStream, *, begin: Fraction) -> Iterator[AudioFrame]:
    """The decoded frames, from some before a time on; damaged packets are left out, as players do."""
    import av

    time_base = Fraction(stream.time_base or 0)
    earliest = begin - _LEAD_SECONDS
    if container.format.name.startswith(_SEEKABLE) and earliest > 0:
        container.seek(int(earliest / time_base), stream=stream)
    for packet in container.demux(stream):
        # Without an index, as in MP3, all packets are read, but only these are decoded.
        if packet.pts is not None and packet.pts * time_base < earliest:
            continue
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            continue
        yield from frames


def _write_wav(path: Path, samples: Generator[array[float], None, None], *, wanted: SoundFormat, count: int) -> int:
    """Writes at most ``count`` samples for each channel.

    :return: how many were written
    """
    left = count * wanted.channels
    with closing(samples), wave.open(str(path), "wb") as file:
        file.setnchannels(wanted.channels)
        file.setsampwidth(_SAMPLE_BYTES)
        file.setframerate(wanted.rate)
        while left and (block := next(samples, None)) is not None:
            given = block[:left]
            file.writeframesraw(given.tobytes())
            left -= len(given)
    return count - left // wanted.channels
