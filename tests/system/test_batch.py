"""A batch of two hundred rows that is killed halfway, run again, run once more, and changed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from system.cluster import Cluster, Component
from system.reports import REPORTS
from system.service import content
from system.waiting import until

ROWS = int(os.environ.get("VIDEORETALK_ROWS", "200"))
SLOTS = 4
SERVICE = {"running": SLOTS, "submits_per_second": 20}
# Many tasks start at once: one that waits for a core is not dead.
PATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "600",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "20",
    "AIRFLOW__CORE__PARALLELISM": "6",
}
COMPONENTS: Sequence[Component] = ("scheduler", "triggerer", "api-server", "dag-processor")
SPEECH = "/api/v1/services/audio/tts/SpeechSynthesizer"
ENDS_WITHIN = 1500.0


class Batch:
    """A table, the folder of its videos, and what they cost."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.scripts = {f"clip-{number}": f"Good morning to number {number}." for number in range(ROWS)}

    def start(self, run: str) -> None:
        rows = [
            {"name": name, "text": script, "video": self.cluster.clips.url(f"{name}.mp4")}
            for name, script in self.scripts.items()
        ]
        table = "\n".join(json.dumps(row) for row in rows)
        self.cluster.trigger("batch", run, {"table": table, "folder": f"{self.folder.as_uri()}/"})

    def run(self, run: str) -> Mapping[str, int]:
        """The counts of the manifest, and of what this run paid for."""
        before = self.paid
        self.start(run)
        assert self.cluster.wait_run("batch", run, within=ENDS_WITHIN) == "success"
        path = f"/dags/batch/dagRuns/{run}/taskInstances/manifest/xcomEntries/videoretalk_manifest"
        sums = self.cluster.call("GET", path, params={"deserialize": True})["value"]
        return {**sums["counts"], **{name: count - before[name] for name, count in self.paid.items()}}

    @property
    def published(self) -> list[str]:
        """Names of the rows whose video is there, with the script of the table."""
        found = []
        for name, script in self.scripts.items():
            video = self.folder / f"{name}.mp4"
            if video.exists() and video.read_bytes() == content(f"{name}.mp4"):
                metadata = json.loads(video.with_name(f"{name}.mp4.json").read_text())
                found += [name] if metadata["script"] == script else []
        return found

    @property
    def jobs(self) -> list[dict[str, Any]]:
        return self.cluster.services["main"].all_tasks()

    @property
    def paid(self) -> Mapping[str, int]:
        asked = self.cluster.services["main"].requests()
        speeches = sum(entry["path"] == SPEECH and entry["status"] == 200 for entry in asked)
        return {"speeches paid": speeches, "videos paid": sum(job["billed_seconds"] > 0 for job in self.jobs)}


def connect(cluster: Cluster) -> None:
    """The clips are at a private address."""
    connection = {"connection_id": "dashscope_default", "conn_type": "dashscope", "password": "sk-batch"}
    host, extra = cluster.services["main"].base_url, json.dumps({"allow_private": True})
    cluster.ensure("/connections", connection | {"host": host, "extra": extra})


def kill_everything(cluster: Cluster) -> None:
    for component in COMPONENTS:
        cluster.kill(component)
    for component in COMPONENTS:
        cluster.wait_until_back(component)


def no_task_runs(cluster: Cluster) -> bool:
    """Whether the processes of the failed run's last tasks have ended. One may publish until Airflow has ended it."""
    path = "/dags/batch/dagRuns/first/taskInstances"
    instances = cluster.call("GET", path, params={"limit": 100, "order_by": "-start_date"})["task_instances"]
    return not any(is_task_process(instance["pid"]) for instance in instances if instance["pid"])


def is_task_process(pid: int) -> bool:
    # The number may be that of another program by now.
    try:
        return any("airflow" in part for part in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def test_only_what_is_missing_or_changed_is_made(request: pytest.FixtureRequest) -> None:
    # Not below pytest's own folder: that one is closed to the user whom the database runs as.
    home = Path(tempfile.mkdtemp(prefix="videoretalk-system-"))
    report = []
    with Cluster(home=home / "airflow", services={"main": SERVICE}, settings=PATIENT) as cluster:
        connect(cluster)
        cluster.set_pool_slots("videoretalk", SLOTS)
        batch = Batch(cluster, home / "airflow" / "published")
        batch.start("first")
        until(lambda: len(batch.published) >= ROWS // 2, what="half of the videos are published", within=ENDS_WITHIN)
        assert cluster.run_state("batch", "first") == "running"
        kill_everything(cluster)
        cluster.call("PATCH", "/dags/batch/dagRuns/first", json={"state": "failed"})
        until(
            lambda: not [job for job in batch.jobs if job["status"] in ("PENDING", "RUNNING")],
            what="no render job is under way",
            within=ENDS_WITHIN,
        )
        until(lambda: no_task_runs(cluster), what="no task is under way", within=ENDS_WITHIN)
        kept = len(batch.published)
        lost = batch.paid["videos paid"] - kept
        report.append(f"killed with {kept} of {ROWS} videos published, and {lost} made and not published")

        second = batch.run("second")
        report.append(f"second run: {second}")
        assert second["kept"] == kept
        assert second["published"] == second["videos paid"] == ROWS - kept
        # A speech that was made before the kill is kept.
        assert second["speeches paid"] <= ROWS - kept
        assert len(batch.published) == ROWS
        assert lost <= SLOTS

        third = batch.run("third")
        report.append(f"third run: {third}")
        assert third == {"kept": ROWS, "speeches paid": 0, "videos paid": 0}

        for number in (0, ROWS // 2, ROWS - 1):
            batch.scripts[f"clip-{number}"] = f"Good night to number {number}."
        fourth = batch.run("fourth")
        report.append(f"three rows changed: {fourth}")
        assert fourth == {"kept": ROWS - 3, "published": 3, "speeches paid": 3, "videos paid": 3}
        assert len(batch.published) == ROWS
        paid = Counter(job["inputs"]["video_url"] for job in batch.jobs if job["billed_seconds"] > 0)
        assert sum(paid.values()) == ROWS + lost + 3
    request.config.stash[REPORTS].append("\n".join(report))
    shutil.rmtree(home)
