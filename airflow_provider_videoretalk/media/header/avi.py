"""Reads AVI."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from airflow_provider_videoretalk.media.header.codec_names import codec_name
from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.media_facts import MediaFacts
from airflow_provider_videoretalk.media.header.riff import FIRST_CHUNK, Chunk, read_chunks
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE
from airflow_provider_videoretalk.outbound.read_budget import OutOfReachError

_LIST_TYPE_BYTES = 4
_MAX_STREAMS = 64
_MAX_INDEX_BYTES = 16 * MEGABYTE
# The longest video, 120 s at 60 fps, has about 15,000 parts of picture and sound.
_MAX_FRAME_CHUNKS = 60_000
# Part of the rest of the budget by which a small file is fetched at once.
_SMALL_PART = 4
_INDEX_ENTRY = struct.Struct("<4s8xI")
_FRAME_SUFFIXES = (b"dc", b"db")
# Sizes of a list that its writer never completed.
_UNFINISHED = (0, 0xFFFFFFFF)


@dataclass(frozen=True, kw_only=True)
class _Stream:
    """The header of one stream.

    :param kind: ``vids``, ``auds``, ...
    :param tick: seconds of one unit of ``length``; 0 where the header does not state it
    """

    kind: bytes
    codec: str
    tick: float
    length: int
    width: int
    height: int


@dataclass(kw_only=True)
class _Layout:
    """The parts of the file.

    :param tick: seconds of a frame, by the file's main header
    :param frames: the list of the frames
    :param extensions: further parts, which the index does not list (OpenDML)
    :param incomplete_because: why the file was not read to its end, else ``""``
    """

    tick: float = 0
    streams: list[_Stream] = field(default_factory=list)
    frames: Chunk | None = None
    index: Chunk | None = None
    extensions: list[Chunk] = field(default_factory=list)
    incomplete_because: str = ""


def read_avi(ranged: RangedReader, container: str) -> MediaFacts:
    """Duration and frame rate are counted in the index. Without a complete index, the frames themselves are counted.

    The rate in the header may be that of a fine clock, with empty frames in between.
    """
    layout = _read_layout(ranged)
    _check_complete(ranged, layout)
    number = next((i for i, stream in enumerate(layout.streams) if stream.kind == b"vids"), None)
    if number is None:
        raise DamagedFileError("it has no video stream")
    video = layout.streams[number]
    tick = video.tick or layout.tick
    counted = _count_frames(ranged, layout, number)
    length, frames = counted or (video.length, video.length)
    seconds = length * tick
    if not seconds:
        raise DamagedFileError("its header states no frame rate or no frames")
    facts = MediaFacts(
        kind="video",
        container=container,
        codec=video.codec,
        width=video.width,
        height=video.height,
        sound=any(stream.kind == b"auds" for stream in layout.streams),
    )
    if counted:
        return replace(facts, seconds=seconds, fps=frames / seconds)
    why = layout.incomplete_because
    notes = (
        f"duration: the header states {seconds:.3f} s, and {why}",
        f"frame rate: the header states {1 / tick:.4g} fps, and {why}",
    )
    return replace(facts, unchecked=notes)


def _read_layout(ranged: RangedReader) -> _Layout:
    layout = _Layout()
    try:
        for chunk in read_chunks(ranged, FIRST_CHUNK):
            if chunk.name == b"LISThdrl":
                _read_header(ranged, chunk, layout)
            elif chunk.name == b"LISTmovi":
                layout.frames = chunk
            elif chunk.name == b"idx1":
                layout.index = chunk
            elif chunk.name == b"RIFFAVIX":
                layout.extensions.append(chunk)
    except OutOfReachError as error:
        if not layout.streams:
            raise
        layout.incomplete_because = error.message
    return layout


def _check_complete(ranged: RangedReader, layout: _Layout) -> None:
    frames, size = layout.frames, ranged.size
    if frames is None and not layout.incomplete_because:
        raise DamagedFileError("it has no frames")
    if frames and size is not None and frames.size not in _UNFINISHED and frames.end > size:
        raise DamagedFileError(f"it ends at byte {size:,}, before its frames do")


def _read_header(ranged: RangedReader, header: Chunk, layout: _Layout) -> None:
    start = header.start + _LIST_TYPE_BYTES
    for chunk in read_chunks(ranged, start, end=header.end, max_chunks=_MAX_STREAMS):
        if chunk.name == b"avih":
            (microseconds,) = struct.unpack("<I", ranged.read_at(chunk.start, 4))
            layout.tick = microseconds / 1_000_000
        elif chunk.name == b"LISTstrl":
            layout.streams.append(_read_stream(ranged, chunk))


def _read_stream(ranged: RangedReader, strl: Chunk) -> _Stream:
    header = stream_format = b""
    for chunk in read_chunks(ranged, strl.start + _LIST_TYPE_BYTES, end=strl.end, max_chunks=_MAX_STREAMS):
        if chunk.name == b"strh":
            header = ranged.read_at(chunk.start, min(chunk.size, 48))
        elif chunk.name == b"strf":
            stream_format = ranged.read_at(chunk.start, min(chunk.size, 40))
    kind, handler, scale, rate, length = struct.unpack_from("<4s4s12xII4xI", header)
    if kind != b"vids":
        return _Stream(kind=kind, codec="", tick=0, length=0, width=0, height=0)
    width, height, four_cc = struct.unpack_from("<ii4x4s", stream_format, 4)
    codec = codec_name(four_cc)
    return _Stream(
        kind=kind,
        codec=codec_name(handler) if codec == "unknown" else codec,
        tick=scale / rate if rate else 0,
        length=length,
        width=width,
        height=abs(height),
    )


def _count_frames(ranged: RangedReader, layout: _Layout, number: int) -> tuple[int, int] | None:
    """Units of the video's clock, and the frames that are not empty; ``None`` if the budget does not allow to count."""
    if layout.incomplete_because:
        return None
    names = [b"%02d" % number + suffix for suffix in _FRAME_SUFFIXES]
    try:
        if layout.index is not None and not layout.extensions:
            sizes = _sizes_by_index(ranged, layout.index, names)
        else:
            sizes = _sizes_by_frames(ranged, layout, names)
    except OutOfReachError as error:
        layout.incomplete_because = error.message
        return None
    length = layout.streams[number].length
    return (len(sizes), sum(map(bool, sizes))) if sizes else (length, length)


