"""What became of a render job whose result Airflow does not have, by the service's word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from airflow_provider_videoretalk.dashscope.errors import TaskFailedError, TaskUnknownError
from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS, Task
from airflow_provider_videoretalk.ui.service_answer import NoAnswer

OutcomeKind = Literal["made", "expired", "rendering", "queued", "cancelled", "failed", "forgotten", "unread", "no_job"]
"""What the service says of a render job:

- ``made``: it succeeded, and its result can be had
- ``expired``: it succeeded, and its result cannot be had any more
- ``rendering``, ``queued``: it goes on
- ``cancelled``, ``failed``: it ended without a result, which is free
- ``forgotten``: the service does not know it
- ``unread``: the service gave no usable answer
- ``no_job``: Airflow has no id of a render job
"""


@dataclass(frozen=True, kw_only=True)
class JobOutcome:
    """
    :param job: the service's answer; ``None`` without one
    :param no_answer: why there is none
    :param failure: of a job that ``failed``, with the service's code and the remedy
    :param ends_at: the expected end of a render; ``None`` if the length of the video is not known
    :param dropped_at: when the service drops the job, if it still has no result
    """

    kind: OutcomeKind
    job: Task | None = None
    no_answer: NoAnswer | None = None
    failure: TaskFailedError | None = None
    ends_at: datetime | None = None
    dropped_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether a later answer says the same."""
        return self.kind not in ("rendering", "queued", "unread")


def outcome_of(
    answer: Task | NoAnswer | None,
    *,
    now: datetime,
    submitted_at: datetime | None = None,
    expected_render: float | None = None,
) -> JobOutcome:
    """
    :param answer: the service's; ``None`` if no id of a job is known
    :param submitted_at: when Airflow stored the id of the job
    :param expected_render: seconds
    """
    if answer is None:
        return JobOutcome(kind="no_job")
    if isinstance(answer, NoAnswer):
        return JobOutcome(kind="unread", no_answer=answer)
    if answer.status == "SUCCEEDED":
        has_expired = answer.expires_at is not None and answer.expires_at <= now
        return JobOutcome(kind="expired" if has_expired else "made", job=answer)
    if answer.ended:
        return _without_result(answer)
    start = answer.submitted_at or submitted_at
    ends_at = None
    if answer.status == "RUNNING" and answer.started_at is not None and expected_render is not None:
        ends_at = answer.started_at + timedelta(seconds=expected_render)
    return JobOutcome(
        kind="rendering" if answer.status == "RUNNING" else "queued",
        job=answer,
        ends_at=ends_at if ends_at is not None and ends_at > now else None,
        dropped_at=start + timedelta(seconds=JOB_SECONDS) if start else None,
    )


def _without_result(job: Task) -> JobOutcome:
    try:
        job.raise_for_status()
    except TaskUnknownError:
        return JobOutcome(kind="forgotten", job=job)
    except TaskFailedError as error:
        return JobOutcome(kind="cancelled" if job.status == "CANCELED" else "failed", job=job, failure=error)
    raise AssertionError(f"a job that ended {job.status} raises")
