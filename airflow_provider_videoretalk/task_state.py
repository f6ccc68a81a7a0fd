"""How a task instance stands in Airflow's metadata database, as seen while somebody kills it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

OVER = frozenset({"failed", "success", "skipped", "removed", "upstream_failed"})
"""States in which no try of the task instance will come back for what it submitted."""


def state_of(task_instance: RuntimeTaskInstanceProtocol) -> str | None:
    """The state; ``removed`` where the run is gone. Asks Airflow's supervisor, and blocks for that."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(
        dag_id=task_instance.dag_id,
        task_ids=[task_instance.task_id],
        run_ids=[task_instance.run_id],
        map_index=task_instance.map_index,
    )
    # Mapped task instances come under a key of their own, all others under the task's id.
    found = list(states.get(task_instance.run_id, {}).values())
    return found[0] if found else "removed"
