"""What the job history has of the render job of a video whose tasks have ended without a result."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.ui.airflow_db.own_session import call_with_session
from airflow_provider_videoretalk.ui.job_history import IS_KEPT, find_jobs_of_task
from airflow_provider_videoretalk.ui.shared_answers import SharedAnswers, Unanswered
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef
from airflow_provider_videoretalk.ui.video import Video

# A large history takes a second to read.
_LOOKUPS: SharedAnswers[JobRecord | None] = SharedAnswers(seconds=5.0, silent_seconds=5.0, threads=2)

# The days that are read if the start of the task is not known.
_DAYS = 7


async def find_submitted_job(video: Video) -> JobRecord | None:
    """The latest render job that the video's task submitted; ``None`` if the history has none, or is not read in time.

    Its submit may be one of unknown outcome.
    """
    if not IS_KEPT or not video.lacks_result:
        return None
    ref, started_at = video.submitter or video.ended_task, video.started_at or datetime.now(timezone.utc)
    # A clear or a retry changes the start, and goes on with the job of an earlier try.
    since = (started_at - timedelta(days=_DAYS)).date()
    found: JobRecord | Unanswered | None = await _LOOKUPS.get(ref, lambda: _latest(ref, since), source="history")
    return None if isinstance(found, Unanswered) else found


def with_job(video: Video, record: JobRecord | None) -> Video:
    """The video with the id of its render job, if only the history has it."""
    if video.job_id is not None or record is None or record.job_id is None or record.submitted is None:
        return video
    return replace(video, job_id=record.job_id, conn_id=record.submitted.connection_id)


def _latest(ref: TaskInstanceRef, since: date) -> JobRecord | None:
    return call_with_session(lambda session: next(iter(find_jobs_of_task(session, ref, since=since)), None))
