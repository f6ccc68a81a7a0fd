"""One track of an MP4 or MOV, by its entry in the index."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from airflow_provider_videoretalk.media.header.box import Box
from airflow_provider_videoretalk.media.header.codec import codec_name

_ENABLED = 1


@dataclass(frozen=True, kw_only=True)
class Track:
    """A track.

    :param number: by which fragments refer to it
    :param handler: ``vide``, ``soun``, ...
    :param enabled: whether players show it; pictures of chapters are not
    :param timescale: ticks per second
    :param ticks: of all samples together
    :param samples: pictures, of a video; 0 where they are all in fragments
    :param width: in pixels as coded
    :param height: likewise
    :param turned: whether it is shown lying on its side
    :param shown: seconds that the edit list shows of it, ``None`` where there is none
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
    turned: bool
    shown: float | None

    @property
    def seconds(self) -> float:
        """The duration: that of the samples, as far as the edit list shows them."""
        whole = self.ticks / self.timescale if self.timescale else 0.0
        return whole if self.shown is None else min(whole, self.shown)


def read_track(box: Box, *, movie_scale: int, movie_turned: bool) -> Track:
    """The track of a ``trak`` box (ISO/IEC 14496-12, 8.3 to 8.6; numbers are big-endian).

    :raises struct.error: a part of it ends early
    """
    head, media = box.body_of(b"tkhd"), box.body_of(b"mdia", b"mdhd")
    wide = bool(head and head[0])
    (number,) = struct.unpack_from(">I", head, 20 if wide else 12)
    matrix = 52 if wide else 40
    (timescale,) = struct.unpack_from(">I", media, 20 if media and media[0] else 12)
    handler = bytes(box.body_of(b"mdia", b"hdlr")[8:12])
    table = box.first(b"mdia", b"minf", b"stbl") or Box(kind=b"stbl", body=memoryview(b""))
    samples, ticks = _times(table.body_of(b"stts"))
    letters, width, height = _coded(table.body_of(b"stsd"), handler)
    return Track(
        number=number,
        handler=handler,
        enabled=bool(head[3] & _ENABLED),
        codec=codec_name(letters),
        timescale=timescale,
        ticks=ticks,
        samples=samples,
        width=width,
        height=height,
        turned=turned(head[matrix:]) != movie_turned,
        shown=_shown(box.body_of(b"edts", b"elst"), movie_scale),
    )


def turned(matrix: memoryview) -> bool:
    """Whether a matrix that begins so turns a picture by a quarter: more of x goes into y than stays in x."""
    stays, goes = struct.unpack_from(">ii", matrix)
    return bool(abs(stays) < abs(goes))


def _times(stts: memoryview) -> tuple[int, int]:
    """Samples and ticks: the table has pairs of a number of samples and the ticks of each."""
    samples = ticks = 0
    whole = 8 + (len(stts) - 8) // 8 * 8
    for number, each in struct.iter_unpack(">II", stts[8 : max(8, whole)]):
        samples, ticks = samples + number, ticks + number * each
    return samples, ticks


def _coded(stsd: memoryview, handler: bytes) -> tuple[bytes, int, int]:
    """Codec and sides by the first description of samples; sides are those of a video only."""
    (letters,) = struct.unpack_from(">4s", stsd, 12)
    if handler != b"vide":
        return letters, 0, 0
    width, height = struct.unpack_from(">HH", stsd, 40)
    return letters, width, height


def _shown(elst: memoryview, movie_scale: int) -> float | None:
    """The seconds of all edits that show something, ``None`` where that says nothing."""
    if len(elst) < 8 or not movie_scale:
        return None
    pattern = struct.Struct(">Qq4x" if elst[0] else ">Ii4x")
    whole = (len(elst) - 8) // pattern.size * pattern.size
    edits = pattern.iter_unpack(elst[8 : 8 + whole])
    ticks = sum(length for length, begin in edits if begin >= 0)
    # Written in the movie's ticks, which are coarser than the track's: what looks cut by one is rounded.
    return (ticks + 1) / movie_scale if ticks else None
