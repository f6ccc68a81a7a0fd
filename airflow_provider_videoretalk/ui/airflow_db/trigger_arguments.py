"""The arguments of the triggers that deferred task instances wait for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from sqlalchemy import select

from airflow_provider_videoretalk.ui.airflow_db.task_queries import conditions_for
from airflow_provider_videoretalk.ui.stored_values import checked_values

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef


def read_trigger_arguments(session: Session, ref: TaskInstanceRef) -> Mapping[str, Any]:
    """The arguments of a task instance's trigger; empty if it is not deferred or they cannot be decrypted."""
    statement = select(Trigger).join(TaskInstance, TaskInstance.trigger_id == Trigger.id).where(*conditions_for(ref))
    try:
        trigger = session.scalar(statement)
        return checked_values(trigger.kwargs) if trigger is not None else {}
    except Exception:
        # The arguments are encrypted, and this process may lack the key. The page is shown without them.
        return {}
