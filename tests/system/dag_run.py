"""One run of a DAG of the system tests, with a connection and fault points of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from system.cluster import Cluster
from system.service import Service
from system.waiting import until

HAPPENS_WITHIN = 300.0
ENDS_WITHIN = 600.0


@dataclass(kw_only=True)
class DagRun:
    """A run whose task has the id ``task_id``.

    :param name: also the run's id
    :param key: of the connection
    """

    cluster: Cluster
    service: Service
    name: str
    dag_id: str
    key: str
    task_id: str

    @property
    def run_id(self) -> str:
        return self.name

    @property
    def steps(self) -> Path:
        return self.cluster.steps / self.name

    def connect(self, connection: str) -> None:
        self.cluster.connect(connection, self.service, key=self.key)

    def trigger(self, conf: Mapping[str, Any]) -> None:
        self.cluster.trigger(self.dag_id, self.run_id, {**conf, "steps": str(self.steps)})

    def state(self, task_id: str | None = None) -> str | None:
        return self.cluster.task(self.dag_id, self.run_id, task_id or self.task_id).state

    def wait_for_death(self, step: str, *, folder: Path | None = None) -> float:
        """When a process of this run died at ``step``."""
        died = partial(self.cluster.died_at, step, folder=folder or self.steps)
        return until(died, what=f"{self.name} dies at {step}", within=HAPPENS_WITHIN)

    def wait_for_fault(self) -> float:
        """When the service's first fault hit a request."""
        hit = until(self.service.faults_hit, what=f"a fault hits {self.name}", within=HAPPENS_WITHIN)
        return float(hit[0]["time"])

    def log(self) -> str:
        return self.cluster.task_log(self.dag_id, self.run_id, self.task_id)
