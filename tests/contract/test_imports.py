"""Parsing a DAG loads none of what a task needs when it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_videoretalk.provider_info import get_provider_info

HEAVY = (
    "requests",
    "aiohttp",
    "airflow.providers.http.hooks",
    "av",
    "numpy",
    "onnxruntime",
    "PIL",
    "uvicorn",
    "dashscope",
)
DAGS = sorted((Path(__file__).parents[2] / "dags").glob("*.py"))
MODULES = [
    module
    for kind in ("operators", "sensors", "triggers")
    for entry in get_provider_info()[kind]
    for module in entry["python-modules"]
] + [entry["class-name"].rpartition(".")[0] for entry in get_provider_info()["task-decorators"]]


def loaded_by(statement: str) -> list[str]:
    """The modules that ``statement`` loads into a process that has ``airflow.sdk``."""
    program = f"""
import json, sys
from airflow.sdk import *
before = set(sys.modules)
{statement}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("module", MODULES)
def test_modules(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert module in loaded
    assert [name for name in loaded if name.startswith(HEAVY)] == []


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_dags(path: Path) -> None:
    loaded = loaded_by(f"import runpy; runpy.run_path({str(path)!r})")
    assert "airflow_provider_videoretalk.operators.publish" in loaded
    assert [name for name in loaded if name.startswith(HEAVY)] == []
