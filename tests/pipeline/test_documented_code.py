"""Runs the Python code of the documentation and the README: DAG files on the emulator, and scripts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from documents import Block, blocks

from airflow_provider_videoretalk.emulator.server import Emulator

from .conftest import load

PYTHON = blocks("python")
DAGS = [block for block in PYTHON if "with DAG(" in block.code]
SCRIPTS = [block for block in PYTHON if block not in DAGS]


def by_name(block: Block) -> str:
    return block.name


@pytest.fixture
def presenter(emulator: Emulator, s3: Any) -> None:
    """Puts the clip, the photo and the voice sample that the examples name into the store."""
    samples = emulator.base_url.removesuffix("/api/v1") + "/samples"
    for name, sample in (("presenter.mp4", "presenter.mp4"), ("anna.png", "portrait.png"), ("anna.wav", "speech.wav")):
        s3.pipe_file(f"bucket/clips/{name}", requests.get(f"{samples}/{sample}", timeout=60).content)


@pytest.mark.parametrize("block", DAGS, ids=by_name)
def test_dag(run_dag: Callable[..., Any], presenter: None, tmp_path: Path, block: Block) -> None:
    # One bucket replaces all buckets of the examples.
    code = block.code.replace("/tmp/videoretalk/", f"{tmp_path}/").replace("s3://aws_default@", "s3://weed@bucket/")
    assert run_dag(load(code, name="documented")).state == "success"


@pytest.mark.parametrize("block", SCRIPTS, ids=by_name)
def test_script(tmp_path: Path, block: Block) -> None:
    script = tmp_path / "script.py"
    script.write_text(block.code)
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
