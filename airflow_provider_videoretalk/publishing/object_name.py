"""The name of an object in a folder. It comes from a reply or a URL, so it is checked before it names anything."""

from __future__ import annotations

import os.path
import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.publishing.atomic_object import Destination, is_local
from airflow_provider_videoretalk.publishing.expected_media import ExpectedMedia
from airflow_provider_videoretalk.publishing.media_types import suffix_of_name

MAX_NAME_CHARACTERS = 128

_PLAIN = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME_CHARACTERS - 1}}}")
_REMEDY = "Name the object in destination, e.g. file:///videos/en.mp4."
_SHOWN_CHARACTERS = 60


def name_in_folder(source: Mapping[str, Any], url: str, expected: ExpectedMedia) -> str:
    """The name of the object that a source becomes in a folder, known before anything is downloaded.

    It is the id of the render job or of the speech request; without them, the last part of the URL's path. Only ASCII
    letters, digits, ``.``, ``_`` and ``-`` are allowed. The suffix is the URL's, if that belongs to a format of an
    expected kind.

    :param source: the return value of a task, or a mapping with ``url``
    :raises InputError: the name is not plain, so that it could lead to another folder
    """
    last = PurePosixPath(unquote(urlsplit(url).path)).name
    suffix = suffix_of_name(last, expected.kinds) or expected.suffix
    for field in ("task_id", "request_id"):
        if source.get(field):
            return _checked(f"source's {field}", source[field]) + suffix
    # Another suffix is dropped: nobody should be able to choose what another program does with the file.
    return _checked("the name in source's URL", PurePosixPath(last).stem) + suffix


def object_in_folder(folder: Any, name: str) -> Any:
    """The path of ``name`` in ``folder``, an ``ObjectStoragePath``.

    :raises InputError: the path is not in the folder
    """
    path: Destination = folder / name
    if path.path != f"{folder.path.rstrip('/')}/{name}" or "/" in name or name in (".", ".."):
        raise InputError(f"{name!r} is not a name in the folder {folder}", remedy=_REMEDY)
    return path


def object_key(path: Destination) -> str:
    """A text that is the same for all spellings of one object's path.

    It is also the same for paths that differ only in capitals or in the composition of their letters. Some disks, and
    the computers of those who download the objects, take them for one. The store and its connection are not in it.
    """
    place = os.path.realpath(path.path) if is_local(path) else path.path.rstrip("/")
    folded = unicodedata.normalize("NFC", place).casefold()
    return unicodedata.normalize("NFC", folded)


def _checked(field: str, value: object) -> str:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if _PLAIN.fullmatch(text):
        return text
    shown = repr(value) if len(repr(value)) <= _SHOWN_CHARACTERS else f"{repr(value)[:_SHOWN_CHARACTERS]}..."
    raise InputError(
        f"{field} is {shown}, which cannot name an object in a folder: allowed are at most {MAX_NAME_CHARACTERS} ASCII "
        "letters, digits, dots, hyphens and underscores, beginning with a letter or a digit",
        remedy=_REMEDY,
    )
