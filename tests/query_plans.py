"""How a database answers a statement: the statements of a page, and the nodes of PostgreSQL's plan of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

Statement = tuple[str, Any]
Node = dict[str, Any]


def statements_of(engine: Engine, page: Callable[[Session], object]) -> list[Statement]:
    """The statements of a page, with their parameters."""
    found: list[Statement] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        with Session(engine) as session:
            page(session)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return found


def nodes_of(engine: Engine, statement: str, parameters: Any) -> Iterator[Node]:
    """The nodes of PostgreSQL's plan, which runs."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
    yield from _below(rows[0]["Plan"])


def rows_read(node: Node) -> int:
    """How many rows a node has read, in all its rounds."""
    found = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return round(found * node["Actual Loops"])


def _below(plan: Node) -> Iterator[Node]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _below(inner)
