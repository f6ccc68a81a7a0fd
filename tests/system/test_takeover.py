"""An upgrade during the wait: an Airflow takes over what an earlier release of this version's formats has written."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from system.cluster import Cluster
from system.dag_run import ENDS_WITHIN, HAPPENS_WITHIN
from system.scenarios import Clip
from system.service import Service
from system.waiting import until

KEY, CONNECTION = "sk-takeover", "takeover"
POOL = "videoretalk"
# Each render takes 15 seconds: a job still renders, or is queued, when its task instance begins.
SERVICE = {"render_factor": 100}
STATES = ("finished", "rendering", "queued", "held-back")


def sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def record(clip: Clip, job: Mapping[str, Any], *, result: Mapping[str, Any] | None) -> dict[str, Any]:
    """Version 1 of the record of a submit, as literal fields: what this release writes must stay readable."""
    inputs = {
        "model": "videoretalk",
        "input": {"video_url": clip.video_url, "audio_url": clip.cluster.clips.url("speech.wav")},
        "parameters": {"video_extension": False, "query_face_threshold": 170},
    }
    return {
        "version": 1,
        "intent": {
            "task_instance": f"{clip.dag_id}/{clip.run_id}/retalk/-1",
            "connection_id": CONNECTION,
            "fingerprint": sha256(inputs),
            "location_fingerprint": sha256(inputs),
            "clear_count": {"max_tries": 5, "clear_number": 0},
            "model": "videoretalk",
            "expected_seconds": None,
            "cost_estimate": {},
        },
        "intended_at": job["submitted"] - 0.1,
        "posts": 1,
        "task_id": job["task_id"],
        "request_id": "r-earlier",
        "submitted_at": job["submitted"],
        "succeeded": result is not None,
        "ended": result is not None,
        "render_seconds": 1.0 if result else None,
        "billed_seconds": job["billed_seconds"] if result else None,
        "result": result,
    }


def result_of(job: Mapping[str, Any], url: str) -> dict[str, Any]:
    return {
        "task_id": job["task_id"],
        "request_id": "r-earlier",
        "status": "SUCCEEDED",
        "video_url": url,
        "expires_at": (datetime.now(timezone.utc) + timedelta(hours=23)).isoformat(),
        "billed_seconds": job["billed_seconds"],
        "usage": {},
        "submitted_at": None,
        "started_at": None,
        "finished_at": None,
        "queue_seconds": None,
        "render_seconds": 1.0,
    }


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # Not below pytest's own folder: that one is closed to the user whom the database runs as.
    home = Path(tempfile.mkdtemp(prefix="videoretalk-system-"))
    with Cluster(home=home / "airflow", services={"main": SERVICE}) as airflow:
        yield airflow
    shutil.rmtree(home)


@pytest.mark.parametrize("path", ["deferrable", "blocking"])
def test_one_bill_each(cluster: Cluster, path: str) -> None:
    """Jobs that have finished, render or are queued are waited for; a submit that is held back is sent once."""
    service = cluster.services["main"]
    clips = {
        state: Clip(cluster=cluster, service=service, name=f"{state}-{path}", dag_id=f"clip_{path}", key=KEY)
        for state in STATES
    }
    cluster.ensure("/connections", connection(service))
    # Without a slot, each task instance exists and does not begin.
    cluster.set_pool_slots(POOL, 0)
    for clip in clips.values():
        clip.start(CONNECTION)
        until(partial(exists, clip), what=f"{clip.name} has its task instance", within=HAPPENS_WITHIN)
    for state in ("finished", "rendering", "queued"):
        submit(clips[state])
        if state == "finished":
            clips[state].settle()
    clips["rendering"].wait_for_status("RUNNING")
    for state in ("finished", "rendering", "queued"):
        remember(clips[state], finished=state == "finished")
    cluster.set_variable(*admission())
    # A Variable of a person, and a record that another release wrote for another task instance.
    cluster.set_variable(f"dashscope_submission_notes_{path}", "call the vendor")
    cluster.set_variable(f"dashscope_submission_{'0' * 16}_{'0' * 16}_{time.time() * 1000:.0f}", {"version": 99})
    assert [clips[state].tasks()[0]["status"] for state in ("rendering", "queued")] == ["RUNNING", "PENDING"]
    cluster.set_pool_slots(POOL, 200)
    for clip in clips.values():
        assert cluster.wait_run(clip.dag_id, clip.run_id, within=ENDS_WITHIN) == "success", clip.log()
        (job,) = clip.settle()
        assert job["billed_seconds"] > 0
        assert clip.published() == "right"


def connection(service: Service) -> dict[str, str]:
    return {"connection_id": CONNECTION, "conn_type": "dashscope", "host": service.base_url, "password": KEY}


def submit(clip: Clip) -> None:
    clip.service.submit(key=KEY, video_url=clip.video_url, audio_url=clip.cluster.clips.url("speech.wav"))


def remember(clip: Clip, *, finished: bool) -> None:
    """Stores what an earlier try has written about its job."""
    (job,) = clip.tasks()
    url = clip.service.result_url(key=KEY, task_id=job["task_id"]) if finished else ""
    stored = record(clip, job, result=result_of(job, url) if finished else None)
    clip.cluster.set_task_state(clip.dag_id, clip.run_id, "retalk", "dashscope_submission", stored)
    clip.cluster.set_variable(*registered(stored))


def exists(clip: Clip) -> bool:
    try:
        return clip.state() == "scheduled"
    except ValueError:
        return False


def registered(stored: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The Variable that holds the same record."""
    intent = stored["intent"]
    owner, account = (
        hashlib.sha256(name.encode()).hexdigest()[:16] for name in (intent["task_instance"], intent["connection_id"])
    )
    return f"dashscope_submission_{owner}_{account}_{stored['intended_at'] * 1000:.0f}", stored | {"result": None}


def admission() -> tuple[str, str]:
    """The Variable of a triggerer that was killed while it held submits back."""
    queue = hashlib.sha256(f"{CONNECTION}/videoretalk".encode()).hexdigest()[:16]
    key = f"dashscope_admission_v2_{queue}_{'0' * 16}_{(time.time() + 3600) * 1000:.0f}"
    return key, "A triggerer holds submits of this account back."
