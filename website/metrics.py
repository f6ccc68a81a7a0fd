"""The page of the metrics, made from the vocabulary of events that the package counts."""

from __future__ import annotations

import ast
import inspect
import re
from itertools import pairwise

from airflow_provider_videoretalk.submission import spend_event
from website.markdown import code, table

_BEGIN = """# Metrics

Counters of Airflow's own metrics, wherever Airflow sends them. Each has a line `spend <event>` in the task's log too.
[How to find out](../billing.md#how-to-find-out) says what else tells of money.

"""


def page() -> str:
    return _BEGIN + table(("metric", "counts"), [(code(f"videoretalk.{name}"), text) for name, text in events()])


def events() -> list[tuple[str, str]]:
    """Each event with its meaning, by the text below the type ``SpendEvent``."""
    for before, after in pairwise(ast.parse(inspect.getsource(spend_event)).body):
        is_type = isinstance(before, ast.Assign) and ast.unparse(before.targets[0]) == "SpendEvent"
        if is_type and isinstance(after, ast.Expr):
            return re.findall(r"^- ``(\w+)``: (.+)$", ast.literal_eval(after.value), re.MULTILINE)
    raise LookupError("SpendEvent has no text below it")
