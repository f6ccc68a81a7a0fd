"""MP3: a row of frames, the first of which may be an index (Xing, Info, VBRI) instead of sound."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from airflow_provider_videoretalk.media.header.facts import Facts
from airflow_provider_videoretalk.media.header.tag import start_of_sound
from airflow_provider_videoretalk.media.header.walk import HEADER_BYTES, Frame, Walk
from airflow_provider_videoretalk.media.ranged import Ranged

# ISO/IEC 11172-3 and 13818-3, layer III: kilobits per second of MPEG-1 and of MPEG-2, Hz of MPEG-1.
_KILOBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KILOBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = (44_100, 48_000, 32_000)
_LAYER_3 = 0b01
_MPEG_1, _RESERVED, _MPEG_25 = 0b11, 0b01, 0b00
_MONO = 0b11

# Of tags behind the sound, for the index's count of bytes to be believed.
_TRAILER_BYTES = 8 * 1024


@dataclass(frozen=True, kw_only=True)
class _Index:
    """What the first frame says of the others.

    :param frames: their number, 0 where it does not say
    :param size: bytes of all frames, this one included; 0 where it does not say
    :param silence: samples that the encoder added at both ends
    """

    frames: int
    size: int
    silence: int = 0


def mp3_frame(head: bytes) -> Frame | None:
    """The frame that ``head`` begins with; ``None`` for other bytes, and for frames of "free" bit rate."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 0b11, head[1] >> 1 & 0b11
    bits, rate, padding = head[2] >> 4, head[2] >> 2 & 0b11, head[2] >> 1 & 1
    if version == _RESERVED or layer != _LAYER_3 or bits in (0, 15) or rate == 3:
        return None
    first = version == _MPEG_1
    hertz = _RATES[rate] >> (0 if first else 2 if version == _MPEG_25 else 1)
    samples = 1152 if first else 576
    kilobits = (_KILOBITS_1 if first else _KILOBITS_2)[bits]
    return Frame(length=samples // 8 * kilobits * 1000 // hertz + padding, samples=samples, rate=hertz)


def read_mp3(ranged: Ranged, container: str) -> Facts:
    """The duration is the index's where its count of bytes fits the file; else it is counted over all frames."""
    start = start_of_sound(ranged)
    first = mp3_frame(ranged.at(start, HEADER_BYTES))
    index = _index(ranged.at(start, first.length)) if first else None
    unchecked: tuple[str, ...] = ()
    if first and index and index.frames and _fits(index, start, ranged.size):
        seconds = max(0, index.frames * first.samples - index.silence) / first.rate
    else:
        walk = Walk(ranged, start + first.length if first and index else start, mp3_frame)
        seconds, unchecked = walk.seconds(silence=index.silence if index else 0), walk.unchecked
    return Facts(kind="audio", container=container, codec="mp3", seconds=seconds, sound=True, unchecked=unchecked)


def _fits(index: _Index, start: int, size: int | None) -> bool:
    return size is not None and 0 <= size - start - index.size <= _TRAILER_BYTES


def _index(frame: bytes) -> _Index | None:
    """The index in a frame, ``None`` where the frame is sound."""
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        size, frames = struct.unpack_from(">II", frame, 46)
        return _Index(frames=frames, size=size)
    first, mono = frame[1] >> 3 & 0b11 == _MPEG_1, frame[3] >> 6 == _MONO
    position = 4 + ((17 if mono else 32) if first else (9 if mono else 17))
    if frame[position : position + 4] not in (b"Xing", b"Info") or len(frame) < position + 16:
        return None
    return _xing(frame[position + 4 :])


def _xing(index: bytes) -> _Index:
    (flags,) = struct.unpack_from(">I", index)
    position, numbers = 4, [0, 0]
    for bit, length in enumerate((4, 4, 100, 4)):
        if not flags >> bit & 1:
            continue
        if bit < 2:
            (numbers[bit],) = struct.unpack_from(">I", index, position)
        position += length
    return _Index(frames=numbers[0], size=numbers[1], silence=_silence(index[position:]))


def _silence(encoder: bytes) -> int:
    """What LAME and those who write like it say of both ends: twelve bits each, in samples."""
    if not encoder.startswith((b"LAME", b"Lavc", b"Lavf", b"L3.9")) or len(encoder) < 24:
        return 0
    ends = int.from_bytes(encoder[21:24], "big")
    return (ends >> 12) + (ends & 0xFFF)
