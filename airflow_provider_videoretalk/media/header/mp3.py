"""Reads MP3: a sequence of frames. The first frame may be an index (Xing, Info, VBRI) instead of audio."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from airflow_provider_videoretalk.media.header.audio_frames import (
    FRAME_HEADER_BYTES,
    AudioFrame,
    count_audio,
    find_audio,
)
from airflow_provider_videoretalk.media.header.audio_tags import end_of_tags
from airflow_provider_videoretalk.media.header.media_facts import MediaFacts
from airflow_provider_videoretalk.media.ranged_reader import RangedReader

# ISO/IEC 11172-3 and 13818-3, layer III: kbit/s of MPEG-1 and of MPEG-2, sample rates of MPEG-1 in Hz.
_KILOBITS_MPEG_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KILOBITS_MPEG_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLE_RATES = (44_100, 48_000, 32_000)
_LAYER_3 = 0b01
_MPEG_1, _RESERVED, _MPEG_25 = 0b11, 0b01, 0b00
_MONO = 0b11
_VBRI_POSITION = 36
_MIN_INDEX_BYTES = 128

# Most bytes after the audio that the index describes: an ID3v1 tag. A larger rest may be more audio.
_MAX_TRAILER_BYTES = 128


@dataclass(frozen=True, kw_only=True)
class _Index:
    """The content of an index frame.

    :param frames: number of frames, 0 where it is not stated
    :param size: bytes of all frames, the index included; 0 where it is not stated
    :param padding: samples of silence that the encoder added at both ends
    """

    frames: int
    size: int
    padding: int = 0


def parse_mp3_frame(header: bytes) -> AudioFrame | None:
    """The frame that begins with ``header``; ``None`` for other bytes and for frames of "free" bit rate."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 0b11, header[1] >> 1 & 0b11
    bit_rate, rate_index, padding = header[2] >> 4, header[2] >> 2 & 0b11, header[2] >> 1 & 1
    if version == _RESERVED or layer != _LAYER_3 or bit_rate in (0, 15) or rate_index == 3:
        return None
    is_mpeg_1 = version == _MPEG_1
    sample_rate = _SAMPLE_RATES[rate_index] >> (0 if is_mpeg_1 else 2 if version == _MPEG_25 else 1)
    samples = 1152 if is_mpeg_1 else 576
    kilobits = (_KILOBITS_MPEG_1 if is_mpeg_1 else _KILOBITS_MPEG_2)[bit_rate]
    length = samples // 8 * kilobits * 1000 // sample_rate + padding
    return AudioFrame(length=length, samples=samples, sample_rate=sample_rate, is_index=_has_index(header))


def is_mono_frame(header: bytes) -> bool:
    """Whether the frame that begins with ``header`` has one channel."""
    return header[3] >> 6 == _MONO


def read_mp3(ranged: RangedReader, container: str) -> MediaFacts:
    """The duration is the index's if its size fits the file; else it is counted over all frames."""
    start = find_audio(ranged, parse_mp3_frame)
    position, notes = (start.position, start.unchecked) if start else (0, ())
    first = parse_mp3_frame(ranged.read_at(position, FRAME_HEADER_BYTES))
    index = _parse_index(ranged.read_at(position, first.length)) if first else None
    seconds: float | None
    if first and index and index.frames and _describes_file(index, ranged, position):
        seconds = max(0, index.frames * first.samples - index.padding) / first.sample_rate
    else:
        counted = count_audio(ranged, position, parse_mp3_frame, padding=index.padding if index else 0)
        seconds, notes = counted.seconds, notes + counted.unchecked
    return MediaFacts(kind="audio", container=container, codec="mp3", seconds=seconds, sound=True, unchecked=notes)


def _describes_file(index: _Index, ranged: RangedReader, start: int) -> bool:
    """Whether nothing but tags follows the bytes that the index describes."""
    size, end = ranged.size, start + index.size
    if size is None or end > size:
        return False
    return size - end <= _MAX_TRAILER_BYTES or end_of_tags(ranged, end) >= size


def _parse_index(frame: bytes) -> _Index | None:
    """The index in a frame; ``None`` for a frame of audio."""
    if not _has_index(frame):
        return None
    if frame[_VBRI_POSITION : _VBRI_POSITION + 4] == b"VBRI":
        size, frames = struct.unpack_from(">II", frame.ljust(_MIN_INDEX_BYTES, b"\x00"), _VBRI_POSITION + 10)
        return _Index(frames=frames, size=size)
    return _parse_xing(frame[_xing_position(frame) + 4 :].ljust(_MIN_INDEX_BYTES, b"\x00"))


def _has_index(frame: bytes) -> bool:
    position = _xing_position(frame)
    return frame[position : position + 4] in (b"Xing", b"Info") or frame[_VBRI_POSITION : _VBRI_POSITION + 4] == b"VBRI"


def _xing_position(frame: bytes) -> int:
    """The position after the frame's side information."""
    is_mpeg_1, is_mono = frame[1] >> 3 & 0b11 == _MPEG_1, is_mono_frame(frame)
    return 4 + ((17 if is_mono else 32) if is_mpeg_1 else (9 if is_mono else 17))


def _parse_xing(index: bytes) -> _Index:
    (flags,) = struct.unpack_from(">I", index)
    position, numbers = 4, [0, 0]
    for bit, length in enumerate((4, 4, 100, 4)):
        if not flags >> bit & 1:
            continue
        if bit < 2:
            (numbers[bit],) = struct.unpack_from(">I", index, position)
        position += length
    return _Index(frames=numbers[0], size=numbers[1], padding=_encoder_padding(index[position:]))


def _encoder_padding(encoder: bytes) -> int:
    """Samples that the encoder added at both ends, by LAME's tag: twelve bits for each end."""
    if not encoder.startswith((b"LAME", b"Lavc", b"Lavf", b"L3.9")) or len(encoder) < 24:
        return 0
    both_ends = int.from_bytes(encoder[21:24], "big")
    return (both_ends >> 12) + (both_ends & 0xFFF)
