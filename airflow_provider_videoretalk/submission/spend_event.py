"""The events that spend, save or lose money, which Airflow's operators can count."""

from __future__ import annotations

from typing import Literal, Protocol

SpendEvent = Literal["submit", "adopt", "duplicate_prevented", "cancel", "cancelled", "loss", "lost_reply", "in_doubt"]
"""
- ``submit``: a render job was created
- ``adopt``: a try resumes the job of an earlier try
- ``duplicate_prevented``: a try would have submitted again without the record
- ``cancel``: a cancel was sent for a job that had not ended; the reason says with which outcome
- ``cancelled``: it had the effect: the job was still queued, and is not billed
- ``loss``: a submitted job has no result that can be used
- ``lost_reply``: a submit was sent, and no usable reply arrived: a job may exist
- ``in_doubt``: the task fails, because nobody knows whether its submit created a job
"""


UNKNOWN_JOB = "unknown"
"""In place of the id of a job that is not known to exist."""


class RecordSpend(Protocol):
    """Records one event of a render job, with a sentence that says why."""

    def __call__(self, event: SpendEvent, task_id: str, reason: str, /) -> None: ...
