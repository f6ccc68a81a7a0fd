"""Edits of a download before it is published: each from a file to a file, in a temporary folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, TransportError
from airflow_provider_videoretalk.media.local_copy import NO_ROOM, NO_ROOM_REMEDY
from airflow_provider_videoretalk.outbound.download import CHUNK_BYTES
from airflow_provider_videoretalk.outbound.response_metadata import ResponseMetadata
from airflow_provider_videoretalk.publishing.checksums import VerifiedContent

EDITS_FIELD = "edits"
"""The field of the metadata file that says what was edited."""


class EditError(TransportError):
    """A download could not be edited. Nothing was published."""

    retryable_by_default = False


@dataclass(frozen=True, kw_only=True)
class MediaEdit:
    """One change to a file before it is published.

    :param name: for messages, such as ``aigc_label``
    :param settings: all that decides what the edit does, as JSON-safe values without secrets. An object that was
        published with other settings is not the same, see ``skip_same`` of :func:`.transfer.copy_object`
    :param apply: reads the file at the first path, and writes the changed one at the second, where no file is yet. It
        returns fields for the metadata file, as JSON-safe values. An error of this package passes as it is
    :param changes_file: if False, ``apply`` only looks at the file, and writes none
    """

    name: str
    settings: Mapping[str, Any]
    apply: Callable[[Path, Path], Mapping[str, Any]]
    changes_file: bool = True


class LocalCopy:
    """The bytes of a file on this machine, as a download.

    :ivar response_metadata: its size
    """

    resumed = 0

    def __init__(self, path: Path) -> None:
        self._path = path
        self.response_metadata = metadata_of_size(path.stat().st_size)

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def metadata_of_size(size: int | None) -> ResponseMetadata:
    """The description of an object of which only the size is known."""
    headers = {} if size is None else {"content-length": str(size)}
    return ResponseMetadata.parse(headers)


def edits_digest(edits: Sequence[MediaEdit]) -> str | None:
    """The SHA-256 of the settings of all edits, in hexadecimal; ``None`` if there are none."""
    if not edits:
        return None
    settings = [[edit.name, dict(edit.settings)] for edit in edits]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def has_edits(metadata: Mapping[str, Any], digest: str | None) -> bool:
    """Whether a metadata file says that its object was edited with these settings; with ``None``, not at all."""
    return _edits_of(metadata).get("digest") == digest


def original_of(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """``size`` and ``sha256`` of the download that an object was made of, by its metadata file."""
    edits = _edits_of(metadata)
    original = edits.get("original") if edits else metadata
    return original if isinstance(original, Mapping) else {}


def describe_edits(edits: Sequence[MediaEdit], *, original: VerifiedContent) -> dict[str, Any]:
    """The value of :data:`EDITS_FIELD`: ``names``, ``digest``, and ``size`` and ``sha256`` of the ``original``.

    The names are those of the edits that changed the file.
    """
    return {
        "names": [edit.name for edit in edits if edit.changes_file],
        "digest": edits_digest(edits),
        "original": {"size": original.size, "sha256": original.sha256},
    }


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder for the working copies, which is removed with all files at the end of the block.

    It is in the folder for temporary files (``TMPDIR``).

    :raises EditError: the disk is full. The message names the folder and the size of the largest file in it
    """
    with TemporaryDirectory(prefix="videoretalk-") as name:
        folder = Path(name)
        try:
            yield folder
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise _no_room_error(folder) from error


def apply_edits(path: Path, edits: Sequence[MediaEdit]) -> tuple[Path, dict[str, Any]]:
    """Applies all edits, each to the result of the one before. Removes what it has read.

    :param path: of a file in a :func:`working_folder`
    :returns: the last result, and the fields for the metadata file
    :raises EditError: an edit failed
    """
    fields: dict[str, Any] = {}
    for number, edit in enumerate(edits):
        target = path.with_name(f"edited-{number}{path.suffix}")
        fields |= _apply(edit, path, target)
        if edit.changes_file:
            path.unlink()
            path = target
    return path, fields


def _apply(edit: MediaEdit, source: Path, target: Path) -> Mapping[str, Any]:
    try:
        fields = edit.apply(source, target)
    except DashScopeError:
        raise
    except Exception as error:
        full = shutil.disk_usage(target.parent).free < source.stat().st_size
        if full or (isinstance(error, OSError) and error.errno in NO_ROOM):
            raise _no_room_error(target.parent) from error
        raise EditError(
            f"{edit.name} could not be applied to the file: {type(error).__name__}: {str(error)[:300]}",
            remedy="Nothing was published. See the cause in the task's log.",
        ) from error
    if edit.changes_file and not target.is_file():
        raise EditError(f"{edit.name} wrote no file", remedy="Nothing was published.")
    return fields


def _no_room_error(folder: Path) -> EditError:
    size = max((file.stat().st_size for file in folder.iterdir()), default=0)
    return EditError(
        f"{folder.parent} has no room for the working copies of the file: one has {size:,} bytes so far, and two are "
        "needed at a time",
        retryable=True,
        remedy=f"Nothing was published. {NO_ROOM_REMEDY}",
    )


def _edits_of(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    found = metadata.get(EDITS_FIELD)
    return found if isinstance(found, Mapping) else {}
