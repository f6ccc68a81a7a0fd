"""Replies that stopped a triggerer: it goes on, healthy tasks finish, and each poisoned one ends honestly."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from system.cluster import Cluster
from system.reports import REPORTS

HEALTHY = 20
# A render takes half a minute, so that the triggerer reads each poison in replies of all kinds.
SERVICE = {"running": HEALTHY, "render_factor": 200, "submits_per_second": 100, "queries_per_second": 100}
# Thirty tasks start at once: one that waits for a core is not dead.
PATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "600",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "20",
    "AIRFLOW__CORE__PARALLELISM": "6",
}
ENDS_WITHIN = 900.0


def replaced(field: str, value: str) -> dict[str, Any]:
    """Every status reply has the JSON text ``value`` in a field."""
    return {"operation": "query", "effect": "replace", "field": field, "value": value, "times": 1_000_000}


def other(effect: str, **rule: Any) -> dict[str, Any]:
    return {"operation": "query", "effect": effect, "times": 1_000_000, **rule}


# The state in which the run ends, by what the service answers.
POISONS: dict[str, tuple[dict[str, Any], str]] = {
    "nan": (replaced("usage.fps", "NaN"), "success"),
    "half-emoji": (replaced("usage.size", '"\\ud83d"'), "success"),
    "nul": (replaced("usage.size", '"a\\u0000b"'), "success"),
    "huge-integer": (replaced("usage.fps", "1180591620717411303424"), "success"),
    "year-one": (replaced("output.submit_time", '"0001-01-01 00:00:00"'), "success"),
    "begun-in-1970": (replaced("output.scheduled_time", '"1970-01-01 08:00:00"'), "success"),
    "endless-bill": (replaced("usage.video_duration", "1e308"), "success"),
    "success-as-code": (replaced("code", '"Success"'), "success"),
    "another-id": (replaced("output.task_id", '"../pwn"'), "failed"),
    "a-file": (replaced("output.video_url", '"file:///etc/passwd"'), "failed"),
    "endless-body": (other("flood"), "failed"),
    "dripping": (other("drip", seconds=1.0), "failed"),
}
DAG_ID = "poisoned_replies"


def test_the_triggerer_survives(request: pytest.FixtureRequest) -> None:
    # Not below pytest's own folder: that one is closed to the user whom the database runs as.
    home = Path(tempfile.mkdtemp(prefix="videoretalk-system-"))
    services = dict.fromkeys(("healthy", *POISONS), SERVICE)
    with Cluster(home=home / "airflow", services=services, settings=PATIENT) as cluster:
        for name in services:
            cluster.connect(name, cluster.services[name], key=f"sk-{name}")
        for name, (rule, _) in POISONS.items():
            # The first query finds out whether jobs can be queried. A poison there prevents the submit.
            cluster.services[name].arm({**rule, "after": 1})
        runs = {name: name for name in POISONS} | {f"healthy-{number}": "healthy" for number in range(HEALTHY)}
        for run_id, connection in runs.items():
            cluster.trigger(DAG_ID, run_id, {"clip": cluster.clips.url(run_id), "connection": connection})
        ends = {run_id: cluster.wait_run(DAG_ID, run_id, within=ENDS_WITHIN) for run_id in runs}
        jobs = {name: len(cluster.services[name].all_tasks()) for name in services}
        poisoned = {name: len(cluster.services[name].faults_hit()) for name in POISONS}
        starts = dict(cluster.processes.starts)
    request.config.stash[REPORTS].append(
        f"poisoned replies: runs {ends}\n  poisoned replies {poisoned}, starts of processes {starts}"
    )
    assert {run_id: end for run_id, end in ends.items() if run_id.startswith("healthy")} == {
        f"healthy-{number}": "success" for number in range(HEALTHY)
    }
    assert {name: ends[name] for name in POISONS} == {name: end for name, (_, end) in POISONS.items()}, f"logs: {home}"
    assert all(poisoned.values()), "each poison was read"
    assert jobs == {"healthy": HEALTHY} | dict.fromkeys(POISONS, 1), "nothing is paid twice"
    assert starts["triggerer"] == 1, f"logs: {home}"
    shutil.rmtree(home)
