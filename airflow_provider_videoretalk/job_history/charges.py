"""What a task pays for without a render job: requests that are billed when they are answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from typing import Literal

ChargeKind = Literal["speech", "translation", "photo_check", "voice"]
"""
- ``speech``: speeches
- ``translation``: requests of a translation
- ``photo_check``: checks of a photo that are in no job's price
- ``voice``: enrolments of voices
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Charged:
    """What one try of a task has paid for. It is written again after each request.

    :param task_instance: ``dag_id/run_id/task_id/map_index``
    :param paid_for: a :data:`ChargeKind`
    :param first_at: when the first request was answered, in seconds since the epoch
    :param requests: how many were answered
    :param unpriced: how many of them have no known price
    :param cost: of the others in ``currency``, by the price lists
    :param label: the clip's name among mapped ones
    """

    task_instance: str
    connection_id: str
    paid_for: str
    model: str
    first_at: float
    requests: int
    unpriced: int = 0
    cost: float = 0.0
    currency: str | None = None
    label: str | None = None

    # Of no render job.
    job_id = None

    @property
    def strength(self) -> int:
        """Of two facts of the same try, the one with the higher strength is the later one."""
        return self.requests

    @property
    def dag_id(self) -> str | None:
        return self.task_instance.partition("/")[0] or None

    @property
    def run_id(self) -> str | None:
        return run_id_of(self.task_instance)

    @property
    def day(self) -> date:
        """The day in UTC of the first request."""
        return datetime.fromtimestamp(self.first_at, tz=timezone.utc).date()


@dataclass(frozen=True, kw_only=True, order=True)
class ChargeTotal:
    """What was paid for requests of one kind.

    :param currency: of ``cost``; empty if no price is known
    """

    paid_for: str
    currency: str
    requests: int
    unpriced: int
    cost: float

    def __add__(self, other: ChargeTotal) -> ChargeTotal:
        """The sum of two totals of the same kind and currency."""
        return replace(
            self,
            requests=self.requests + other.requests,
            unpriced=self.unpriced + other.unpriced,
            cost=round(self.cost + other.cost, 6),
        )


def total_charges(charges: Iterable[Charged]) -> list[ChargeTotal]:
    """The sum of each kind and currency, in the order of their names."""
    return add_totals(
        ChargeTotal(
            paid_for=charge.paid_for,
            currency=charge.currency or "",
            requests=charge.requests,
            unpriced=charge.unpriced,
            cost=charge.cost,
        )
        for charge in charges
    )


def add_totals(totals: Iterable[ChargeTotal]) -> list[ChargeTotal]:
    """One total for each kind and currency, in the order of their names."""
    sums: dict[tuple[str, str], ChargeTotal] = {}
    for total in totals:
        key = (total.paid_for, total.currency)
        known = sums.get(key)
        sums[key] = total if known is None else known + total
    return sorted(sums.values())


def run_id_of(task_instance: str) -> str | None:
    """The run of ``dag_id/run_id/task_id/map_index``. It may have slashes, which the other three cannot have."""
    if task_instance.count("/") < 3:
        return None
    return task_instance.rsplit("/", 2)[0].partition("/")[2]
