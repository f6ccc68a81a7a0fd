"""AVI."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from airflow_provider_videoretalk.limits import MEGABYTE
from airflow_provider_videoretalk.media.header.codec import codec_name
from airflow_provider_videoretalk.media.header.damage import DamageError
from airflow_provider_videoretalk.media.header.facts import Facts
from airflow_provider_videoretalk.media.header.riff import Chunk, chunks
from airflow_provider_videoretalk.media.ranged import OutOfReachError, Ranged

_FORMS = 12
_TYPE_BYTES = 4
_STREAMS = 64
_INDEX_BYTES = 16 * MEGABYTE
_ENTRY = struct.Struct("<4s8xI")
_PICTURES = (b"dc", b"db")
# Of a list whose writer never came back to say how long it is.
_OPEN = (0, 0xFFFFFFFF)


@dataclass(frozen=True, kw_only=True)
class _Stream:
    """One stream by its header.

    :param kind: ``vids``, ``auds``, ...
    :param tick: seconds that one unit of ``length`` stands for; 0 where the header does not say
    """

    kind: bytes
    codec: str
    tick: float
    length: int
    width: int
    height: int


@dataclass(kw_only=True)
class _Layout:
    """Where things lie in the file.

    :param tick: seconds of a picture, by the file's main header
    :param pictures: the list that has them
    :param extended: whether there are parts that the index leaves out (OpenDML)
    :param unseen: why the file was not looked through to its end
    """

    tick: float = 0
    streams: list[_Stream] = field(default_factory=list)
    pictures: Chunk | None = None
    index: Chunk | None = None
    extended: bool = False
    unseen: str = ""


def read_avi(ranged: Ranged, container: str) -> Facts:
    """Duration and rate are counted in the index where there is one: a file's rate may be that of a fine clock, with
    pictures of no bytes in between."""
    layout = _layout(ranged)
    _check_whole(ranged, layout)
    number = next((i for i, stream in enumerate(layout.streams) if stream.kind == b"vids"), None)
    if number is None:
        raise DamageError("it has no video stream")
    video = layout.streams[number]
    length, pictures = _count(ranged, layout, number)
    seconds = length * (video.tick or layout.tick)
    if not seconds:
        raise DamageError("its header has no frame rate, or no pictures")
    why = layout.unseen
    return Facts(
        kind="video",
        container=container,
        codec=video.codec,
        seconds=seconds,
        fps=pictures / seconds,
        width=video.width,
        height=video.height,
        sound=any(stream.kind == b"auds" for stream in layout.streams),
        unchecked=(f"duration: as the header says, since {why}", f"frame rate: likewise, since {why}") if why else (),
    )


def _layout(ranged: Ranged) -> _Layout:
    layout = _Layout()
    try:
        for chunk in chunks(ranged, _FORMS):
            if chunk.name == b"LISThdrl":
                _read_header(ranged, chunk, layout)
            elif chunk.name == b"LISTmovi":
                layout.pictures = chunk
            elif chunk.name == b"idx1":
                layout.index = chunk
            elif chunk.name == b"RIFFAVIX":
                layout.extended = True
    except OutOfReachError as error:
        if not layout.streams:
            raise
        layout.unseen = error.message
    return layout


def _check_whole(ranged: Ranged, layout: _Layout) -> None:
    pictures, size = layout.pictures, ranged.size
    if pictures is None and not layout.unseen:
        raise DamageError("it has no pictures")
    if pictures and size is not None and pictures.size not in _OPEN and pictures.end > size:
        raise DamageError(f"it ends at byte {size:,}, before its pictures do")


def _read_header(ranged: Ranged, header: Chunk, layout: _Layout) -> None:
    for chunk in chunks(ranged, header.start + _TYPE_BYTES, end=header.end, most=_STREAMS):
        if chunk.name == b"avih":
            (microseconds,) = struct.unpack("<I", ranged.at(chunk.start, 4))
            layout.tick = microseconds / 1_000_000
        elif chunk.name == b"LISTstrl":
            layout.streams.append(_stream(ranged, chunk))


def _stream(ranged: Ranged, strl: Chunk) -> _Stream:
    head = form = b""
    for chunk in chunks(ranged, strl.start + _TYPE_BYTES, end=strl.end, most=_STREAMS):
        if chunk.name == b"strh":
            head = ranged.at(chunk.start, min(chunk.size, 48))
        elif chunk.name == b"strf":
            form = ranged.at(chunk.start, min(chunk.size, 40))
    kind, handler, scale, rate, length = struct.unpack_from("<4s4s12xII4xI", head)
    if kind != b"vids":
        return _Stream(kind=kind, codec="", tick=0, length=0, width=0, height=0)
    width, height, letters = struct.unpack_from("<ii4x4s", form, 4)
    codec = codec_name(letters)
    return _Stream(
        kind=kind,
        codec=codec_name(handler) if codec == "unknown" else codec,
        tick=scale / rate if rate else 0,
        length=length,
        width=width,
        height=abs(height),
    )


def _count(ranged: Ranged, layout: _Layout, number: int) -> tuple[int, int]:
    """Units of the video's clock, and the pictures shown in them."""
    length = layout.streams[number].length
    index = layout.index
    if index is None or layout.extended or index.size > _INDEX_BYTES:
        return length, length
    try:
        entries = ranged.at(index.start, index.size)
    except OutOfReachError as error:
        layout.unseen = error.message
        return length, length
    names = [b"%02d" % number + kind for kind in _PICTURES]
    whole = len(entries) // _ENTRY.size * _ENTRY.size
    sizes = [size for name, size in _ENTRY.iter_unpack(entries[:whole]) if name in names]
    return (len(sizes), sum(map(bool, sizes))) if sizes else (length, length)
