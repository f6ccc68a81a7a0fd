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


# Each statement runs in a fork of one process, for airflow.sdk takes a second to import.
PROGRAM = """
import json, os, sys, traceback
from airflow.sdk import *
before = set(sys.modules)
for statement in json.load(sys.stdin):
    if os.fork() == 0:
        try:
            exec(statement, {})
            print("loaded", json.dumps(sorted(set(sys.modules) - before)), flush=True)
        except BaseException:
            print("loaded", json.dumps([traceback.format_exc()]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """The modules that each statement loads into a process that has ``airflow.sdk``."""
    statements = [*map(importing, MODULES), *map(running, DAGS)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps(statements), check=True, stdout=subprocess.PIPE, text=True
    )
    found = [
        json.loads(line.removeprefix("loaded ")) for line in done.stdout.splitlines() if line.startswith("loaded ")
    ]
    return dict(zip(statements, found, strict=True))


def importing(module: str) -> str:
    return f"import {module}"


def running(path: Path) -> str:
    return f"import runpy; runpy.run_path({str(path)!r})"


@pytest.mark.parametrize("module", MODULES)
def test_modules(loaded: dict[str, list[str]], module: str) -> None:
    found = loaded[importing(module)]
    assert module in found
    assert [name for name in found if name.startswith(HEAVY)] == []


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_dags(loaded: dict[str, list[str]], path: Path) -> None:
    found = loaded[running(path)]
    assert "airflow_provider_videoretalk.operators.publish" in found
    assert [name for name in found if name.startswith(HEAVY)] == []
