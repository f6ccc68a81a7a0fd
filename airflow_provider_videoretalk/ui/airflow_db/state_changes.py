"""Who, or what, ended a task instance from outside: a person who marked it, or Airflow itself.

Airflow's audit log (the table ``log``) has both. The event of a person's action is the name of the API's function, that
of a task's own change is the new state, and the scheduler writes sentences. Airflow 3.1 to 3.4 use the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from airflow.models.log import Log
from sqlalchemy import select

from airflow_provider_videoretalk.ui.stored_values import as_name, as_text, read_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef

ChangeKind = Literal["marked", "marked_run", "worker_lost", "never_started", "fail_fast"]
"""A person marked the task or its run, the worker sent no heartbeat, no worker began the task, or another task of a DAG
with ``fail_fast`` failed.
"""

_MARKS = ("patch_task_instance", "bulk_task_instances", "patch_task_group_instances")
_RUN_MARKS = ("patch_dag_run", "bulk_dag_runs")
# The state into which each event puts the task, and what it is.
_SCHEDULER_EVENTS: Mapping[str, tuple[str, ChangeKind]] = MappingProxyType(
    {
        "heartbeat timeout": ("failed", "worker_lost"),
        "state mismatch": ("failed", "worker_lost"),
        "stuck in queued tries exceeded": ("failed", "never_started"),
        "fail task": ("failed", "fail_fast"),
        "skip task": ("skipped", "fail_fast"),
    }
)
_OWN_EVENTS = ("running", "success", "failed", "skipped", "up_for_retry", "deferred", "up_for_reschedule")

# Events that are looked at, the newest first, of the tasks of the video and of its run.
_MAX_EVENTS = 200


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """
    :param state: the state in which the task instance is now
    :param by: the name of the person; ``None`` for the scheduler's change, or if the log has no name
    """

    kind: ChangeKind
    state: str
    at: datetime
    by: str | None


def find_state_change(
    session: Session, ref: TaskInstanceRef, *, state: str | None, related: Collection[str] = ()
) -> StateChange | None:
    """What put a task instance into its state; ``None`` if the task itself did, or the log has nothing of it.

    :param state: the state in which it is
    :param related: tasks of the same run. A mark of one of them can include this task
    """
    reached: str | None = None
    change: StateChange | None = None
    for event in _events(session, ref, {ref.task_id, *related}):
        new_state, kind = _effect(event, ref)
        # A mark that repeats the state has no effect. After a lost worker, Airflow logs the failure as the task's own.
        if new_state is None or new_state == reached:
            continue
        by = as_name(event.owner_display_name) or as_name(event.owner) if kind in ("marked", "marked_run") else None
        reached, change = new_state, StateChange(kind=kind, state=new_state, at=event.dttm, by=by) if kind else None
    # A lost worker leads to a retry, if there are any left.
    is_current = reached == state or (reached, state) == ("failed", "up_for_retry")
    return change if state is not None and is_current else None


def _events(session: Session, ref: TaskInstanceRef, task_ids: Collection[str]) -> list[Any]:
    """The events, the oldest first. Events of the whole run have no task."""
    columns = (Log.id, Log.event, Log.dttm, Log.task_id, Log.map_index, Log.owner_display_name, Log.owner, Log.extra)
    of_run = select(*columns).where(Log.dag_id == ref.dag_id, Log.run_id == ref.run_id, Log.dttm.is_not(None))
    # A database that could read in the order of the ids would look through other DAGs' events for those of this one.
    of_run = of_run.order_by((Log.id + 0).desc()).limit(_MAX_EVENTS)
    # Two queries, of which each uses the index on DAG, task and run.
    of_tasks = of_run.where(Log.task_id.in_(task_ids), Log.event.in_((*_OWN_EVENTS, *_SCHEDULER_EVENTS, *_MARKS)))
    of_whole = of_run.where(Log.task_id.is_(None), Log.event.in_((*_RUN_MARKS, *_MARKS)))
    found = [event for statement in (of_tasks, of_whole) for event in session.execute(statement)]
    return sorted(found, key=lambda event: event.id)


def _effect(event: Any, ref: TaskInstanceRef) -> tuple[str | None, ChangeKind | None]:
    """The state into which an event put the task instance, and what the event is; ``None`` for none."""
    if event.event not in (*_MARKS, *_RUN_MARKS):
        is_own = event.task_id == ref.task_id and event.map_index in (ref.map_index, None)
        return _SCHEDULER_EVENTS.get(event.event, (event.event, None)) if is_own else (None, None)
    body = read_json(as_text(event.extra))
    if not isinstance(body, Mapping):
        return None, None
    if event.event in _RUN_MARKS:
        return as_name(body.get("state")), "marked_run"
    for entry in _entries(body):
        if (state := as_name(entry.get("new_state"))) and _is_about(entry, event.task_id, ref):
            return state, "marked"
    return None, None


def _entries(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries of a bulk request, or the body itself."""
    actions = body.get("actions")
    if not isinstance(actions, list):
        return [body]
    entities = [action.get("entities") for action in actions if isinstance(action, Mapping)]
    return [entity for found in entities if isinstance(found, list) for entity in found if isinstance(entity, Mapping)]


def _is_about(entry: Mapping[str, Any], task_id: str | None, ref: TaskInstanceRef) -> bool:
    """Whether a mark is about the task instance. The map index is missing if all of a mapped task are marked."""
    if entry.get("include_upstream") or entry.get("include_downstream"):
        return True
    named = entry.get("task_id") or task_id
    if named is None:
        return ref.task_id.startswith(f"{entry.get('group_id')}.")
    return named == ref.task_id and str(entry.get("map_index")) in (str(ref.map_index), "None")
