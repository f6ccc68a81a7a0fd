"""The implicit label of AI-made media by GB 45438-2025, in the metadata of a file.

The practice guides of TC260 for video and audio files (2025-08-28) say where it is: the key ``AIGC`` of MP4 and MOV, a
chunk ``AIGC`` of WAV, a user-defined text ``AIGC`` of MP3's ID3v2. Its value is JSON, as in the standard's annex E.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.marked_format import markable_format
from airflow_provider_videoretalk.optional_dependencies import require_extra

AigcLevel = Literal["1", "2", "3"]
"""``1``: made by AI; ``2``: possibly; ``3``: suspected."""

AIGC_FORMATS: Mapping[str, str] = {"mp4": "MP4", "mov": "MOV", "m4a": "M4A", "mp3": "MP3", "wav": "WAV"}
"""The formats that it is written to, with their names."""

_MARK = "the AIGC label"
_KEY = "AIGC"
_MAX_CHARACTERS = 256
_NAMES = {
    "label": "Label",
    "content_producer": "ContentProducer",
    "produce_id": "ProduceID",
    "reserved_code1": "ReservedCode1",
    "content_propagator": "ContentPropagator",
    "propagate_id": "PropagateID",
    "reserved_code2": "ReservedCode2",
}

# FFmpeg's names of the formats that it writes, and what it says of a file's brand, which it writes itself.
_MUXERS = {"mp4": "mp4", "mov": "mov", "m4a": "ipod", "mp3": "mp3"}
_BRAND_KEYS = ("major_brand", "minor_version", "compatible_brands", "encoder")
_MAX_RIFF_BYTES = 2**32 - 1
_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class AigcLabel:
    """The seven elements of the label. A text has at most 256 characters, and neither ``"`` nor a backslash.

    :param label: how certain it is that the content was made by AI
    :param content_producer: name or code of the provider whose service made the content
    :param produce_id: the provider's number of the content
    :param reserved_code1: for the producer's own protection of the label, such as a signature
    :param content_propagator: name or code of the provider that propagates it; by default the producer
    :param propagate_id: the propagator's number of the content; by default ``produce_id``
    :param reserved_code2: as ``reserved_code1``, of the propagator
    :raises InputError: a value is not allowed
    """

    content_producer: str
    produce_id: str
    label: AigcLevel = "1"
    reserved_code1: str = ""
    content_propagator: str = ""
    propagate_id: str = ""
    reserved_code2: str = ""

    def __post_init__(self) -> None:
        if self.label not in get_args(AigcLevel):
            raise _refusal("label", self.label, "'1' (made by AI), '2' (possibly) or '3' (suspected)")
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) or not _is_plain(value):
                what = f'a text of at most {_MAX_CHARACTERS} printable characters without " and backslash'
                raise _refusal(field.name, value, what)
        for name in ("content_producer", "produce_id"):
            if not getattr(self, name).strip():
                raise _refusal(name, "", "a text that is not empty")

    @property
    def elements(self) -> dict[str, str]:
        """The elements by the standard's names, in its order."""
        given = {name: getattr(self, field) for field, name in _NAMES.items()}
        given["ContentPropagator"] = self.content_propagator or self.content_producer
        given["PropagateID"] = self.propagate_id or self.produce_id
        return given

    def write(self, source: Path, target: Path) -> dict[str, Any]:
        """Writes ``source`` with the label to ``target``. No sample of sound or picture is changed.

        A label that the file has is replaced. MP4, MOV, M4A and MP3 need the extra ``media``.

        :returns: ``aigc``: the elements
        :raises InputError: the file's format has no place for the label
        :raises ConfigurationError: PyAV is not installed
        """
        found = markable_format(source, mark=_MARK, formats=AIGC_FORMATS)
        value = json.dumps(self.elements, ensure_ascii=False)
        if found == "wav":
            _write_wav(source, target, value.encode())
        else:
            require_extra("media", part=_MARK)
            _write_with_ffmpeg(source, target, value, muxer=_MUXERS[found])
        return {"aigc": self.elements}


def aigc_label(given: Mapping[str, Any], *, produce_id: str) -> AigcLabel:
    """A label of the fields of :class:`AigcLabel`, by name; fields without a value have their default.

    :param produce_id: the default of the field
    :raises InputError: a field is unknown, missing, or has a value that is not allowed
    """
    unknown = sorted(set(given) - set(_NAMES))
    if unknown:
        raise InputError(
            f"aigc_label has the field {unknown[0]!r}, allowed are {', '.join(_NAMES)}", remedy="Correct its name."
        )
    values = {name: value for name, value in given.items() if value not in (None, "", "None")}
    return AigcLabel(**{"content_producer": "", "produce_id": produce_id, **values})


def _is_plain(value: str) -> bool:
    return len(value) <= _MAX_CHARACTERS and value.isprintable() and not set('"\\') & set(value)


def _refusal(name: str, value: object, allowed: str) -> InputError:
    return InputError(
        f"aigc_label's {name} is {str(value)[:80]!r}, allowed is {allowed}", remedy="Correct this element of the label."
    )


def _write_with_ffmpeg(source: Path, target: Path, value: str, *, muxer: str) -> None:
    """Copies all packets into a new file of the same format, whose index comes first."""
    # Loads FFmpeg's libraries.
    import av

    options = {} if muxer == "mp3" else {"movflags": "use_metadata_tags+faststart"}
    demuxer = "mp3" if muxer == "mp3" else "mov"
    with av.open(source, format=demuxer) as read, av.open(target, "w", format=muxer, options=options) as written:
        written.metadata.update({name: text for name, text in read.metadata.items() if name not in _BRAND_KEYS})
        written.metadata[_KEY] = value
        streams = {}
        for stream in read.streams:
            streams[stream.index] = written.add_stream_from_template(stream)
            streams[stream.index].metadata.update(stream.metadata)
        for packet in read.demux():
            # FFmpeg ends each stream with an empty packet.
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                written.mux(packet)


def _write_wav(source: Path, target: Path, value: bytes) -> None:
    """Copies all chunks of a RIFF file but an older label, and adds the label as the last one."""
    with source.open("rb") as read, target.open("xb") as written:
        written.write(read.read(12))
        while len(header := read.read(8)) == 8:
            kind, size = struct.unpack("<4sI", header)
            # A chunk of odd size is followed by a byte that is not counted.
            content = size + size % 2
            if kind == _KEY.encode():
                read.seek(content, os.SEEK_CUR)
            else:
                written.write(header)
                _copy(read, written, size)
                written.write(read.read(size % 2) or bytes(size % 2))
        written.write(struct.pack("<4sI", _KEY.encode(), len(value)) + value + bytes(len(value) % 2))
        size = written.tell() - 8
        if size > _MAX_RIFF_BYTES:
            raise InputError("the WAV file is too large for another chunk", remedy="Publish another format.")
        written.seek(4)
        written.write(struct.pack("<I", size))


def _copy(read: BinaryIO, written: BinaryIO, size: int) -> None:
    """
    :raises InputError: the file ends before
    """
    while size:
        part = read.read(min(size, _COPY_BYTES))
        if not part:
            raise InputError(
                f"the WAV file lacks {size:,} bytes of a chunk, so that none can follow it",
                remedy="Publish another format, or without the AIGC label.",
            )
        written.write(part)
        size -= len(part)
