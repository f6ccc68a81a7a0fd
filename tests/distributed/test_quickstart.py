"""The quickstart from S3 to S3 on machines that share no disk."""

from __future__ import annotations

import json

import pytest
import requests
from distributed.cluster import WITHIN, DistributedAirflow
from distributed.settings import WORKERS

DAG_ID = "videoretalk_quickstart"
SCRIPT = "Good morning, and welcome to the morning news."


@pytest.fixture(scope="module")
def studio(cluster: DistributedAirflow) -> DistributedAirflow:
    """The cluster, with the connection and the Variables that the quickstart goes by."""
    service = cluster.start_studio()
    cluster.open_account("dashscope_default", service)
    cluster.store("presenter.mp4", requests.get(f"{service.url}/samples/presenter.mp4", timeout=60).content)
    cluster.ensure("/variables", {"key": "videoretalk_presenter", "value": "s3://aws_default@bucket/presenter.mp4"})
    cluster.ensure("/variables", {"key": "videoretalk_folder", "value": "s3://aws_default@bucket/quickstart/"})
    return cluster


def test_from_a_script_to_a_video_in_s3(studio: DistributedAirflow) -> None:
    studio.trigger(DAG_ID, "good", {"script": SCRIPT})
    assert studio.wait_run(DAG_ID, "good", within=WITHIN) == "success", studio.task_log(DAG_ID, "good", "retalk")
    assert studio.machines_of(DAG_ID, "good") <= set(WORKERS)
    video, metadata = sorted(studio.stored_below("quickstart"))
    told = json.loads(studio.stored(metadata) or b"")
    assert metadata == f"{video}.json"
    assert told["size"] == len(studio.stored(video) or b"") > 10_000
    assert told["script"] == SCRIPT
    assert "published" in studio.page(f"/dags/{DAG_ID}/runs/good/tasks/retalk/-1").casefold()
