"""MP4 files that are made box by box, so that a test chooses their size and content."""

from __future__ import annotations

import struct
from typing import Literal

_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_FRAMES, _TIMESCALE = 50, 1000


def mp4(
    content: bytes = b"picture", *, seconds: float = 3.0, handler: bytes = b"vide", index_first: bool = False
) -> bytes:
    """A file with one track, whose samples are ``content``.

    :param handler: ``vide`` or ``soun``
    :param index_first: put the index before the samples
    """
    ftyp, mdat = _box(b"ftyp", b"isom\0\0\2\0isommp41"), _box(b"mdat", content)
    ahead = len(ftyp) + (len(_moov(0, len(content), seconds, handler)) if index_first else 0)
    moov = _moov(ahead + 8, len(content), seconds, handler)
    return b"".join((ftyp, moov, mdat) if index_first else (ftyp, mdat, moov))


def mp4_of_size(size: int, *, seconds: float = 3.0, content: bytes = b"") -> bytes:
    """A file of exactly ``size`` bytes, which begins its samples with ``content``."""
    return mp4(content.ljust(size - len(mp4(b"")), b"\x5a"), seconds=seconds)


def around(size: int) -> tuple[bytes, bytes]:
    """What an :func:`mp4` has before and after its samples of ``size`` bytes, for files that do not fit in memory."""
    ahead = mp4(b"")[: -len(_moov(0, 0, 3.0, b"vide")) - 4 - 4]
    return ahead + struct.pack(">I4s", 8 + size, b"mdat"), _moov(len(ahead) + 8, size, 3.0, b"vide")


def fragmented_mp4(
    *,
    fragments: int = 10,
    seconds: float = 1.0,
    size: int = 100,
    box_sizes: Literal["32 bits", "64 bits", "last to the end"] = "32 bits",
    segment_index: bool = False,
    decode_times: bool = True,
) -> list[bytes]:
    """The parts of a file whose index lists no frames: its beginning, and each fragment with its samples.

    :param seconds: of each fragment
    :param size: bytes of samples in each fragment, of which there are ten
    :param box_sizes: how the boxes of samples state their size
    :param segment_index: whether the beginning lists the fragments (``sidx``)
    """
    moov = _moov(0, 0, 0.0, b"vide")
    trex = _box(b"mvex", _box(b"trex", struct.pack(">6I", 0, 1, 1, 0, 0, 0)))
    moov = _box(b"moov", moov[8:] + trex)
    made = []
    for number in range(fragments):
        to_the_end = box_sizes == "last to the end" and number == fragments - 1
        made.append(_fragment(number, seconds, size, box_sizes == "64 bits", to_the_end, decode_times))
    ticks = round(seconds * _TIMESCALE)
    sidx = struct.pack(">IIIIIHH", 0, 1, _TIMESCALE, 0, 0, 0, fragments)
    sidx += b"".join(struct.pack(">III", len(each), ticks, 0) for each in made)
    beginning = _box(b"ftyp", b"iso5\0\0\2\0iso5mp41") + moov + (_box(b"sidx", sidx) if segment_index else b"")
    return [beginning, *made]


def fragment_index(position: int) -> bytes:
    """The index at the end of a fragmented file (``mfra``), which lists one fragment.

    :param position: of the fragment
    """
    tfra = _box(b"tfra", struct.pack(">IIIIII3B", 0, 1, 0, 1, 0, position, 1, 1, 1))
    return _box(b"mfra", tfra + _box(b"mfro", struct.pack(">II", 0, 8 + len(tfra) + 16)))


def _fragment(number: int, seconds: float, size: int, is_64_bit: bool, to_the_end: bool, decode_time: bool) -> bytes:
    frames = 10
    each, ticks = size // frames, round(seconds * _TIMESCALE / frames)
    header = 16 if is_64_bit else 8

    def moof(offset: int) -> bytes:
        run = struct.pack(">IIi", 0x301, frames, offset) + struct.pack(">II", ticks, each) * frames
        tfdt = _box(b"tfdt", struct.pack(">II", 0, number * ticks * frames)) if decode_time else b""
        traf = _box(b"tfhd", struct.pack(">II", 0x20000, 1)) + tfdt + _box(b"trun", run)
        return _box(b"moof", _box(b"mfhd", struct.pack(">II", 0, number + 1)) + _box(b"traf", traf))

    samples = b"\x5a" * (each * frames)
    index = moof(len(moof(0)) + header)
    if is_64_bit:
        return index + struct.pack(">I4sQ", 1, b"mdat", 16 + len(samples)) + samples
    return index + struct.pack(">I4s", 0 if to_the_end else 8 + len(samples), b"mdat") + samples


def _moov(position: int, size: int, seconds: float, handler: bytes) -> bytes:
    ticks = round(seconds * _TIMESCALE / _FRAMES)
    mvhd = struct.pack(">IIIII", 0, 0, 0, _TIMESCALE, ticks * _FRAMES) + bytes(16) + _MATRIX + bytes(28)
    tkhd = struct.pack(">IIIIII", 7, 0, 0, 1, 0, ticks * _FRAMES) + bytes(16) + _MATRIX
    tkhd += struct.pack(">II", 640 << 16, 640 << 16)
    mdhd = struct.pack(">IIIIIHH", 0, 0, 0, _TIMESCALE, ticks * _FRAMES, 0, 0)
    entry = bytes(6) + b"\0\1" + bytes(16) + struct.pack(">HH", 640, 640) + bytes(50)
    sample = _box(b"avc1" if handler == b"vide" else b"mp4a", entry)
    # All samples but the first one are empty, in one chunk.
    sizes = [size, *[0] * (_FRAMES - 1)]
    table = _box(b"stsd", struct.pack(">II", 0, 1) + sample)
    table += _box(b"stts", struct.pack(">IIII", 0, 1, _FRAMES, ticks))
    table += _box(b"stsc", struct.pack(">IIIII", 0, 1, 1, _FRAMES, 1))
    table += _box(b"stsz", struct.pack(f">III{_FRAMES}I", 0, 0, _FRAMES, *sizes))
    table += _box(b"stco", struct.pack(">III", 0, 1, position))
    hdlr = _box(b"hdlr", bytes(8) + handler + bytes(13))
    media = _box(b"mdia", _box(b"mdhd", mdhd) + hdlr + _box(b"minf", _box(b"stbl", table)))
    return _box(b"moov", _box(b"mvhd", mvhd) + _box(b"trak", _box(b"tkhd", tkhd) + media))


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content
