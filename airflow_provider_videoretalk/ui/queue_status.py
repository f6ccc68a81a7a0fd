"""The videos that wait now, and the expected end of the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from statistics import median
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.ui.airflow_db.stored_dags import provider_dags
from airflow_provider_videoretalk.ui.airflow_db.task_queries import unfinished_task_rows
from airflow_provider_videoretalk.ui.airflow_db.task_row import EXPECTED_START_KEY, JOB_ID_KEY, TaskRow
from airflow_provider_videoretalk.ui.return_values import get_number
from airflow_provider_videoretalk.ui.service_answer import NoAnswer
from airflow_provider_videoretalk.ui.service_status import QueueCounts, fetch_queue_counts
from airflow_provider_videoretalk.ui.stored_values import as_moment, as_name
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef
from airflow_provider_videoretalk.ui.video import DEFAULT_CONN_ID, Video

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_MAX_VIDEOS = 50
_MAX_ACCOUNTS = 16

# In seconds. No estimate is later.
_LONGEST_QUEUE = 366 * 86400.0


@dataclass(frozen=True, kw_only=True)
class WaitingVideo:
    """A video that is not made yet.

    :param label: its own name among mapped ones; ``None`` without a name
    :param since: when it was submitted or held back, or when a sensor began to wait for it
    :param held_until: the expected start of a video that is held back; ``None`` after the submit
    """

    ref: TaskInstanceRef
    label: str | None
    since: datetime | None
    held_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class WaitingVideos:
    """What Airflow's database knows of the queue.

    :param videos: the waiting videos of the DAGs that the caller may read, in the order of their submits
    :param has_more: whether there are further ones
    :param conn_ids: the connections that they use
    :param renders: seconds of the latest renders
    """

    videos: Sequence[WaitingVideo]
    has_more: bool
    conn_ids: Sequence[str]
    renders: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class QueueStatus:
    """The queue at one moment.

    :param counts: the service's counts by connection id
    :param unanswered: why the other connections have none
    :param done_at: when all jobs of the accounts should be done; ``None`` without a basis for an estimate
    """

    waiting: WaitingVideos
    counts: Mapping[str, QueueCounts]
    unanswered: Sequence[NoAnswer]
    done_at: datetime | None


def load_waiting_videos(session: Session, *, dag_ids: Collection[str], latest_videos: Sequence[Video]) -> WaitingVideos:
    """The videos that wait now.

    :param dag_ids: the DAGs that the caller may read
    :param latest_videos: the videos whose render times are the basis of the estimate
    """
    found = unfinished_task_rows(session, dag_ids=provider_dags.intersection(session, dag_ids), limit=_MAX_VIDEOS + 1)
    rows = found[:_MAX_VIDEOS]
    conn_ids = {as_name(row.fields.get("dashscope_conn_id")) or DEFAULT_CONN_ID for row in rows}
    return WaitingVideos(
        videos=[_waiting_video(row) for row in rows],
        has_more=len(found) > _MAX_VIDEOS,
        conn_ids=sorted(conn_ids or {DEFAULT_CONN_ID})[:_MAX_ACCOUNTS],
        renders=[seconds for video in latest_videos if (seconds := get_number(video.details, "render_seconds"))],
    )


async def ask_for_queue(waiting: WaitingVideos) -> QueueStatus:
    """The queue now, with the service's counts. Needs some seconds at most, and no database."""
    answers = await asyncio.gather(*(fetch_queue_counts(conn_id) for conn_id in waiting.conn_ids))
    asked = list(zip(waiting.conn_ids, answers, strict=True))
    counts = {conn_id: answer for conn_id, answer in asked if isinstance(answer, QueueCounts)}
    unanswered = [answer for answer in answers if isinstance(answer, NoAnswer)]
    rounds = max((count.rounds for count in counts.values()), default=float(len(waiting.videos)))
    done_at = None
    if waiting.renders and rounds:
        seconds = min(rounds * median(waiting.renders), _LONGEST_QUEUE)
        done_at = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return QueueStatus(waiting=waiting, counts=counts, unanswered=unanswered, done_at=done_at)


def _waiting_video(row: TaskRow) -> WaitingVideo:
    submitted, held = row.xcoms.get(JOB_ID_KEY), row.xcoms.get(EXPECTED_START_KEY)
    first = submitted or held
    return WaitingVideo(
        ref=row.ref,
        label=row.label,
        since=first.timestamp if first else row.started_at,
        held_until=as_moment(held.value) if held and not submitted else None,
    )
