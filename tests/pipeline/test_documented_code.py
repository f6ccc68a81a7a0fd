"""Runs the Python code of the documentation and the README: DAG files on the emulator, tests of DAGs, and scripts."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.triggers.callback import CallbackTrigger
from documents import ROOT, Block, Page, blocks

from airflow_provider_videoretalk.emulator.server import Emulator

from .conftest import load

try:
    from airflow.serialization.serialized_objects import DagSerialization as Serialized
except ImportError:
    # Before Airflow 3.2.
    from airflow.serialization.serialized_objects import SerializedDAG as Serialized

PYTHON = blocks("python")
TESTING = Page(ROOT / "docs" / "testing-dags.md")
OTHERS = [block for block in PYTHON if not block.name.startswith(TESTING.name)]
DAGS = [block for block in OTHERS if "with DAG(" in block.code]
SCRIPTS = [block for block in OTHERS if block not in DAGS]
DAY = datetime(2026, 11, 2, tzinfo=timezone.utc)


def by_name(block: Block) -> str:
    return block.name


@pytest.fixture
def presenter(emulator: Emulator, s3: Any) -> None:
    """Puts the clip, the photo and the voice sample that the examples name into the store."""
    samples = emulator.base_url.removesuffix("/api/v1") + "/samples"
    for name, sample in (("presenter.mp4", "presenter.mp4"), ("anna.png", "portrait.png"), ("anna.wav", "speech.wav")):
        s3.pipe_file(f"bucket/clips/{name}", requests.get(f"{samples}/{sample}", timeout=60).content)


@pytest.mark.parametrize("block", DAGS, ids=by_name)
def test_dag(run_dag: Callable[..., Any], presenter: None, s3: Any, tmp_path: Path, block: Block) -> None:
    # One bucket replaces all buckets of the examples.
    code = block.code.replace("/tmp/videoretalk/", f"{tmp_path}/").replace("s3://aws_default@", "s3://weed@bucket/")
    dated = {"logical_date": DAY} if "logical_date" in code else {}
    dag = load(code, name="documented")
    if dag.deadline is not None:
        assert "team_alerts.batch_is_late" in str(Serialized.to_dict(dag))
        # Airflow 3.3.2 looks for a deadline in its database by all of its fields, and fails.
        dag.deadline = None
    assert run_dag(dag, **dated).state == "success"
    if dated:
        assert "bucket/videos/daily/2026-11-02.wav" in s3.find("bucket")


def test_the_callback_of_a_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As Airflow's triggerer calls it."""
    (code,) = [block.code for block in SCRIPTS if "async def batch_is_late" in block.code]
    (tmp_path / "team_alerts.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    run = {"dag_id": "batch_with_deadline", "dag_run_id": "manual__1"}
    trigger = CallbackTrigger("team_alerts.batch_is_late", {"channel": "videos", "context": {"dag_run": run}})

    async def states() -> list[str]:
        return [event.payload["state"] async for event in trigger.run()]

    assert asyncio.run(states()) == ["running", "success"]
    assert "For videos: run manual__1 of batch_with_deadline is late" in caplog.text


def test_the_tests_of_a_dag(database: None, tmp_path: Path) -> None:
    """As they are on the page, in a process of their own, on the database of this one."""
    for block in TESTING.blocks:
        if block.label == "python":
            name = re.findall(r"^`([\w/]+\.py)`", TESTING.text[: TESTING.text.index(block.code)], re.MULTILINE)[-1]
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.code)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__VIDEORETALK")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=tmp_path, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^3 passed", run.stdout, re.MULTILINE)


@pytest.mark.parametrize("block", SCRIPTS, ids=by_name)
def test_script(tmp_path: Path, block: Block) -> None:
    script = tmp_path / "script.py"
    script.write_text(block.code)
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
