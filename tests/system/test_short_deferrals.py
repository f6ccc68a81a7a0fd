"""Many render jobs that end at once, through a real Airflow under load: the scheduler loses none of their tasks."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from system.cluster import Cluster
from system.reports import REPORTS

CLIPS = 60
# Every render ends before its task has deferred, and a second submit within the second is throttled.
SERVICE = {"running": CLIPS, "render_factor": 0, "submits_per_second": 2, "queries_per_second": 100}
# As many processes as make the scheduler late, on any machine.
BUSY = {
    "AIRFLOW__CORE__PARALLELISM": "12",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "600",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "20",
}
LOST = "state attribute is"
"""In the scheduler's line about a task instance whose state it does not expect."""
RUN = "short"
ENDS_WITHIN = 900.0


def test_no_task_is_lost_to_a_short_deferral(request: pytest.FixtureRequest) -> None:
    # Not below pytest's own folder: that one is closed to the user whom the database runs as.
    home = Path(tempfile.mkdtemp(prefix="videoretalk-system-"))
    published = home / "airflow" / "published"
    with Cluster(home=home / "airflow", services={"main": SERVICE}, settings=BUSY) as cluster:
        cluster.connect("dashscope_default", cluster.services["main"], key="sk-short")
        conf = {"clips": cluster.clips.url("").rstrip("/"), "published": published.as_uri(), "count": CLIPS}
        cluster.trigger("many_clips", RUN, conf)
        run = cluster.wait_run("many_clips", RUN, within=ENDS_WITHIN)
        jobs = len(cluster.services["main"].all_tasks())
        throttled = sum(entry["status"] == 429 for entry in cluster.services["main"].requests())
    log = (home / "airflow" / "logs" / "scheduler.log").read_text(errors="replace")
    lost = [line for line in log.splitlines() if LOST in line]
    request.config.stash[REPORTS].append(
        f"{CLIPS} jobs that end at once: run {run}, {jobs} jobs, {throttled} throttled submits, {len(lost)} tasks lost"
    )
    assert (run, jobs, lost) == ("success", CLIPS, []), f"logs: {home}"
    assert throttled > 0
    shutil.rmtree(home)
