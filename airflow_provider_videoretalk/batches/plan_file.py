"""The plan of a batch as files, beside its videos: a document of all rows, and the rows to make in parts.

A run may have thousands of tasks, and each reads its row. So what it reads is small, and XCom has only the number of
the row.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any, Protocol, TypedDict

from airflow_provider_videoretalk.batches.planned_video import PlannedVideo
from airflow_provider_videoretalk.batches.recipe import RecordingPart, VideoRecipe
from airflow_provider_videoretalk.dashscope.errors import StateReadError
from airflow_provider_videoretalk.publishing.atomic_object import Destination
from airflow_provider_videoretalk.publishing.object_store import (
    find_object,
    read_object,
    remove_object,
    store_errors_named,
    write_object,
)

VERSION = 1
"""Of both formats."""

FOLDER = "batches"
"""The folder of all plans and manifests, in the folder of the videos."""

SPEECHES = "speech"
"""The folder of the speeches that were paid for, in the folder of the videos."""

RUN_FIELD = "run"
"""The field of a video's metadata file with the name of the run that made it, see :func:`plan_name`."""

ROWS_PER_PART = 100
_JSON = "application/json"
_NAME_CHARACTERS = 80


class Folder(Protocol):
    """The part of Airflow's ``ObjectStoragePath`` that a folder needs."""

    def __truediv__(self, name: str) -> Any: ...


class _Reference(TypedDict):
    label: str
    row: int


class RowReference(_Reference, total=False):
    """What names a row to make in XCom.

    :param label: what people call it
    :param row: its number among the rows to make, from 0
    :param in_pieces: see :attr:`RowToMake.in_pieces`; missing if it is not
    :param photo_model: see :class:`~airflow_provider_videoretalk.batches.recipe.VideoRecipe`; missing if it is ``None``
    """

    in_pieces: bool
    photo_model: str


@dataclass(frozen=True, kw_only=True)
class RowToMake:
    """A row whose video has to be made.

    :param uri: of the video's object
    :param most_cost: what the video may cost at most, in the currency of its price, without its speech
    :param replaces: the id of the render job whose video ``force`` makes again
    :param kept: an earlier plan of the run had the row, and its video need not be made any more
    :param planned_before: an earlier plan of the run had the row, so its video may be paid for and not published
    :param video: location of the presenter, or of a photo of the presenter
    :param audio: location of the recording; ``None`` if the script has to be spoken
    :param parts: of the recording, see :func:`~airflow_provider_videoretalk.batches.pieces.speeches_of`
    :param in_pieces: one render job cannot make it, see :mod:`~airflow_provider_videoretalk.batches.pieces`
    :param paid_before: what the pieces that the plan found did cost, which ``most_cost`` does not include
    """

    line: int
    name: str
    label: str
    batch: str
    video: str
    uri: str
    recipe: VideoRecipe
    most_cost: str
    replaces: str | None = None
    kept: bool = False
    planned_before: bool = False
    audio: str | None = None
    parts: tuple[RecordingPart, ...] = ()
    in_pieces: bool = False
    paid_before: str = "0"

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "recipe": self.recipe.fields, "parts": [asdict(part) for part in self.parts]}

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> RowToMake:
        """Reads :meth:`to_json`. Ignores unknown fields.

        :raises KeyError: a field is missing
        """
        known = {name: data[name] for name in cls.__annotations__}
        parts = tuple(RecordingPart(**part) for part in data["parts"])
        return cls(**{**known, "parts": parts, "recipe": VideoRecipe.parse(data["recipe"])})


def plan_name(dag_id: str, run_id: str) -> str:
    """The name of a run's folder: its DAG run, readable and unique."""
    digest = hashlib.sha256(f"{dag_id}/{run_id}".encode()).hexdigest()[:8]
    return f"{re.sub('[^A-Za-z0-9_.-]+', '_', run_id)[:_NAME_CHARACTERS].lstrip('.')}-{digest}"


def numbers_of(
    planned: Sequence[PlannedVideo], *, uris: Sequence[str], earlier: Sequence[RowToMake] = ()
) -> list[int | None]:
    """The number of each row that is to be made; ``None`` for the others.

    A row keeps the number that an earlier plan of the run gave it. The task instance of that number may have paid for
    its video.

    :param uris: of the objects, in the order of the rows
    :param earlier: the rows of the earlier plan
    """
    known, unused = {row.uri: number for number, row in enumerate(earlier)}, count(len(earlier))
    return [
        (known[uri] if uri in known else next(unused)) if one.state == "make" else None
        for one, uri in zip(planned, uris, strict=True)
    ]


