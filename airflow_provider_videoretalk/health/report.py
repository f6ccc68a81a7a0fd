"""What was found of each part, in one shape for the command and the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Part = Literal["connection", "key", "triggerer", "pool"]
"""
- ``connection``: Airflow can read it, and its settings are usable
- ``key``: the service answers, and accepts the key
- ``triggerer``: one is alive; deferred tasks wait on it
- ``pool``: it exists, and counts deferred tasks, so that only so many jobs are submitted at once
"""

State = Literal["well", "unwell", "unknown"]
"""``unknown``: it could not be told here, for the reason in the sentence."""

_WORST_FIRST: tuple[State, ...] = ("unwell", "unknown", "well")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of one part.

    :param subject: its name in Airflow: a connection, a pool; ``""`` for all triggerers
    :param sentence: what was found, with the reason if it is not well
    :param remedy: what a person can do; ``""`` if nothing is to be done
    """

    part: Part
    state: State
    sentence: str
    subject: str = ""
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        return {
            "part": self.part,
            "subject": self.subject,
            "state": self.state,
            "sentence": self.sentence,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, kw_only=True)
class HealthReport:
    """All findings, in the order in which they were asked for."""

    findings: Sequence[Finding]

    @property
    def state(self) -> State:
        """The worst of all."""
        states = {finding.state for finding in self.findings}
        return next((state for state in _WORST_FIRST if state in states), "unknown")

    @property
    def not_well(self) -> Sequence[Finding]:
        """The findings that a person should read, the worst first."""
        found = [finding for finding in self.findings if finding.state != "well"]
        return sorted(found, key=lambda finding: _WORST_FIRST.index(finding.state))

    def to_json(self) -> dict[str, Any]:
        return {"state": self.state, "findings": [finding.to_json() for finding in self.findings]}
