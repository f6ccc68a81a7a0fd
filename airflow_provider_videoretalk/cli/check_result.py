"""The result of ``check``, as JSON by ``check.schema.json``. An incompatible change increments ``SCHEMA``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from airflow_provider_videoretalk.cli.exit_code import ExitCode
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError
from airflow_provider_videoretalk.inputs.preflight_report import PreflightReport

SCHEMA = 1

Outcome = Literal["accepted", "refused", "unavailable"]

_EXIT_CODES: dict[Outcome, ExitCode] = {
    "accepted": ExitCode.OK,
    "refused": ExitCode.REFUSED,
    "unavailable": ExitCode.UNAVAILABLE,
}


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of ``check``.

    :param report: ``None`` if no input could be read
    :param max_cost: as given on the command line
    :param error: why the inputs are not accepted
    """

    report: PreflightReport | None
    max_cost: Decimal | None
    error: DashScopeError | None = None

    @property
    def outcome(self) -> Outcome:
        if self.error is None:
            return "accepted"
        return "refused" if isinstance(self.error, InputError) else "unavailable"

    @property
    def exit_code(self) -> ExitCode:
        return _EXIT_CODES[self.outcome]

    @property
    def sentences(self) -> Iterator[str]:
        """The report for people to read."""
        yield from self.report.sentences if self.report else ()

    def to_json(self) -> dict[str, Any]:
        inspection = self.report.inspection if self.report else None
        return {
            "schema": SCHEMA,
            "outcome": self.outcome,
            "exit_code": int(self.exit_code),
            "inputs": self._inputs(),
            "parameters": dict(self.report.parameters) if self.report else {},
            "findings": [
                {
                    "field": finding.field,
                    "message": finding.message,
                    "remedy": finding.remedy,
                    "code": finding.code,
                }
                for finding in (inspection.findings if inspection else ())
            ],
            "not_checked": list(inspection.unchecked) if inspection else [],
            "url_warnings": list(inspection.url_warnings) if inspection else [],
            "estimate": self._estimate(),
            "max_cost": None if self.max_cost is None else float(self.max_cost),
            "error": self._error(),
        }

    def _inputs(self) -> dict[str, Any]:
        if self.report is None:
            return {}
        media = self.report.to_json()["media"]
        return {
            field: {"location": description, "media": media.get(field)}
            for field, description in self.report.descriptions.items()
        }

    def _estimate(self) -> dict[str, Any] | None:
        if self.report is None:
            return None
        estimate = self.report.estimate
        return {
            "seconds": estimate.seconds,
            "cost": float(estimate.cost),
            "exact": estimate.exact,
            "price": estimate.price.to_json(),
        }

    def _error(self) -> dict[str, Any] | None:
        if self.error is None:
            return None
        error = self.error
        return {"type": type(error).__name__, "message": error.message, "remedy": error.remedy, "code": error.code}
