"""Reads one track of an MP4 or MOV file from the index."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from airflow_provider_videoretalk.media.header.codec_names import codec_name
from airflow_provider_videoretalk.media.header.mp4_box import Box

_ENABLED_FLAG = 1


@dataclass(frozen=True, kw_only=True)
class Track:
    """A track.

    :param number: the id that fragments refer to
    :param handler: ``vide``, ``soun``, ...
    :param enabled: whether players show it; a track of chapter images is not enabled
    :param timescale: ticks per second
    :param ticks: of all samples together
    :param samples: of a video its frames; 0 where all frames are in fragments
    :param width: in pixels, as encoded
    :param height: see ``width``
    :param rotated: whether it is displayed rotated by 90 degrees
    :param edited_seconds: seconds that the edit list shows, ``None`` without an edit list
    """

    number: int
    handler: bytes
    enabled: bool
    codec: str
    timescale: int
    ticks: int
    samples: int
    width: int
    height: int
    rotated: bool
    edited_seconds: float | None

    @property
    def seconds(self) -> float:
        """The duration of the samples, as far as the edit list shows them."""
        total = self.ticks / self.timescale if self.timescale else 0.0
        return total if self.edited_seconds is None else min(total, self.edited_seconds)


def read_track(trak: Box, *, movie_timescale: int, movie_rotated: bool) -> Track:
    """Reads a ``trak`` box (ISO/IEC 14496-12, 8.3 to 8.6; numbers are big-endian).

    :raises struct.error: a part of it ends early
    """
    header, media = trak.body_of(b"tkhd"), trak.body_of(b"mdia", b"mdhd")
    is_64_bit = bool(header and header[0])
    (number,) = struct.unpack_from(">I", header, 20 if is_64_bit else 12)
    matrix = 52 if is_64_bit else 40
    (timescale,) = struct.unpack_from(">I", media, 20 if media and media[0] else 12)
    handler = bytes(trak.body_of(b"mdia", b"hdlr")[8:12])
    table = trak.first(b"mdia", b"minf", b"stbl") or Box(type=b"stbl", body=memoryview(b""))
    samples, ticks = _samples_and_ticks(table.body_of(b"stts"))
    four_cc, width, height = _sample_description(table.body_of(b"stsd"), handler)
    return Track(
        number=number,
        handler=handler,
        enabled=bool(header[3] & _ENABLED_FLAG),
        codec=codec_name(four_cc),
        timescale=timescale,
        ticks=ticks,
        samples=samples,
        width=width,
        height=height,
        rotated=is_rotated(header[matrix:]) != movie_rotated,
        edited_seconds=_edited_seconds(trak.body_of(b"edts", b"elst"), movie_timescale),
    )


def is_rotated(matrix: memoryview) -> bool:
    """Whether a transformation matrix rotates by 90 degrees: it maps more of x to y than to x."""
    x_to_x, x_to_y = struct.unpack_from(">ii", matrix)
    return bool(abs(x_to_x) < abs(x_to_y))


def _samples_and_ticks(stts: memoryview) -> tuple[int, int]:
    """The total of a table of pairs: a number of samples, and the ticks of each of them."""
    samples = ticks = 0
    complete = 8 + (len(stts) - 8) // 8 * 8
    for number, ticks_each in struct.iter_unpack(">II", stts[8 : max(8, complete)]):
        samples, ticks = samples + number, ticks + number * ticks_each
    return samples, ticks


def _sample_description(stsd: memoryview, handler: bytes) -> tuple[bytes, int, int]:
    """Codec, width and height by the first sample description; width and height are 0 unless it is a video."""
    (four_cc,) = struct.unpack_from(">4s", stsd, 12)
    if handler != b"vide":
        return four_cc, 0, 0
    width, height = struct.unpack_from(">HH", stsd, 40)
    return four_cc, width, height


def _edited_seconds(elst: memoryview, movie_timescale: int) -> float | None:
    """Seconds of all edits that show samples; ``None`` if the edit list does not state any."""
    if len(elst) < 8 or not movie_timescale:
        return None
    entry = struct.Struct(">Qq4x" if elst[0] else ">Ii4x")
    complete = (len(elst) - 8) // entry.size * entry.size
    edits = entry.iter_unpack(elst[8 : 8 + complete])
    ticks = sum(length for length, begin in edits if begin >= 0)
    # The movie's ticks are coarser than the track's: a difference of one tick is rounding.
    return (ticks + 1) / movie_timescale if ticks else None
