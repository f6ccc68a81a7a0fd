"""Determines with FFmpeg what the header readers cannot. Optional: the extra ``media`` installs FFmpeg (PyAV)."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any, NoReturn

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.media.header.codec_names import codec_name
from airflow_provider_videoretalk.media.header.media_facts import PROPERTY_NAMES, MediaFacts
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.optional_dependencies import install_command

# FFmpeg must not detect the format itself: its playlist demuxers open the addresses in the file.
_DEMUXERS = {"mp4": "mov", "mov": "mov"}
_OPTIONS = {"probesize": "200000"}
_INSTALL_HINT = f"FFmpeg may determine it: {install_command('media')}"


def complete_with_ffmpeg(facts: MediaFacts, ranged: RangedReader) -> MediaFacts:
    """``facts``, completed with what FFmpeg finds within the rest of the budget.

    Only an mp4 or mov file whose index could not be read is read. FFmpeg estimates the frame rate of fragments.
    ``unchecked`` lists what remains unknown, and names the extra if it is not installed.
    """
    if facts.container not in _DEMUXERS or facts.codec is not None:
        return facts
    try:
        # Optional, and loads FFmpeg's libraries.
        import av
    except ImportError:
        return replace(facts, unchecked=tuple(f"{note} ({_INSTALL_HINT})" for note in facts.unchecked))
    demuxer = _DEMUXERS[facts.container]
    try:
        with av.open(_File(ranged), format=demuxer, options=_OPTIONS, io_open=_refuse_to_open) as container:
            return _completed(facts, container)
    except Exception:
        # PyAV raises many kinds of errors for damaged files, among them IndexError, MemoryError and UnicodeDecodeError.
        return facts


def _completed(facts: MediaFacts, container: Any) -> MediaFacts:
    if not container.streams.video:
        return facts
    stream = container.streams.video[0]
    found: dict[str, Any] = {
        "codec": codec_name(stream.codec_context.name.encode()),
        "seconds": float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None,
        "fps": float(stream.average_rate) if stream.average_rate else None,
        "width": stream.width or None,
        "height": stream.height or None,
    }
    missing = {name: value for name, value in found.items() if getattr(facts, name) is None and value is not None}
    names = tuple(PROPERTY_NAMES[facts.kind][name] for name in missing)
    return replace(
        facts,
        **missing,
        sound=bool(container.streams.audio),
        unchecked=tuple(note for note in facts.unchecked if note.partition(":")[0] not in names),
    )


def _refuse_to_open(*_: Any) -> NoReturn:
    raise InputError("the file refers to another file, which is not opened")


class _File:
    """The file object that FFmpeg reads from."""

    name = "media"

    def __init__(self, ranged: RangedReader) -> None:
        self._ranged = ranged
        self._position = 0

    def read(self, size: int) -> bytes:
        content = self._ranged.read_at(self._position, size)
        self._position += len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._ranged.size or 0}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        return self._position
