"""Reads the states of task instances from Airflow's metadata database, from within a task or a trigger."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

FINAL_STATES = frozenset({"failed", "success", "skipped", "removed", "upstream_failed"})
"""States after which no further try of the task instance will resume its render job."""

_RUN_BATCH = 50


def state_of(task_instance: RuntimeTaskInstanceProtocol) -> str | None:
    """The state; ``removed`` if the DAG run was deleted. Blocks while it asks Airflow's supervisor."""
    # A heavy part of Airflow, which a DAG file must not load.
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(
        dag_id=task_instance.dag_id,
        task_ids=[task_instance.task_id],
        run_ids=[task_instance.run_id],
        map_index=task_instance.map_index,
    )
    # The key is the task's id, or for mapped task instances a key of their own.
    found = list(states.get(task_instance.run_id, {}).values())
    return found[0] if found else "removed"


def states_of_task(dag_id: str, task_id: str, run_ids: Collection[str]) -> Mapping[tuple[str, int], str | None]:
    """The states of all instances of a task in some runs, by run id and map index. Deleted ones are missing."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    found, ordered = {}, sorted(run_ids)
    for start in range(0, len(ordered), _RUN_BATCH):
        batch = ordered[start : start + _RUN_BATCH]
        states = RuntimeTaskInstance.get_task_states(dag_id=dag_id, task_ids=[task_id], run_ids=batch)
        for run_id, by_key in states.items():
            for key, state in by_key.items():
                # Airflow's key is the task's id, with the map index of a mapped task instance at its end.
                index = key[len(task_id) + 1 :]
                found[run_id, int(index) if index else -1] = state
    return found


def run_has_ended(dag_id: str, run_id: str) -> bool:
    """Whether no task of a run will run any more; also if the run was deleted."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(dag_id=dag_id, run_ids=[run_id])
    return all(state in FINAL_STATES for state in states.get(run_id, {}).values())
