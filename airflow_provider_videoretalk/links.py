"""The links from a task instance to its page, and to the page of its batch, in Airflow's UI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseOperatorLink, conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

PREFIX = "/videoretalk"
"""Where Airflow's API server mounts this package's pages."""

WATCH = "Watch"
"""The link's name. The pages recognise the tasks of this package, and of subclasses of its operators, by this link."""


def watch_path(*, dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """The result page of a task instance, below :data:`PREFIX`."""
    dag, run, task = (quote(part, safe="") for part in (dag_id, run_id, task_id))
    return f"/dags/{dag}/runs/{run}/tasks/{task}/{map_index}"


def batch_path(*, dag_id: str, run_id: str) -> str:
    """The batch page of a DAG run, below :data:`PREFIX`."""
    dag, run = (quote(part, safe="") for part in (dag_id, run_id))
    return f"/dags/{dag}/runs/{run}/batch"


def watch_url(*, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
    """The address of a task instance's page. Without ``[api] base_url``, it is relative to the page that shows it."""
    return _base_url() + watch_path(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)


def batch_url(*, dag_id: str, run_id: str) -> str:
    """The address of a run's batch page. Without ``[api] base_url``, it is relative to the page that shows it."""
    return _base_url() + batch_path(dag_id=dag_id, run_id=run_id)


def _base_url() -> str:
    return str(conf.get("api", "base_url", fallback="")).rstrip("/") + PREFIX


class WatchLink(BaseOperatorLink):
    """A button on the task instance's page. Airflow stores its URL in XCom when the task defers or ends."""

    name = WATCH

    @property
    def xcom_key(self) -> str:
        return "videoretalk_watch"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        return watch_url(dag_id=ti_key.dag_id, run_id=ti_key.run_id, task_id=ti_key.task_id, map_index=ti_key.map_index)


class BatchLink(BaseOperatorLink):
    """A button on the page of a task that belongs to a whole batch. It leads to the batch page of the run."""

    name = "Batch"

    @property
    def xcom_key(self) -> str:
        return "videoretalk_batch"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        return batch_url(dag_id=ti_key.dag_id, run_id=ti_key.run_id)