def rows_to_make(
    planned: Sequence[PlannedVideo],
    *,
    batch: str,
    uris: Sequence[str],
    numbers: Sequence[int | None],
    earlier: Sequence[RowToMake] = (),
) -> list[RowToMake]:
    """The rows to make, by number. See :func:`numbers_of`."""
    rows = [replace(row, kept=True) for row in earlier]
    for one, uri, number in zip(planned, uris, numbers, strict=True):
        if number is None:
            continue
        row = RowToMake(
            line=one.row.line,
            name=one.row.name,
            label=one.row.label,
            batch=batch,
            video=one.row.video,
            uri=uri,
            recipe=one.recipe,
            most_cost=str(one.most_video_cost),
            replaces=one.replaces,
            planned_before=number < len(earlier) and one.replaces is None,
            audio=one.row.audio,
            parts=one.parts,
            in_pieces=one.in_pieces,
            paid_before=str(one.paid_before),
        )
        rows[number:] = [row, *rows[number + 1 :]]
    return rows


def references(rows: Sequence[RowToMake]) -> list[RowReference]:
    """The rows to make, for XCom. Their places are their numbers, so those that are kept stay between them."""
    last = max((number for number, row in enumerate(rows) if not row.kept), default=-1)
    return [_reference(number, row) for number, row in enumerate(rows[: last + 1])]


def _reference(number: int, row: RowToMake) -> RowReference:
    reference: RowReference = {"label": row.label, "row": number}
    if row.in_pieces:
        reference["in_pieces"] = True
    if row.recipe.photo_model:
        reference["photo_model"] = row.recipe.photo_model
    return reference


def write_rows(folder: Folder, rows: Sequence[RowToMake]) -> None:
    """Writes the rows to make.

    :param folder: of the run
    :raises TransportError: the store failed
    """
    for part in range(0, len(rows), ROWS_PER_PART):
        content = {"version": VERSION, "rows": [row.to_json() for row in rows[part : part + ROWS_PER_PART]]}
        write_document(folder / _part_name(part), content)


def read_row(folder: Folder, number: int) -> RowToMake:
    """One row to make.

    :param folder: of the run
    :raises StateReadError: there is none, or another release wrote it
    :raises TransportError: the store failed
    """
    path = folder / _part_name(number)
    document = read_document(path)
    try:
        return RowToMake.parse(document["rows"][number % ROWS_PER_PART])
    except (LookupError, TypeError, AttributeError) as error:
        raise _unreadable(path, f"it has no row {number} ({type(error).__name__})") from None


def read_rows(folder: Folder, count: int) -> list[RowToMake]:
    """All rows to make.

    :param folder: of the run
    :param count: how many there are
    :raises StateReadError: they do not exist, or another release wrote them
    :raises TransportError: the store failed
    """
    return [row for part in range(0, count, ROWS_PER_PART) for row in _read_part(folder / _part_name(part))]


def read_earlier_rows(folder: Folder) -> list[RowToMake]:
    """The rows that an earlier plan of the run has written; none if there was no plan.

    :param folder: of the run
    :raises StateReadError: another release wrote them, or they are damaged
    :raises TransportError: the store failed
    """
    rows: list[RowToMake] = []
    # A part that is not full is the last one.
    while len(rows) % ROWS_PER_PART == 0:
        path = folder / _part_name(len(rows))
        with store_errors_named(path):
            found = find_object(path)
        part = _read_part(path) if found else []
        if not part:
            break
        rows += part
    return rows


def _read_part(path: Destination) -> list[RowToMake]:
    document = read_document(path)
    try:
        return [RowToMake.parse(row) for row in document["rows"]]
    except (LookupError, TypeError, AttributeError) as error:
        raise _unreadable(path, f"it has no rows ({type(error).__name__})") from None


def write_document(path: Destination, content: Mapping[str, Any]) -> None:
    """
    :raises TransportError: the store failed
    """
    with store_errors_named(path):
        write_object(path, json.dumps(content, ensure_ascii=False, indent=1).encode(), content_type=_JSON)


def remove_document(path: Destination) -> None:
    """
    :raises TransportError: the store failed
    """
    with store_errors_named(path), suppress(FileNotFoundError):
        remove_object(path)


def read_document(path: Destination) -> dict[str, Any]:
    """
    :raises StateReadError: there is none, or another release wrote it
    :raises TransportError: the store failed
    """
    with store_errors_named(path):
        content = read_object(path)
    if content is None:
        raise _unreadable(path, "it does not exist")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise _unreadable(path, f"it is no document of version {VERSION}")
    return document


def plan_path(folder: Folder) -> Destination:
    """The document of all rows, in the folder of the run."""
    path: Destination = folder / "plan.json"
    return path


def _part_name(number: int) -> str:
    return f"rows-{number // ROWS_PER_PART:04}.json"


def _unreadable(path: Destination, why: str) -> StateReadError:
    return StateReadError(f"{path} cannot be read: {why}", remedy="Trigger another run. What is published is kept.")
