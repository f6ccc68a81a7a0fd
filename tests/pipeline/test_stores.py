"""A clip in a store becomes a video in a store and on a disk, through Airflow, the emulator and a real S3 server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_videoretalk.emulator.server import Emulator

from .conftest import load

RunDag = Callable[..., Any]

DAG = """
from airflow.sdk import DAG, Asset

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

with DAG("stores"):
    retalk = VideoRetalkOperator(
        task_id="retalk",
        video_url="s3://weed@bucket/presenter.mp4",
        audio_url="{audio}",
        video_extension=True,
        deferrable=True,
        dry_run="{{{{ params.get('rehearse', False) }}}}",
    )
    PublishMediaOperator(
        task_id="publish",
        source=retalk.output,
        destination=["s3://weed@bucket/videos/", "{folder}/{{{{ run_id[:6] }}}}/"],
        if_exists="fail",
        outlets=[Asset("video")],
    )
"""


@pytest.fixture
def clips(emulator: Emulator, s3: Any, tmp_path: Path) -> dict[str, str]:
    """A presenter in the store and speech on this machine, and a folder to publish in."""
    samples = emulator.base_url.removesuffix("/api/v1") + "/samples"
    s3.pipe_file("bucket/presenter.mp4", requests.get(f"{samples}/presenter.mp4", timeout=60).content)
    speech = tmp_path / "speech.wav"
    speech.write_bytes(requests.get(f"{samples}/speech.wav", timeout=60).content)
    return {"audio": str(speech), "folder": (tmp_path / "out").as_uri()}


def test_from_a_store_to_stores(
    run_dag: RunDag, s3: Any, clips: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = run_dag(load(DAG.format(**clips), name="stores"))
    assert run.state == "success"
    published = run.xcom("publish")
    in_store, on_disk = published["uris"]
    content = s3.cat_file(in_store.partition("@")[2])
    assert content == Path(on_disk.removeprefix("file://")).read_bytes()
    metadata = json.loads(s3.cat_file(published["metadata_uri"].partition("@")[2]))
    etag = s3.info("bucket/presenter.mp4")["ETag"].strip('"')
    assert metadata["inputs"]["video_url"] == f"s3://bucket/presenter.mp4#{etag}"
    assert metadata["inputs"]["audio_url"].startswith(f"{Path(clips['audio']).as_uri()}#sha256:")
    assert metadata["billed_seconds"] == pytest.approx(metadata["estimated_seconds"], abs=0.01)
    assert metadata["cost"] == pytest.approx(0.08 * metadata["billed_seconds"], abs=0.0001)
    # Only the service receives the URL that the store signed.
    said = capfd.readouterr()
    assert "X-Amz-Signature" not in said.out + said.err
    assert "Signature" not in json.dumps([published, run.xcom("retalk")["inputs"]])


def test_a_dry_run_skips_the_tasks_downstream(run_dag: RunDag, s3: Any, clips: dict[str, str]) -> None:
    run = run_dag(load(DAG.format(**clips).replace("run_id[:6]", "'x'"), name="stores"), rehearse=True)
    assert (run.states("retalk"), run.states("publish")) == (["skipped"], ["skipped"])
    rehearsed = run.xcom("retalk", key="dashscope_dry_run")
    assert rehearsed["media"]["video_url"]["container"] == "mp4"
    assert rehearsed["estimated_cost"] > 0
    assert run.xcom("retalk", key="dashscope_task_id") is None
    assert s3.find("bucket") == ["bucket/presenter.mp4"]