def _sizes_by_index(ranged: RangedReader, index: Chunk, names: Collection[bytes]) -> list[int]:
    if index.size > _MAX_INDEX_BYTES:
        raise OutOfReachError(f"its index is larger than {_MAX_INDEX_BYTES:,} bytes")
    entries = ranged.read_at(index.start, index.size)
    complete_bytes = len(entries) // _INDEX_ENTRY.size * _INDEX_ENTRY.size
    return [size for name, size in _INDEX_ENTRY.iter_unpack(entries[:complete_bytes]) if name in names]


def _sizes_by_frames(ranged: RangedReader, layout: _Layout, names: Collection[bytes]) -> list[int]:
    """Goes from chunk to chunk. A small file is fetched by one request."""
    size = ranged.size
    if layout.frames and size is not None and size - layout.frames.start <= ranged.bytes_left // _SMALL_PART:
        ranged.read_at(layout.frames.start, size - layout.frames.start)
    lists = [layout.frames] if layout.frames else []
    for extension in layout.extensions:
        inner = read_chunks(ranged, extension.start + _LIST_TYPE_BYTES, end=extension.end)
        lists += [chunk for chunk in inner if chunk.name == b"LISTmovi"]
    sizes: list[int] = []
    chunks = 0
    while lists:
        frames = lists.pop()
        end = size if frames.size in _UNFINISHED else frames.end
        for chunk in read_chunks(ranged, frames.start + _LIST_TYPE_BYTES, end=end, max_chunks=_MAX_FRAME_CHUNKS):
            chunks += 1
            if chunks == _MAX_FRAME_CHUNKS:
                raise OutOfReachError(f"it has more than {_MAX_FRAME_CHUNKS:,} parts")
            if chunk.name == b"LISTrec ":
                lists.append(chunk)
            elif chunk.name in names:
                sizes.append(chunk.size)
    return sizes
