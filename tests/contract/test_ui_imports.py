"""Only one package of the pages uses Airflow's private parts, so a new line of Airflow changes that package alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_videoretalk.ui as ui

ROOM = Path(ui.__file__).parent
PUBLIC = ("airflow.sdk",)
ALSO = {
    # FastAPI dependencies of Airflow's own API: who may see what.
    "permissions.py": ("airflow.api_fastapi",),
    # What a plugin is made of.
    "plugin.py": ("airflow.plugins_manager", "airflow.providers.common.compat.sdk"),
}
FILES = [path for path in sorted(ROOM.rglob("*.py")) if "airflow_db" not in path.parts]


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports when it runs, at its top or in a function."""
    tree = ast.parse(path.read_text())
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            # The type of a session is the one name that pages may know.
            if node not in typing or module != "sqlalchemy.orm":
                yield module


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_pages_use_no_private_part_of_airflow(path: Path) -> None:
    allowed = (*PUBLIC, *ALSO.get(path.name, ()))
    private = [
        name
        for name in imported(path)
        if name.split(".")[0] in ("airflow", "sqlalchemy", "sqlalchemy_utils") and not name.startswith(allowed)
    ]
    assert private == []


def test_the_package_is_where_they_are_used() -> None:
    found = {name for path in (ROOM / "airflow_db").glob("*.py") for name in imported(path)}
    assert {"airflow.models.taskinstance", "sqlalchemy"} <= found
