"""What is read for the rows of one page of a batch only: results, publications and errors."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.outbound.signed_url import safe_text
from airflow_provider_videoretalk.ui.airflow_db.task_queries import task_rows_of_runs
from airflow_provider_videoretalk.ui.airflow_db.task_row import (
    ERROR_KEY,
    EXPECTED_START_KEY,
    JOB_ID_KEY,
    RETURN_VALUE_KEY,
    TaskRow,
)
from airflow_provider_videoretalk.ui.batch import BatchRow
from airflow_provider_videoretalk.ui.clip_name import cut
from airflow_provider_videoretalk.ui.playable_media import find_media
from airflow_provider_videoretalk.ui.related_tasks import BatchTasks
from airflow_provider_videoretalk.ui.return_values import get_text
from airflow_provider_videoretalk.ui.task_outputs import TaskOutputs

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_provider_videoretalk.ui.video import Video

_MAX_CAUSE, _MAX_NAME, _MAX_LANGUAGE = 300, 80, 40
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|[\u3002\uff01\uff1f]")
_KEYS = (RETURN_VALUE_KEY, JOB_ID_KEY, EXPECTED_START_KEY, ERROR_KEY)


@dataclass(frozen=True, kw_only=True)
class ShownRow:
    """A row as the page shows it.

    :param path: of the page of its video, relative to the root of these pages; ``None`` if it has no task instance
    :param cause: why there is no video, in a sentence
    :param is_playable: whether the video can be opened
    :param made_at: when its render ended
    """

    row: BatchRow
    name: str
    language: str
    path: str | None = None
    code: str = ""
    cause: str = ""
    remedy: str = ""
    is_playable: bool = False
    made_at: datetime | None = None
    uri: str | None = None


def load_shown_rows(
    session: Session, rows: Sequence[BatchRow], *, dag_id: str, run_id: str, tasks: BatchTasks
) -> list[ShownRow]:
    """The rows of a page with their details. One query for all of them."""
    places = {row.plan.place for row in rows if row.plan.place is not None}
    found: dict[int, list[TaskRow]] = defaultdict(list)
    if tasks.make is not None and tasks.related is not None and places:
        read = task_rows_of_runs(
            session,
            dag_id=dag_id,
            run_ids=[run_id],
            task_ids=tasks.related.task_ids,
            map_indexes={*places, -1},
            keys=_KEYS,
        )
        for task in read:
            found[task.ref.map_index].append(task)
    return [_shown(row, tasks, found) for row in rows]


def error_of(error: Mapping[str, Any]) -> tuple[str, str, str]:
    """Code, message and remedy of the error that a task noted, without signatures; ``""`` for what it lacks."""
    code, message, remedy = (safe_text(get_text(error, name) or "") for name in ("code", "message", "remedy"))
    return code, message, remedy


def first_sentence(text: str) -> str:
    """The first sentence of a text, in one line."""
    line = cut(text, longest=4 * _MAX_CAUSE)
    end = _SENTENCE_END.search(line)
    return cut(line[: end.end()] if end else line, longest=_MAX_CAUSE)


def _shown(row: BatchRow, tasks: BatchTasks, found: Mapping[int, Sequence[TaskRow]]) -> ShownRow:
    name, language = cut(row.plan.name, longest=_MAX_NAME), cut(row.plan.language or "", longest=_MAX_LANGUAGE)
    place = row.plan.place
    own = found.get(place, ()) if place is not None else ()
    make = next((task for task in own if task.ref.task_id == tasks.make), None)
    if make is None or tasks.related is None:
        # A fault has its limit and its remedy within.
        cause = cut(row.plan.problem or "", longest=_MAX_CAUSE)
        return ShownRow(row=row, name=name, language=language, cause=cause, uri=row.plan.uri)
    video = TaskOutputs.from_rows(make, related=tasks.related, rows=[*own, *found.get(-1, ())]).to_video()
    code, message, remedy = _error(own)
    return ShownRow(
        row=row,
        name=name,
        language=language,
        path=make.ref.path,
        code=cut(code, longest=_MAX_NAME),
        cause=first_sentence(message) or _reason(row, video),
        remedy=first_sentence(remedy),
        is_playable=bool(video.details) and bool(find_media(video, "result")),
        made_at=video.finished_at,
        uri=get_text(video.publication, "uri") or row.plan.uri,
    )


def _error(tasks: Sequence[TaskRow]) -> tuple[str, str, str]:
    """What the row's task noted that failed: the one that makes the video, or the one that asks a person."""
    failed = (task for task in tasks if task.state in ("failed", "up_for_retry"))
    noted = (xcom.value for task in failed if (xcom := task.xcoms.get(ERROR_KEY)) is not None)
    return next((error_of(error) for error in noted if isinstance(error, Mapping)), ("", "", ""))


def _reason(row: BatchRow, video: Video) -> str:
    """Where the cause is, if the task that makes the video noted none."""
    if row.state == "failed":
        return "Its page says why." if video.details else "Its page says what became of the render job."
    return ""
