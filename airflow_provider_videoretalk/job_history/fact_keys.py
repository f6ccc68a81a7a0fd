"""The keys under which facts are stored, and days of facts."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import cast

from airflow_provider_videoretalk.job_history.charges import Charged
from airflow_provider_videoretalk.job_history.facts import Fact, FactKind, Submitted

PREFIX = "dashscope_history_"
"""The start of each key. The day of the fact follows, in UTC, as eight digits."""

DAY_LENGTH = len(PREFIX) + 8
"""Characters of the key of a whole day."""

# Keys that do not match belong to somebody else, and are skipped.
_KEY = re.compile(
    rf"{PREFIX}(?P<year>2[0-9]{{3}})(?P<month>[0-9]{{2}})(?P<date>[0-9]{{2}})(?:_(?P<subject>[0-9a-f]{{16}}(?:-[0-9]{{1,15}})?)"
    r"_(?P<kind>submitted|ended|published|checked|charged))?"
)


@dataclass(frozen=True, kw_only=True)
class FactKey:
    """The key of one fact, or of a whole day of facts.

    :param day: on which the fact was written, in UTC; of a whole day, on which its jobs were submitted
    :param subject: a hash of the job's id; of a submit, one of its task instance, and when it was intended; of a
        charge, one of its task instance and kind, and when it was first paid; empty for a whole day
    :param kind: ``None`` for a whole day
    """

    day: date
    subject: str = ""
    kind: FactKind | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.day:%Y%m%d}" + (f"_{self.subject}_{self.kind}" if self.kind else "")

    @classmethod
    def parse(cls, key: str) -> FactKey | None:
        """The inverse of ``str``; ``None`` for a key of something else."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        try:
            day = date(int(match["year"]), int(match["month"]), int(match["date"]))
        except ValueError:
            return None
        return cls(day=day, subject=match["subject"] or "", kind=cast("FactKind | None", match["kind"]))

    @classmethod
    def of(cls, kind: FactKind, fact: Fact, *, now: float) -> FactKey:
        """The key of a fact that is written at ``now``, in seconds since the epoch."""
        return cls(day=day_of(now), subject=subject_of(fact), kind=kind)


def subject_of(fact: Fact) -> str:
    """What a fact is about, as in its key."""
    if isinstance(fact, Submitted):
        return f"{hash_of(fact.task_instance)}-{fact.intended_at * 1000:.0f}"
    if isinstance(fact, Charged):
        return f"{hash_of(f'{fact.task_instance}/{fact.paid_for}')}-{fact.first_at * 1000:.0f}"
    return hash_of(fact.job_id)


def hash_of(text: str) -> str:
    """16 hexadecimal digits for a task instance or a job id of any length and any characters."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def day_of(moment: float) -> date:
    """The day in UTC of a moment in seconds since the epoch."""
    return datetime.fromtimestamp(moment, tz=timezone.utc).date()
