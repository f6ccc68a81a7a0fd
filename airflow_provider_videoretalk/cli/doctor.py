"""``doctor``: whether connection, key, triggerer and pool are well. Submits nothing."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from airflow_provider_videoretalk.health.report import Finding, HealthReport, Part, State

NAME = "doctor"
HELP = "tell whether connections, keys, triggerers and pool are well"
DESCRIPTION = """Tells whether what render jobs need is well. Submits nothing, and costs nothing. Run it where Airflow's
database can be read: on the scheduler's or the API server's machine."""

SCHEMA = 1
"""The version of the JSON. An incompatible change increments it."""

_EXIT_CODES: dict[State, ExitCode] = {
    "well": ExitCode.OK,
    "unwell": ExitCode.REFUSED,
    "unknown": ExitCode.UNAVAILABLE,
}
_MARKS: dict[State, str] = {"well": "ok", "unwell": "NOT OK", "unknown": "unknown"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--connection",
        action="append",
        metavar="ID",
        help="a connection to check; may be given several times. By default, all of type dashscope in Airflow's "
        "database, or dashscope_default if there is none",
    )
    parser.add_argument("--pool", default="videoretalk", metavar="NAME", help="the pool; videoretalk by default")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(options: argparse.Namespace) -> ExitCode:
    """Prints one line for each part, and returns the worst."""
    report = health_report(connections=options.connection, pool=options.pool)
    exit_code = _EXIT_CODES[report.state]
    if options.json:
        result = {"schema": SCHEMA, "exit_code": int(exit_code), **report.to_json()}
        print(json.dumps(result, ensure_ascii=False, indent=2))
        return exit_code
    for finding in report.findings:
        remedy = f" {finding.remedy}" if finding.remedy else ""
        print(f"{_MARKS[finding.state]:8}{finding.part:11}{finding.sentence}{remedy}")
    return exit_code


def health_report(*, connections: list[str] | None, pool: str) -> HealthReport:
    """Asks Airflow's database and the service.

    :param connections: ``None`` for those that Airflow's database has
    """
    from airflow_provider_videoretalk.health.report import HealthReport

    # A process of Airflow's own kind: else its hooks do not read connections in the database.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    try:
        from airflow.utils.session import create_session

        from airflow_provider_videoretalk.health import airflow_health
    except Exception as error:
        parts: tuple[Part, ...] = ("connection", "key", "triggerer", "pool")
        return HealthReport(findings=[_unknown(part, "Airflow cannot be loaded", error) for part in parts])

    def ask(question: Callable[[Any], Any]) -> Any:
        with create_session(scoped=False) as session:
            return question(session)

    findings = []
    for conn_id in connections or _connections(ask):
        findings += _endpoint_findings(conn_id)
    questions: dict[Part, Callable[[Any], Finding]] = {
        "triggerer": airflow_health.triggerer_finding,
        "pool": lambda session: airflow_health.pool_finding(session, name=pool),
    }
    for part, question in questions.items():
        try:
            findings.append(ask(question))
        except Exception as error:
            findings.append(_unknown(part, "Airflow's database cannot be read here", error))
    return HealthReport(findings=findings)


def _connections(ask: Callable[[Any], Any]) -> list[str]:
    from airflow_provider_videoretalk.health.airflow_health import dashscope_connections

    try:
        found: list[str] = ask(dashscope_connections)
    except Exception:
        found = []
    return found or ["dashscope_default"]


def _endpoint_findings(conn_id: str) -> list[Finding]:
    from airflow_provider_videoretalk.health.endpoint_health import endpoint_findings
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

    return endpoint_findings(DashScopeHook(conn_id))


def _unknown(part: Part, reason: str, error: Exception) -> Finding:
    from airflow_provider_videoretalk.health.report import Finding

    # Not the text of the error: that of a database may have its URL with a password.
    sentence = f"{reason}: {type(error).__name__}."
    return Finding(part=part, state="unknown", sentence=sentence, remedy="Run it where the scheduler runs.")
