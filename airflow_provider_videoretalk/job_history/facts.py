"""The facts about render jobs and other charges, as they are stored. Times are seconds since the epoch.

Each fact is a JSON object of its own, with one writer. No fact has a signed URL or a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from airflow_provider_videoretalk.job_history.charges import Charged
from airflow_provider_videoretalk.polling.stored_json import read_dataclass, versioned_mapping

VERSION = 1
"""The version of the stored format that this release writes and reads."""

FactKind = Literal["submitted", "ended", "published", "checked", "charged"]
"""
- ``submitted``: the submit was sent; its job's id, once that is known
- ``ended``: how the job ended, by the task that waited for it
- ``published``: where the result was published
- ``checked``: what the service said of a job that no task waits for any more
- ``charged``: what a task paid for without a job
"""

MAX_TEXT = 500
"""Characters of a stored text. The rest is cut off."""

# The service forgets a job after a day, which does not undo what it said before.
_RANKS: Mapping[str, int] = {"SUCCEEDED": 3, "FAILED": 2, "CANCELED": 2, "UNKNOWN": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class Submitted:
    """A submit that was sent.

    :param task_instance: ``dag_id/run_id/task_id/map_index``
    :param intended_at: just before the POST
    :param job_id: the service's id; ``None`` while the outcome of the POST is unknown
    :param nothing_created: whether the POST is known to have created no job
    :param account_id: the same for all connections to the same account
    :param label: the clip's name among mapped ones
    :param expected_seconds: of output, which are billed
    :param estimated_cost: in ``currency``; an upper bound
    :param price: of a second of output, as :meth:`~airflow_provider_videoretalk.model_catalog.price.Price.to_json`
        writes it
    """

    task_instance: str
    connection_id: str
    model: str
    intended_at: float
    job_id: str | None = None
    nothing_created: bool = False
    request_id: str | None = None
    submitted_at: float | None = None
    account_id: str | None = None
    label: str | None = None
    expected_seconds: float | None = None
    estimated_cost: float | None = None
    currency: str | None = None
    price: Mapping[str, Any] | None = None

    @property
    def strength(self) -> tuple[bool, bool]:
        """Of two facts about the same submit, the one with the higher strength is true."""
        return self.job_id is not None, self.nothing_created


@dataclass(frozen=True, kw_only=True, slots=True)
class JobReport:
    """What the service said of a job: the facts ``ended`` and ``checked``.

    :param status: as :data:`~airflow_provider_videoretalk.dashscope.task.TaskStatus`
    :param reported_at: when the service said it
    :param billed_seconds: of output; 0 for a job that failed or was cancelled; ``None`` if the service did not say
    :param cost: of them, in ``currency``; ``None`` if no price is known
    :param expires_at: when the result expires
    :param code: the service's error code
    :param task_instance: of an ``ended`` job the one that waited for it, of a ``checked`` job the one that submitted it
    :param task_state: of a ``checked`` job, Airflow's state of that task instance
    """

    job_id: str
    status: str
    reported_at: float
    billed_seconds: float | None = None
    cost: float | None = None
    currency: str | None = None
    expires_at: float | None = None
    code: str | None = None
    task_instance: str | None = None
    task_state: str | None = None

    @property
    def strength(self) -> tuple[int, bool, float]:
        """Of two reports about the same job, the one with the higher strength is true."""
        return _RANKS.get(self.status, 0), self.billed_seconds is not None, self.reported_at


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """The publication of a result.

    :param uri: of the published object
    """

    job_id: str
    uri: str
    published_at: float

    @property
    def strength(self) -> float:
        """Of two publications of the same job, the one with the higher strength is shown."""
        return self.published_at


Fact: TypeAlias = "Submitted | JobReport | Published | Charged"

FACTS: Mapping[FactKind, type[Submitted] | type[JobReport] | type[Published] | type[Charged]] = {
    "submitted": Submitted,
    "ended": JobReport,
    "published": Published,
    "checked": JobReport,
    "charged": Charged,
}
"""The class of each kind of fact."""


def fact_fields(fact: Fact) -> dict[str, Any]:
    """The fields of a fact that are known, as JSON-safe values. Texts are cut to :data:`MAX_TEXT`."""
    known = {name: value for name, value in asdict(fact).items() if value is not None and value is not False}
    return {name: value[:MAX_TEXT] if isinstance(value, str) else value for name, value in known.items()}


def write_fact(fact: Fact) -> dict[str, Any]:
    """A fact as it is stored alone."""
    return {"version": VERSION, **fact_fields(fact)}


def read_fact(kind: FactKind, stored: object, *, name: str) -> Fact:
    """Reads what :func:`write_fact` returned. Unknown fields are ignored.

    :param name: where it is stored, for the message
    :raises StateReadError: another version wrote it, or it is damaged
    """
    return read_dataclass(FACTS[kind], versioned_mapping(stored, version=VERSION, name=name), name=name)
