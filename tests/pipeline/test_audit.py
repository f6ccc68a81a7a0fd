"""The audit as a team would copy it, run by Airflow: a render job that no task waited for is saved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from connections import connect
from system.service import ClipServer, content
from system.waiting import until
from variable_rows import VariableRows

from airflow_provider_videoretalk.airflow_adapters.variable_store import HAS_KEYS
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

from .conftest import Run, load

AUDIT = Path(__file__).parents[2] / "dags" / "videoretalk_audit.py"
LOST = """
from airflow.sdk import DAG

from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

with DAG("lost_track_of", schedule=None, params={"clips": ""}):
    VideoRetalkOperator(
        task_id="retalk",
        video_url="{{ params.clips }}video.mp4",
        audio_url="{{ params.clips }}speech.wav",
        dashscope_conn_id="gateway",
        # The pictures of the stand-in clips are no pictures.
        preflight="off",
        wait_for_completion=False,
    )
"""
RENDERED_WITHIN = 300.0


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """A gateway at a private address, which returns each video unchanged; the default connection leads elsewhere."""
    settings = EmulatorSettings(port=0, render_factor=0, queries_per_second=1000)
    with Emulator(settings, engine=FakeEngine()) as running:
        connect(monkeypatch, host=running.base_url, name="gateway")
        connect(monkeypatch, host="https://dashscope.example/api/v1")
        yield running


@pytest.fixture
def clips() -> Iterator[ClipServer]:
    server = ClipServer()
    yield server
    server.close()


@pytest.fixture
def history(database: None) -> Iterator[VariableRows]:
    """The Variables, without the job history of other tests."""
    rows = VariableRows()
    rows.delete_history()
    yield rows
    rows.delete_history()


def audited() -> Run:
    return Run(load(AUDIT.read_text(), name="videoretalk_audit").test())


def test_a_job_that_airflow_lost_track_of_is_published(
    service: Emulator, clips: ClipServer, history: VariableRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_VIDEORETALK_FOLDER", f"{tmp_path.as_uri()}/")
    lost = Run(load(LOST, name="lost_track_of").test(run_conf={"clips": clips.url("")}))
    assert lost.state == "success"
    (job,) = service.state.jobs.values()
    until(lambda: job.status == "SUCCEEDED", what="the video is made", within=RENDERED_WITHIN)
    audit = audited()
    if not HAS_KEYS:
        # Airflow 3.1 and 3.2 keep no history.
        assert audit.states("audit") == ["skipped"]
        return
    assert audit.state == "success"
    (found,) = audit.xcom("audit")
    assert (found["task_id"], found["billed_seconds"]) == (job.task_id, 3.0)
    assert audit.xcom("audit", key="dashscope_audit")["outcomes"] == {"savable": 1}
    assert (tmp_path / "audit" / f"{job.task_id}.mp4").read_bytes() == content("video.mp4")
    assert audited().xcom("audit") == [], "it is published"
