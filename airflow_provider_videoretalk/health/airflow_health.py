"""Whether a triggerer is alive and the pool is as it should be, by Airflow's database.

Beside ``ui/airflow_db/``, this is the one file that uses Airflow's private models. It costs three short queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from airflow.jobs.job import Job, JobState
from airflow.models.connection import Connection
from airflow.models.pool import Pool
from sqlalchemy import func, select

from airflow_provider_videoretalk.health.report import Finding

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

DEFAULT_POOL = "videoretalk"
"""The pool of the example DAGs."""

_MAX_CONNECTIONS = 16
_TRIGGERER_REMEDY = "Start one: airflow triggerer. It takes over all waits, and nothing is paid again."


class _Pool(Protocol):
    slots: int
    include_deferred: bool


def triggerer_finding(session: Session) -> Finding:
    """Whether any triggerer is alive, as ``airflow jobs check`` judges it."""
    running = select(Job).where(Job.job_type == "TriggererJob", Job.state == JobState.RUNNING)
    jobs = list(session.scalars(running.order_by(Job.latest_heartbeat.desc()).limit(100)))
    alive = sum(job.is_alive() for job in jobs)
    if alive:
        number = "1 triggerer is" if alive == 1 else f"{alive} triggerers are"
        return Finding(part="triggerer", state="well", sentence=f"{number} alive.")
    last = session.scalar(select(func.max(Job.latest_heartbeat)).where(Job.job_type == "TriggererJob"))
    since = "none has ever run" if last is None else f"the last sign of one was at {last:%Y-%m-%d %H:%M} UTC"
    sentence = f"No triggerer is alive: {since}. Deferred tasks do not go on."
    return Finding(part="triggerer", state="unwell", sentence=sentence, remedy=_TRIGGERER_REMEDY)


def pool_finding(
    session: Session, *, name: str = DEFAULT_POOL, missing: Literal["unwell", "unknown"] = "unwell"
) -> Finding:
    """Whether the pool exists and counts deferred tasks.

    :param missing: what it means if there is none; ``unknown`` where tasks may have a pool of another name
    """
    pool: _Pool | None = session.scalar(select(Pool).where(Pool.pool == name))
    remedy = f"airflow pools set {name} 3 'Render jobs' --include-deferred"
    if pool is None:
        meaning = {
            "unwell": "Tasks that name it are never scheduled.",
            "unknown": "Whether tasks have a pool of another name is not known here.",
        }
        sentence = f"There is no pool {name!r}. {meaning[missing]}"
        return Finding(part="pool", subject=name, state=missing, sentence=sentence, remedy=f"Add it: {remedy}")
    if not pool.include_deferred:
        sentence = f"The pool {name!r} does not count deferred tasks, so it limits no render jobs."
        return Finding(part="pool", subject=name, state="unwell", sentence=sentence, remedy=f"Change it: {remedy}")
    if pool.slots == 0:
        sentence = f"The pool {name!r} has no slots, so its tasks wait for ever."
        return Finding(part="pool", subject=name, state="unwell", sentence=sentence, remedy=f"Change it: {remedy}")
    slots = "slots without a limit" if pool.slots < 0 else f"{pool.slots} slots"
    sentence = f"The pool {name!r} has {slots}, and counts deferred tasks."
    return Finding(part="pool", subject=name, state="well", sentence=sentence)


def dashscope_connections(session: Session) -> list[str]:
    """The connections of type ``dashscope`` in Airflow's database. Those in a secrets backend are not among them."""
    found = select(Connection.conn_id).where(Connection.conn_type == "dashscope").order_by(Connection.conn_id)
    return list(session.scalars(found.limit(_MAX_CONNECTIONS)))
