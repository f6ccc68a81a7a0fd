"""Opens a media file on this machine with FFmpeg (PyAV, the extra ``media``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError
from airflow_provider_videoretalk.media.header.file_type import detect_file_type
from airflow_provider_videoretalk.media.location import open_ranged_reader
from airflow_provider_videoretalk.optional_dependencies import require_extra

if TYPE_CHECKING:
    from av.container import InputContainer

# FFmpeg must not detect the format itself: its playlist demuxers open the addresses in the file.
_DEMUXERS = {
    "mp4": "mov",
    "mov": "mov",
    "m4a": "mov",
    "3gp": "mov",
    "avi": "avi",
    "wav": "wav",
    "mp3": "mp3",
    "aac": "aac",
    "flac": "flac",
    "ogg": "ogg",
}
_REMEDY = "Check the file with a player or with ffprobe."


@contextmanager
def open_media(path: Path, *, field: str = "the file") -> Iterator[InputContainer]:
    """Opens a media file by the type that its first bytes show; its name is ignored.

    Every exception in the ``with`` block becomes an ``InputError``, so the block must contain nothing except reading.

    :param field: name of the input, for messages
    :raises InputError: the file cannot be opened, is of another type, is damaged, or refers to other files
    :raises ConfigurationError: the extra ``media`` is not installed
    """
    require_extra("media", part=f"reading {field}")
    # Loads FFmpeg's libraries.
    import av

    with open_ranged_reader(path, field=field) as ranged:
        kind = detect_file_type(ranged) or "unknown"
    if kind not in _DEMUXERS:
        raise InputError(
            f"{field} is a file of type {kind}, allowed are {', '.join(_DEMUXERS)}",
            remedy="Convert it to one of these types.",
        )
    with (
        path.open("rb") as file,
        _refuse_damage(field),
        av.open(file, mode="r", format=_DEMUXERS[kind], io_open=_refuse_to_open) as container,
    ):
        yield container


@contextmanager
def _refuse_damage(field: str) -> Iterator[None]:
    """Converts every exception of reading to a refusal: a damaged file makes PyAV raise many kinds.

    :raises InputError: the file cannot be read to its end
    """
    try:
        yield
    except (DashScopeError, GeneratorExit):
        raise
    except Exception as error:
        raise InputError(f"{field} cannot be read: {error}", remedy=_REMEDY) from error


def _refuse_to_open(*_: Any) -> NoReturn:
    raise InputError("the file refers to another file, which is not opened", remedy="Give a file that is complete.")
