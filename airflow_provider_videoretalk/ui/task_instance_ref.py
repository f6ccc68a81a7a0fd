"""The ids that identify a task instance."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from airflow_provider_videoretalk.links import watch_path


@dataclass(frozen=True, kw_only=True)
class TaskInstanceRef:
    """A task instance by its ids.

    :param map_index: -1 for a task that is not mapped
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    @property
    def path(self) -> str:
        """The path of its result page, relative to the root of these pages."""
        return watch_path(dag_id=self.dag_id, run_id=self.run_id, task_id=self.task_id, map_index=self.map_index)

    @property
    def airflow_path(self) -> str:
        """The path of its page in Airflow's own UI."""
        mapped = f"/mapped/{self.map_index}" if self.map_index >= 0 else ""
        return f"/dags/{quote(self.dag_id)}/runs/{quote(self.run_id)}/tasks/{quote(self.task_id)}{mapped}"
