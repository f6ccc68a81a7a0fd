"""Reads WAV."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.media_facts import MediaFacts
from airflow_provider_videoretalk.media.header.riff import CHUNK_HEADER_BYTES, FIRST_CHUNK, Chunk, read_chunks
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.outbound.read_budget import OutOfReachError

_CODECS = {1: "pcm", 3: "pcm_float", 6: "pcm_alaw", 7: "pcm_mulaw"}
_EXTENSIBLE = 0xFFFE
# Of a file of more than 4 GB: another chunk (ds64) states the size. Of a stream: nothing does.
_UNKNOWN_SIZE = 0xFFFFFFFF

# Most bytes of tags and other chunks after the samples. Within it, the header's size is believed without a check.
_MAX_TRAILER_BYTES = 8 * 1024
_MAX_TRAILING_CHUNKS = 64
# Chunks that writers put after the samples. Another name may be samples that look like text.
_TRAILING_CHUNKS = (b"LIST", b"id3 ", b"ID3 ", b"JUNK", b"PAD ", b"fact", b"cue ", b"smpl", b"inst", b"bext", b"_PMX")
_SAMPLE_CHUNKS = (b"data", b"RIFF", b"RF64")


@dataclass(frozen=True, kw_only=True)
class _Format:
    """The encoding of the samples.

    :param fixed_size: whether every sample has the same number of bytes
    :param bytes_per_second: 0 where the header does not state it
    :param sample_rate: in Hz
    """

    codec: str
    fixed_size: bool
    bytes_per_second: int
    sample_rate: int


@dataclass(frozen=True, kw_only=True)
class _Header:
    """The chunks up to the samples.

    :param samples: stated number of samples, 0 where it is not stated
    :param data: the samples
    """

    encoding: _Format
    samples: int
    data: Chunk


def read_wav(ranged: RangedReader, container: str) -> MediaFacts:
    """The duration is computed from the bytes of samples.

    The header of streamed speech can state no number of samples, or more than there are. Then all bytes to the end of
    the file are samples. If it states fewer than there are, FFmpeg plays only those, and other programs may play all.
    """
    header = _read_header(ranged)
    encoding, size = header.encoding, _size_of_samples(ranged, header.data)
    seconds: float | None = None
    unchecked: tuple[str, ...] = ()
    if not encoding.fixed_size:
        unchecked = (
            f"duration: the header states {_stated_seconds(header, size):.3f} s, which cannot be checked because the "
            f"samples are compressed ({encoding.codec})",
        )
    elif doubt := _doubt_about_end(ranged, header.data, size):
        stated, rest = (part / encoding.bytes_per_second for part in (size, (ranged.size or 0) - header.data.start))
        unchecked = (f"duration: the header states {stated:.3f} s, the file has bytes for {rest:.3f} s, and {doubt}",)
    else:
        seconds = size / encoding.bytes_per_second
    return MediaFacts(
        kind="audio", container=container, codec=encoding.codec, seconds=seconds, sound=True, unchecked=unchecked
    )


def _read_header(ranged: RangedReader) -> _Header:
    encoding: _Format | None = None
    samples = long_size = 0
    for chunk in read_chunks(ranged, FIRST_CHUNK):
        if chunk.name == b"fmt ":
            encoding = _parse_format(ranged.read_at(chunk.start, min(chunk.size, 40)))
        elif chunk.name == b"fact":
            samples = int.from_bytes(ranged.read_at(chunk.start, min(chunk.size, 4)), "little")
        elif chunk.name == b"ds64":
            long_size = int.from_bytes(ranged.read_at(chunk.start + 8, 8), "little")
        elif chunk.name == b"data":
            break
    else:
        raise DamagedFileError("it has no samples")
    if encoding is None:
        raise DamagedFileError("its header does not state the encoding of its samples")
    if long_size and chunk.size == _UNKNOWN_SIZE:
        chunk = replace(chunk, size=long_size)
    return _Header(encoding=encoding, samples=samples, data=chunk)


def _parse_format(content: bytes) -> _Format:
    tag, channels, sample_rate, per_second, per_sample, _ = struct.unpack_from("<HHIIHH", content)
    if tag == _EXTENSIBLE and len(content) >= 26:
        (tag,) = struct.unpack_from("<H", content, 24)
    fixed_size = tag in _CODECS
    if fixed_size and not (channels and sample_rate and per_sample):
        raise DamagedFileError("its header states no channel or no sample rate")
    return _Format(
        codec=_CODECS.get(tag, f"wav-{tag:#06x}"),
        fixed_size=fixed_size,
        bytes_per_second=sample_rate * per_sample if fixed_size else per_second,
        sample_rate=sample_rate,
    )


def _stated_seconds(header: _Header, size: int) -> float:
    encoding = header.encoding
    if header.samples and encoding.sample_rate:
        return header.samples / encoding.sample_rate
    return size / encoding.bytes_per_second if encoding.bytes_per_second else 0.0


def _size_of_samples(ranged: RangedReader, data: Chunk) -> int:
    """Bytes of samples as the header states, but no more than the file has."""
    if ranged.size is None:
        raise OutOfReachError("the server does not state the file's size")
    rest = ranged.size - data.start
    if rest <= 0:
        raise DamagedFileError("it has no samples")
    return min(data.size, rest) or rest


def _doubt_about_end(ranged: RangedReader, data: Chunk, size: int) -> str:
    """Why there may be more samples than ``size`` bytes; ``""`` if only other chunks follow them."""
    position, end = data.start + size + size % 2, ranged.size or 0
    try:
        for chunk in read_chunks(ranged, position, max_chunks=_MAX_TRAILING_CHUNKS):
            name = chunk.name[:4]
            if name in _SAMPLE_CHUNKS:
                return "more samples follow"
            is_chunk = chunk.end <= end and name.isascii() and name.decode().isprintable()
            if not is_chunk and name not in _TRAILING_CHUNKS:
                break
            position = chunk.end + chunk.size % 2
    except OutOfReachError as error:
        known = end - position <= _MAX_TRAILER_BYTES
        return "" if known else f"the bytes after the stated ones are not known, because {error.message}"
    # Fewer bytes than the header of a chunk are padding.
    is_padding = end - position < CHUNK_HEADER_BYTES
    return "" if is_padding else "the bytes after the stated ones are no other part of a WAV file"
