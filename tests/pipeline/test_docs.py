"""The examples in the documentation are DAG files that run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import load

EXAMPLES = re.findall(
    r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "operators.md").read_text(), re.DOTALL
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.search(r'DAG\("(\w+)"', example)[1])
def test_example(run_dag: Callable[..., Any], tmp_path: Path, example: str) -> None:
    dag = load(example.replace("/tmp/videoretalk/", f"{tmp_path}/"), name="example")
    assert run_dag(dag).state == "success"
