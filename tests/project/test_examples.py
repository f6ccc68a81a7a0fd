"""All DAGs that people copy have retries, since any task of Airflow can fail for a moment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from documents import ROOT, Block, blocks

DAG_FILES = sorted((ROOT / "dags").glob("*.py"))
EXAMPLES = [block for block in blocks("python") if "with DAG(" in block.code]


def check(names: dict[str, Any]) -> None:
    dags = [value for value in names.values() if isinstance(value, DAG)]
    assert dags
    for task in (task for dag in dags for task in dag.tasks):
        assert task.retries == 3, task.task_id
        assert task.retry_delay >= timedelta(seconds=5), task.task_id


def run(code: str, name: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "example", "__doc__": ""}
    found: list[DAG] = []
    entered = DAG.__enter__

    def enter(dag: DAG) -> DAG:
        found.append(dag)
        return entered(dag)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DAG, "__enter__", enter)
        exec(compile(code, name, "exec"), names)
    return {dag.dag_id: dag for dag in found}


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_example_dags(path: Path) -> None:
    check(run(path.read_text(), str(path)))


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: block.name)
def test_documented_dags(block: Block) -> None:
    check(run(block.code, block.name))
