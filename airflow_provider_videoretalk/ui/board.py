"""The latest videos, page by page.

A video is found by the XCom ``dashscope_task_id``, which its job operator pushes after the submit. The pages read the
runs of the DAGs that have such tasks, the newest first. So a page costs as much as the rows on it, however many runs
and XComs the database has.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.ui.address_limits import MAX_INTEGER
from airflow_provider_videoretalk.ui.airflow_db.stored_dags import provider_dags
from airflow_provider_videoretalk.ui.airflow_db.task_queries import latest_task_rows, task_rows_of_runs
from airflow_provider_videoretalk.ui.airflow_db.task_row import JOB_ID_KEY, RETURN_VALUE_KEY, TaskRow, group_by_mapping
from airflow_provider_videoretalk.ui.related_tasks import RelatedTasks, find_related_tasks
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef
from airflow_provider_videoretalk.ui.task_outputs import TaskOutputs
from airflow_provider_videoretalk.ui.video import Phase, Video
from airflow_provider_videoretalk.ui.word_search import WordSearch

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PAGE_SIZE = 24

_CURSOR = re.compile(r"([0-9]{1,10})\.(-1|[0-9]{1,10})\.(.+)\Z")

SCAN_LIMIT = 600
"""Videos that one request searches for a state or for words, which bounds its time."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The filters of the board. ``None`` selects all.

    :param day: the day of the runs' ``run_after``, in UTC
    :param search: words in the names and scripts of the videos
    """

    dag: str | None = None
    state: Phase | None = None
    day: date | None = None
    search: WordSearch = field(default_factory=WordSearch)

    @property
    def are_set(self) -> bool:
        return self != Filters()

    def dags_of(self, dag_ids: Collection[str]) -> Collection[str]:
        """Those of the DAGs that match."""
        return dag_ids if self.dag is None else {self.dag}.intersection(dag_ids)

    @property
    def need_scan(self) -> bool:
        """Whether the database cannot tell which videos match."""
        return self.state is not None or bool(self.search)

    def match(self, video: Video) -> bool:
        """Whether a video has the state and the words."""
        has_state = self.state in (None, video.phase) or (self.state, video.phase) == ("failed", "unpublished")
        return has_state and self.search.finds((video.name, video.label, video.file_name, video.language, video.script))


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A position in the order of the board: directly after one video."""

    run_number: int
    task_id: str
    map_index: int

    def __str__(self) -> str:
        return f"{self.run_number}.{self.map_index}.{self.task_id}"

    @classmethod
    def parse(cls, text: str | None) -> Cursor | None:
        """The inverse of ``str``; ``None`` for an invalid text."""
        match = _CURSOR.match(text or "")
        if match is None or max(int(match[1]), int(match[2])) > MAX_INTEGER:
            return None
        return cls(run_number=int(match[1]), map_index=int(match[2]), task_id=match[3])


@dataclass(frozen=True, kw_only=True)
class BoardPage:
    """One page of videos, the latest first.

    :param searched: videos that were compared with the filters
    :param next_cursor: the start of the next page; ``None`` on the last one
    """

    videos: Sequence[Video]
    searched: int
    next_cursor: Cursor | None


def load_board_page(
    session: Session, *, dag_ids: Collection[str], filters: Filters, after: Cursor | None = None, size: int = PAGE_SIZE
) -> BoardPage:
    """A page of the board.

    :param dag_ids: the DAGs that the caller may read
    """
    limit = SCAN_LIMIT if filters.need_scan else size
    start = (after.run_number, after.task_id, after.map_index) if after else None
    selected = matching_dags(session, dag_ids, filters)
    rows = latest_task_rows(session, key=JOB_ID_KEY, dag_ids=selected, day=filters.day, after=start, limit=limit)
    matches = [(row, video) for row, video in _load_videos(session, rows) if filters.match(video)][:size]
    last = matches[-1][0] if len(matches) == size else rows[-1] if len(rows) == limit else None
    cursor = None
    if last:
        cursor = Cursor(run_number=last.run_number, task_id=last.ref.task_id, map_index=last.ref.map_index)
    return BoardPage(videos=[video for _, video in matches], searched=len(rows), next_cursor=cursor)


def matching_dags(session: Session, dag_ids: Collection[str], filters: Filters) -> frozenset[str]:
    """The DAGs that have tasks of this package and match the filters.

    :param dag_ids: the DAGs that the caller may read
    """
    return provider_dags.intersection(session, filters.dags_of(dag_ids))


def _load_videos(session: Session, rows: Sequence[TaskRow]) -> list[tuple[TaskRow, Video]]:
    """The rows with their videos. Rows of the same task with the same related tasks share a query."""
    groups: dict[tuple[str, str, bool, RelatedTasks], list[TaskRow]] = defaultdict(list)
    for row in rows:
        related = find_related_tasks(session, dag_version=row.dag_version, task_id=row.ref.task_id)
        groups[row.ref.dag_id, row.ref.task_id, row.ref.map_index >= 0, related].append(row)
    videos: dict[TaskInstanceRef, Video] = {}
    for (*_, related), group in groups.items():
        videos |= _load_group(session, related, group)
    return [(row, videos[row.ref]) for row in rows]


def _load_group(session: Session, related: RelatedTasks, rows: Sequence[TaskRow]) -> dict[TaskInstanceRef, Video]:
    """The videos of one task, of all versions of its DAG with the same related tasks."""
    found = group_by_mapping(
        task_rows_of_runs(
            session,
            dag_id=rows[0].ref.dag_id,
            run_ids={row.ref.run_id for row in rows},
            task_ids=related.task_ids,
            map_indexes={row.ref.map_index for row in rows} | {-1},
            keys=[RETURN_VALUE_KEY],
        )
    )

    def own_rows(ref: TaskInstanceRef) -> list[TaskRow]:
        return [row for index in sorted({ref.map_index, -1}) for row in found.get((ref.run_id, index), [])]

    return {row.ref: TaskOutputs.from_rows(row, related=related, rows=own_rows(row.ref)).to_video() for row in rows}
