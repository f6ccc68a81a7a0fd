"""Which render jobs nobody waits for any more, by the history and by Airflow's states."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_videoretalk.job_history.job_record import JobRecord

_FAILED_STATES = frozenset({"failed", "upstream_failed", "skipped", "removed"})


@dataclass(frozen=True, kw_only=True)
class TaskStates:
    """Airflow's states for the task instance that submitted a job.

    :param task: its state; ``removed`` if it or its DAG run was deleted, ``None`` while it waits to be scheduled
    :param run_has_ended: whether no task of the DAG run will run any more
    """

    task: str | None
    run_has_ended: bool


def needs_look(record: JobRecord, *, now: float) -> bool:
    """Whether a job may be lost: its bill is not known, or its result was not published and may still be there.

    :param now: in seconds since the epoch
    """
    if record.submitted is None or record.job_id is None:
        return False
    if record.billed_seconds is None:
        # The service has forgotten the job, so nothing more is to be learned.
        return record.status != "UNKNOWN"
    return record.published is None and record.expires_at is not None and now < record.expires_at


def is_lost(record: JobRecord, states: TaskStates) -> bool:
    """Whether Airflow lost track of a job that needs a look.

    A task that succeeded has used the result, or has left the job to a sensor; unless it was marked so, which its run's
    other tasks notice. Its job is lost if the run has ended, and nobody has seen the job's end or its bill.
    """
    if states.task in _FAILED_STATES:
        return True
    is_seen = record.ended is not None and record.billed_seconds is not None
    return states.task == "success" and states.run_has_ended and not is_seen
