"""Reads a media file on this machine with FFmpeg (PyAV, the extra ``media``). Importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.optional_dependencies import require_extra

if TYPE_CHECKING:
    from av.container import InputContainer

_REMEDY = "Check the file with a player or with ffprobe."


@contextmanager
def read_media(path: Path, *, field: str = "the file") -> Iterator[InputContainer]:
    """Opens a media file by the type that its first bytes show; its name is ignored.

    Every exception in the ``with`` block becomes an ``InputError``, so the block must contain nothing except reading.

    :param field: name of the input, for messages
    :raises InputError: the file cannot be opened, is of another type, is damaged, or refers to other files
    :raises ConfigurationError: the extra ``media`` is not installed
    """
    require_extra("media", part=f"reading {field}")
    # Heavy.
    from airflow_provider_videoretalk.editing.media_file import open_media, refuse_damaged_media

    with (
        open_media(path, field=field, remedy=_REMEDY) as container,
        refuse_damaged_media(path, field=field, remedy=_REMEDY),
    ):
        yield container
