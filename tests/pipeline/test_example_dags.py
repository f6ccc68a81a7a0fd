"""The example DAGs as a team would copy them, run by Airflow on the emulator: real speech, real video, real files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from airflow.sdk import DAG
from connections import API_KEY
from recognition import heard_share

from .conftest import load

DAGS = Path(__file__).parents[2] / "dags"
SCRIPT = "Good morning, and welcome to the morning news. The weather is warm and the people are happy."

RunDag = Callable[..., Any]


def example(name: str) -> DAG:
    return load((DAGS / f"{name}.py").read_text(), name=name)


def local(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))


def check_video(path: Path) -> None:
    with av.open(str(path)) as container:
        assert {stream.type: stream.codec_context.name for stream in container.streams} == {
            "video": "h264",
            "audio": "aac",
        }
        assert sum(1 for _ in container.decode(video=0)) > 25


def test_quickstart(run_dag: RunDag, tmp_path: Path) -> None:
    run = run_dag(example("videoretalk_quickstart"), script=SCRIPT, destination=f"{tmp_path.as_uri()}/")
    assert run.state == "success"
    published = run.xcom("publish")
    video = local(published["uri"])
    check_video(video)
    assert heard_share(video, SCRIPT) >= 0.6
    assert json.loads(local(published["metadata_uri"]).read_text())["script"] == SCRIPT
    assert published["billed_seconds"] == pytest.approx(run.xcom("speech")["seconds"], abs=0.1)
    retalk = run.xcom("retalk")
    assert run.xcom("retalk", key="dashscope_task_id") == retalk["task_id"] == published["task_id"]
    assert retalk["queue_seconds"] >= 0
    assert retalk["render_seconds"] > 0


def test_submit_and_sense(run_dag: RunDag, tmp_path: Path) -> None:
    run = run_dag(example("videoretalk_submit_and_sense"), destination=f"{tmp_path.as_uri()}/out.mp4")
    assert run.state == "success"
    submitted, result = run.xcom("submit"), run.xcom("wait")
    assert (submitted["task_id"], submitted["status"]) == (result["task_id"], "PENDING")
    assert result["inputs"] == submitted["inputs"]
    assert result["cost"] == pytest.approx(0.08 * result["billed_seconds"])
    check_video(tmp_path / "out.mp4")


def test_localize_goes_on_past_a_bad_script(run_dag: RunDag, tmp_path: Path) -> None:
    scripts = {
        "en": SCRIPT,
        "fr": "Non.",
        "zh": "早上好，欢迎来到我们的春季系列。每一件都经久耐用，物有所值。",
    }
    run = run_dag(example("videoretalk_localize"), scripts=scripts, destination=f"{tmp_path.as_uri()}/")
    assert run.states("localize.speech") == ["success", "failed", "success"]
    assert run.states("localize.retalk") == ["success", "upstream_failed", "success"]
    table = json.loads((tmp_path / "manifest.json").read_text())
    assert table == run.xcom("manifest")
    assert list(table) == ["en", "fr", "zh"]
    assert table["fr"] is None
    check_video(local(table["en"]))
    check_video(local(table["zh"]))
    assert heard_share(local(table["en"]), SCRIPT) >= 0.6


def test_a_failing_run_keeps_the_key_to_itself(
    run_dag: RunDag, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    run = run_dag(
        example("videoretalk_quickstart"),
        script=SCRIPT,
        video="http://127.0.0.1:9/none.mp4",
        destination=f"{tmp_path.as_uri()}/",
    )
    assert run.states("retalk") == ["failed"]
    output = capfd.readouterr()
    said = output.out + output.err + caplog.text
    assert "InvalidURL" in said
    assert "ended FAILED" in said
    assert API_KEY not in said
    assert not list(tmp_path.iterdir())
