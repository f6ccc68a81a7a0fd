"""What an operator of Airflow should be able to count: every step that spends, saves or loses money."""

from __future__ import annotations

from typing import Literal, Protocol

SpendEvent = Literal["submit", "adopt", "duplicate_prevented", "cancel", "loss"]
"""``loss``: a task that was submitted and whose result can't be had."""


class Audit(Protocol):
    """Notes one event about a task, with a sentence on why."""

    def __call__(self, event: SpendEvent, task_id: str, reason: str, /) -> None: ...
