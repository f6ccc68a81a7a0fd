"""Where a person watches what a task made, or waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseOperatorLink, conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

PREFIX = "/videoretalk"
"""Where Airflow's API server mounts this package's pages."""

WATCH = "Watch"
"""The link's name. A task of this package, or of a subclass of its operators, is known by having it."""


def watch_path(*, dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """The result page of a task instance, below :data:`PREFIX`."""
    dag, run, task = (quote(part, safe="") for part in (dag_id, run_id, task_id))
    return f"/dags/{dag}/runs/{run}/tasks/{task}/{map_index}"


class WatchLink(BaseOperatorLink):
    """A button on the task instance's page. Airflow keeps its URL in XCom, as soon as the task first waits or ends."""

    name = WATCH

    @property
    def xcom_key(self) -> str:
        return "videoretalk_watch"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        path = watch_path(
            dag_id=ti_key.dag_id, run_id=ti_key.run_id, task_id=ti_key.task_id, map_index=ti_key.map_index
        )
        # Without a base URL of its own, Airflow is where the page with the button is.
        return str(conf.get("api", "base_url", fallback="")).rstrip("/") + PREFIX + path
