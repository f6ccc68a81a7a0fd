"""What Airflow's database says about why a task instance does not go on: its pool, its triggerer, its scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.jobs.job import Job
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskreschedule import TaskReschedule
from airflow.models.trigger import Trigger
from sqlalchemy import and_, func, select

from airflow_provider_videoretalk.ui.airflow_db.stored_dags import load_dag
from airflow_provider_videoretalk.ui.airflow_db.task_queries import conditions_for

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef


@dataclass(frozen=True, kw_only=True)
class PoolFacts:
    """
    :param slots: of the pool; -1 for any number; ``None`` if the pool does not exist
    :param needed: slots that the task instance needs
    :param occupied: slots in use
    """

    name: str
    slots: int | None
    needed: int
    occupied: int


@dataclass(frozen=True, kw_only=True)
class Component:
    """A scheduler or a triggerer.

    :param is_alive: whether it has sent a heartbeat in the time that Airflow allows
    """

    is_alive: bool
    heartbeat_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class WaitFacts:
    """What may hold up a task instance. Only what matters in its state is read.

    :param dag_is_paused: whether the scheduler leaves the DAG alone
    :param run_state: of the DAG run
    :param queued_at: when the scheduler handed the task instance to its executor
    :param pool: in the state ``scheduled``
    :param scheduler: the scheduler with the latest heartbeat; ``None`` if there was never one
    :param triggerer: of the trigger, or the triggerer with the latest heartbeat; ``None`` if there was never one
    :param has_trigger: whether the trigger of a deferred task instance exists
    :param is_picked_up: whether a triggerer has taken the trigger
    :param next_try_at: in the states ``up_for_retry`` and ``up_for_reschedule``
    """

    state: str | None
    dag_is_paused: bool
    run_state: str | None
    queued_at: datetime | None = None
    queue: str | None = None
    try_number: int = 0
    max_tries: int = 0
    pool: PoolFacts | None = None
    scheduler: Component | None = None
    triggerer: Component | None = None
    has_trigger: bool = False
    is_picked_up: bool = False
    next_try_at: datetime | None = None


def read_wait_facts(session: Session, ref: TaskInstanceRef) -> WaitFacts | None:
    """The facts about one task instance; ``None`` if it does not exist."""
    ti = TaskInstance
    columns = (ti.id, ti.state, ti.pool, ti.pool_slots, ti.queue, ti.queued_dttm, ti.try_number, ti.max_tries)
    statement = (
        select(*columns, ti.trigger_id, DagModel.is_paused, DagRun.state.label("run_state"), Pool.slots)
        .add_columns(Pool.include_deferred)
        .join(DagRun, and_(DagRun.dag_id == ti.dag_id, DagRun.run_id == ti.run_id))
        .outerjoin(DagModel, DagModel.dag_id == ti.dag_id)
        .outerjoin(Pool, Pool.pool == ti.pool)
        .where(*conditions_for(ref))
    )
    row = session.execute(statement).first()
    if row is None:
        return None
    details: dict[str, Any] = {}
    if row.state == "deferred":
        details = _trigger_facts(session, row.trigger_id)
    else:
        details["scheduler"] = _latest(session, "SchedulerJob")
    if row.state == "scheduled":
        details["pool"] = _pool_facts(session, row)
    elif row.state == "up_for_retry":
        details["next_try_at"] = _next_try(session, ref)
    elif row.state == "up_for_reschedule":
        details["next_try_at"] = _next_look(session, row.id)
    return WaitFacts(
        state=row.state,
        dag_is_paused=bool(row.is_paused),
        run_state=row.run_state,
        queued_at=row.queued_dttm,
        queue=row.queue,
        try_number=row.try_number,
        max_tries=row.max_tries,
        **details,
    )


def _pool_facts(session: Session, row: Any) -> PoolFacts:
    states = ("running", "queued", "deferred") if row.include_deferred else ("running", "queued")
    # The index on pool and state has these rows.
    statement = select(func.sum(TaskInstance.pool_slots)).where(
        TaskInstance.pool == row.pool, TaskInstance.state.in_(states)
    )
    occupied = int(session.scalar(statement) or 0)
    return PoolFacts(name=row.pool, slots=row.slots, needed=row.pool_slots, occupied=occupied)


def _trigger_facts(session: Session, trigger_id: int | None) -> dict[str, Any]:
    statement = select(Trigger.id, Job).outerjoin(Job, Job.id == Trigger.triggerer_id).where(Trigger.id == trigger_id)
    found = session.execute(statement).first() if trigger_id is not None else None
    own = _component(found[1]) if found is not None and found[1] is not None else None
    # Another triggerer takes the triggers of one that has stopped.
    is_own = own is not None and own.is_alive
    return {
        "triggerer": own if is_own else _latest(session, "TriggererJob"),
        "has_trigger": found is not None,
        "is_picked_up": is_own,
    }


def _latest(session: Session, kind: str) -> Component | None:
    # The index on type and heartbeat has the order. Jobs that ended properly have another state.
    statement = select(Job).where(Job.job_type == kind, Job.state == "running").order_by(Job.latest_heartbeat.desc())
    job = session.scalar(statement.limit(1))
    return _component(job) if job is not None else None


def _component(job: Job) -> Component:
    return Component(is_alive=job.is_alive(), heartbeat_at=job.latest_heartbeat)


def _next_look(session: Session, task_instance_id: Any) -> datetime | None:
    statement = select(TaskReschedule.reschedule_date).where(TaskReschedule.ti_id == task_instance_id)
    return session.scalar(statement.order_by(TaskReschedule.id.desc()).limit(1))


def _next_try(session: Session, ref: TaskInstanceRef) -> datetime | None:
    """When Airflow starts the next try, by its own rule; ``None`` if the DAG's version is gone."""
    try:
        task = session.scalar(select(TaskInstance).where(*conditions_for(ref)))
        dag = load_dag(session, task.dag_version_id) if task is not None and task.dag_version_id else None
        if task is None or dag is None:
            return None
        task.task = dag.get_task(ref.task_id)
        next_try: datetime | None = task.next_retry_datetime()
    except Exception:
        # The delay is a DAG author's, and the row may hold what this version of Airflow cannot read.
        return None
    return next_try
