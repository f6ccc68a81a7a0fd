"""Two hundred mapped clips through a real Airflow: all published, none twice, and the account never overrun."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from system.cluster import Cluster
from system.reports import REPORTS
from system.service import content
from system.waiting import until

CLIPS = 200
# The account's limit on each of its kinds of query, and how many of its tasks render at once.
QUERIES_PER_SECOND = 20
SERVICE = {"running": 4, "submits_per_second": 20, "queries_per_second": QUERIES_PER_SECOND}
# Two hundred tasks start at once: one that waits for a core is not dead.
PATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "600",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "20",
    "AIRFLOW__CORE__PARALLELISM": "6",
}
RUN = "all"
ENDS_WITHIN = 900.0


def busiest_second(moments: Sequence[float]) -> int:
    """The most requests within any second."""
    ordered = sorted(moments)
    return max((sum(moment <= other < moment + 1 for other in ordered) for moment in ordered), default=0)


def start(cluster: Cluster, published: Path) -> None:
    cluster.connect("dashscope_default", cluster.services["main"], key="sk-many")
    conf = {"clips": cluster.clips.url("").rstrip("/"), "published": published.as_uri(), "count": CLIPS}
    cluster.trigger("many_clips", RUN, conf)


def kill_one_of_two_triggerers_halfway(cluster: Cluster, published: Path) -> None:
    cluster.start_second_triggerer()
    halfway = partial(lambda: sum(task["status"] == "SUCCEEDED" for task in books(cluster)) >= CLIPS // 2)
    until(halfway, what="half of the clips are rendered", within=ENDS_WITHIN)
    cluster.kill("triggerer")


def books(cluster: Cluster) -> list[dict[str, Any]]:
    return cluster.services["main"].all_tasks()


@pytest.mark.parametrize("triggerers", [1, 2])
def test_two_hundred_clips(request: pytest.FixtureRequest, triggerers: int) -> None:
    # Not below pytest's own folder: that one is closed to the user whom the database runs as.
    home = Path(tempfile.mkdtemp(prefix="videoretalk-system-"))
    published = home / "airflow" / "published"
    with Cluster(home=home / "airflow", services={"main": SERVICE}, settings=PATIENT) as cluster:
        start(cluster, published)
        if triggerers == 2:
            kill_one_of_two_triggerers_halfway(cluster, published)
        run = cluster.wait_run("many_clips", RUN, within=ENDS_WITHIN)
        tasks, asked = books(cluster), cluster.services["main"].requests()
    queries = Counter(entry["operation"] for entry in asked)
    rates = {name: busiest_second([e["time"] for e in asked if e["operation"] == name]) for name in ("query", "list")}
    refused = sum(entry["status"] == 429 for entry in asked if entry["operation"] in rates)
    right = sum((published / f"{n}.mp4").exists() and (published / f"{n}.mp4").read_bytes() == content(f"{n}.mp4")
                for n in range(CLIPS))  # fmt: skip
    billed = Counter(task["inputs"]["video_url"] for task in tasks if task["billed_seconds"] > 0)
    request.config.stash[REPORTS].append(
        f"{CLIPS} clips, {triggerers} triggerers: run {run}, {right} published, {len(billed)} billed, "
        f"{len(tasks) - len(billed)} more submitted\n"
        f"  requests {dict(queries)}, busiest second {rates}, refused {refused}"
    )
    assert (run, right, len(tasks), len(billed)) == ("success", CLIPS, CLIPS, CLIPS), f"logs: {home}"
    assert max(rates.values()) <= QUERIES_PER_SECOND
    assert refused == 0
    shutil.rmtree(home)
