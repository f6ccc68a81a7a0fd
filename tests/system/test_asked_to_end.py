"""A worker is asked to end (SIGTERM), as the pod of a task on Kubernetes is: the task goes on to its end."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import psutil
from system.cluster import Cluster
from system.scenarios import PATHS, Clip, Scenario, WaitingOn, is_submitted, play_all

SLOW = {"render_factor": 30}
NOTED = "is not cancelled: another try will resume it"


def asked_to_end(clip: Clip) -> float:
    """SIGTERM to the process that watches over the task, which is the first process of a worker pod."""
    pid = clip.cluster.task(clip.dag_id, clip.run_id, "retalk").pid
    assert pid is not None
    supervisor = psutil.Process(pid).parent()
    assert supervisor is not None
    supervisor.terminate()
    return time.time()


def asked_in_submit(clip: Clip) -> float:
    """The service has taken the submit, and holds its reply back."""
    is_submitted(clip)
    return asked_to_end(clip)


def asked_while_waiting(clip: Clip) -> float:
    clip.wait_for_wait("RUNNING")
    return asked_to_end(clip)


STALLED = ({"operation": "submit", "effect": "stall", "seconds": 8},)
SCENARIOS = (
    Scenario(name="asked in submit", faults=STALLED, injury=asked_in_submit),
    Scenario(name="asked while waiting", settings=SLOW, paths=("blocking",), injury=asked_while_waiting, says=NOTED),
)
WANTED: list[tuple[Scenario, WaitingOn]] = [
    (scenario, path) for scenario in SCENARIOS for path in PATHS if path in scenario.paths
]


def test_the_task_goes_on() -> None:
    services = {scenario.service_name(path): scenario.service_settings() for scenario, path in WANTED}
    # Not below pytest's own folder: that one is closed to the user whom the database runs as.
    home = Path(tempfile.mkdtemp(prefix="videoretalk-system-"))
    with Cluster(home=home / "airflow", services={"main": {}} | services) as cluster:
        rows = play_all(cluster, WANTED, abreast=len(WANTED))
        for (scenario, path), row in zip(WANTED, rows, strict=True):
            assert not row.trouble
            assert (row.run, row.submitted, row.billed, row.published) == ("success", 1, 1, "right"), row.log
            assert scenario.is_said_in(row.log), row.log
            # No second try: the first one was not ended.
            task = cluster.task(f"clip_{path}", scenario.slug(path), "retalk")
            assert task.try_number == 1, row.log
            assert row.log.count("spend submit") == 1
    shutil.rmtree(home)
