"""FFmpeg's demuxers, for what the headers' own readers can't tell. Optional: the extra ``media`` installs them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any, NoReturn

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.media.header.codec import codec_name
from airflow_provider_videoretalk.media.header.facts import PROPERTIES, Facts
from airflow_provider_videoretalk.media.ranged import Ranged

# Never guessed: playlists have demuxers as well, which open what they name.
_DEMUXERS = {"mp4": "mov", "mov": "mov"}
_OPTIONS = {"probesize": "200000"}
_MISSING = "FFmpeg could try, but the extra 'media' is not installed"


def complete(facts: Facts, ranged: Ranged) -> Facts:
    """``facts`` with what FFmpeg finds of those that are missing, within what is left of the budget.

    Without the extra, and where FFmpeg finds no more, ``unchecked`` says so.
    """
    if facts.container not in _DEMUXERS or facts.seconds is not None:
        return facts
    try:
        import av
    except ImportError:
        return replace(facts, unchecked=tuple(f"{note} ({_MISSING})" for note in facts.unchecked))
    demuxer = _DEMUXERS[facts.container]
    try:
        with av.open(_File(ranged), format=demuxer, options=_OPTIONS, io_open=_refuse) as container:
            return _found(facts, container)
    except Exception:
        # Damaged files make PyAV raise nearly anything: IndexError, MemoryError, UnicodeDecodeError were seen.
        return facts


def _found(facts: Facts, container: Any) -> Facts:
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
    names = tuple(PROPERTIES[facts.kind][name] for name in missing)
    return replace(
        facts,
        **missing,
        sound=bool(container.streams.audio),
        unchecked=tuple(note for note in facts.unchecked if note.partition(":")[0] not in names),
    )


def _refuse(*_: Any) -> NoReturn:
    raise InputError("the file names another file, which is not opened")


class _File:
    """A file for FFmpeg, which never opens one itself."""

    name = "medium"

    def __init__(self, ranged: Ranged) -> None:
        self._ranged = ranged
        self._position = 0

    def read(self, size: int) -> bytes:
        content = self._ranged.at(self._position, size)
        self._position += len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._ranged.size or 0}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        return self._position
