"""Airflow's database, and runs of whole DAGs through Airflow's own ``dag.test()``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

RunDag = Callable[..., "Run"]


class Run:
    """A finished DAG run."""

    def __init__(self, dag_run: Any) -> None:
        self._dag_run = dag_run

    @property
    def state(self) -> str:
        return str(self._dag_run.state)

    @property
    def run_id(self) -> str:
        return str(self._dag_run.run_id)

    @property
    def task_instances(self) -> list[Any]:
        return list(self._dag_run.get_task_instances())

    def states(self, task_id: str) -> list[str]:
        """The states of the task's instances, in order of their map index."""
        found = [ti for ti in self.task_instances if ti.task_id == task_id]
        return [str(ti.state) for ti in sorted(found, key=lambda ti: ti.map_index)]

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with create_session() as session:
            row = session.scalars(
                XComModel.get_many(
                    run_id=self._dag_run.run_id,
                    dag_ids=self._dag_run.dag_id,
                    task_ids=task_id,
                    key=key,
                    map_indexes=map_index,
                )
            ).first()
            return XComModel.deserialize_value(row) if row else None


@pytest.fixture(scope="session")
def database() -> None:
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)


@pytest.fixture
def run_dag(database: None, connection: str) -> RunDag:
    """Runs a DAG to its end, on the emulator."""

    def run(dag: DAG, *, logical_date: datetime | None = None, **conf: Any) -> Run:
        return Run(dag.test(run_conf=conf, logical_date=logical_date))

    return run


def load(source: str, *, name: str) -> DAG:
    """The one DAG in a file's text, from Airflow's own DAGs folder: ``dag.test()`` runs none that lies elsewhere."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        # Airflow 3.1.
        from airflow.models.dagbag import DagBag

    path = Path(os.environ["AIRFLOW_HOME"]) / "dags" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    bag = DagBag(str(path))
    assert not bag.import_errors, bag.import_errors
    (dag,) = bag.dags.values()
    return dag
