"""The health line of the board, and the command that tells the same, on Airflow's real tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from connections import API_KEY
from dag_readers import reader_of  # noqa: F401 - the auth manager of the server
from fastapi.testclient import TestClient
from pytest_httpserver import HTTPServer
from sqlalchemy import delete, select

from airflow_provider_videoretalk.health.airflow_health import pool_finding, triggerer_finding
from airflow_provider_videoretalk.ui import health_line
from airflow_provider_videoretalk.ui.airflow_db.own_session import call_with_session
from airflow_provider_videoretalk.ui.shared_answers import SharedAnswers

REMEDY = "airflow pools set videoretalk 3 'Render jobs' --include-deferred"


@pytest.fixture
def airflow(database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No triggerer and no pool, and nothing that an earlier test has asked."""
    from airflow.jobs.job import Job
    from airflow.models.pool import Pool

    def clean(session: Any) -> None:
        session.execute(delete(Job).where(Job.job_type == "TriggererJob"))
        session.execute(delete(Pool).where(Pool.pool != "default_pool"))

    call_with_session(clean)
    monkeypatch.setattr(health_line, "_QUESTIONS", SharedAnswers(seconds=30.0, threads=1, threads_each=1))
    yield
    call_with_session(clean)


def add_triggerer(*, seconds_ago: float, state: str = "running") -> None:
    from airflow.jobs.job import Job

    def add(session: Any) -> None:
        job = Job(job_type="TriggererJob", state=state)
        job.latest_heartbeat = datetime.now(timezone.utc) - timedelta(seconds=seconds_ago)
        session.add(job)

    call_with_session(add)


def add_pool(*, slots: int = 3, include_deferred: bool = True) -> None:
    from airflow.models.pool import Pool

    call_with_session(
        lambda session: session.add(
            Pool(pool="videoretalk", slots=slots, description="", include_deferred=include_deferred)
        )
    )


def test_no_triggerer_was_ever_there(airflow: None) -> None:
    finding = call_with_session(triggerer_finding)
    assert finding.state == "unwell"
    assert finding.sentence == "No triggerer is alive: none has ever run. Deferred tasks do not go on."


def test_a_triggerer_that_fell_silent(airflow: None) -> None:
    add_triggerer(seconds_ago=3600)
    finding = call_with_session(triggerer_finding)
    assert finding.state == "unwell"
    assert finding.sentence.startswith("No triggerer is alive: the last sign of one was at 2")


@pytest.mark.parametrize(("others", "words"), [(0, "1 triggerer is alive."), (2, "3 triggerers are alive.")])
def test_triggerers_that_are_alive(airflow: None, others: int, words: str) -> None:
    add_triggerer(seconds_ago=3600)
    for _ in range(1 + others):
        add_triggerer(seconds_ago=1)
    finding = call_with_session(triggerer_finding)
    assert (finding.state, finding.sentence) == ("well", words)


@pytest.mark.parametrize(
    ("pool", "state", "sentence"),
    [
        (None, "unwell", "There is no pool 'videoretalk'. Tasks that name it are never scheduled."),
        ({"slots": 3}, "well", "The pool 'videoretalk' has 3 slots, and counts deferred tasks."),
        ({"slots": -1}, "well", "The pool 'videoretalk' has slots without a limit, and counts deferred tasks."),
        ({"slots": 0}, "unwell", "The pool 'videoretalk' has no slots, so its tasks wait for ever."),
        (
            {"include_deferred": False},
            "unwell",
            "The pool 'videoretalk' does not count deferred tasks, so it limits no render jobs.",
        ),
    ],
)
def test_pools(airflow: None, pool: dict[str, Any] | None, state: str, sentence: str) -> None:
    if pool is not None:
        add_pool(**pool)
    finding = call_with_session(pool_finding)
    assert (finding.state, finding.sentence) == (state, sentence)
    assert finding.remedy.endswith(REMEDY) == (state == "unwell")


def test_a_board_does_not_know_the_pools_of_others(airflow: None) -> None:
    finding = call_with_session(lambda session: pool_finding(session, missing="unknown"))
    assert finding.state == "unknown"
    words = "There is no pool 'videoretalk'. Whether tasks have a pool of another name is not known here."
    assert finding.sentence == words


def counts(service: HTTPServer, *, status: int = 200) -> None:
    body: dict[str, Any] = {"request_id": "r", "total": 0, "data": [], "total_page": 0}
    if status != 200:
        body = {"code": "InvalidApiKey", "message": "Invalid API-key provided.", "request_id": "r"}
    service.expect_request("/api/v1/tasks/").respond_with_json(body, status=status)
    service.expect_request("/api/v1/tasks").respond_with_json(body, status=status)


def test_the_line_of_a_board_where_all_is_well(
    login: Callable[..., TestClient], service: HTTPServer, airflow: None, runs: Any
) -> None:
    counts(service)
    add_triggerer(seconds_ago=1)
    add_pool()
    page = login("retalk").get("/videoretalk/health")
    assert page.status_code == 200
    assert 'data-health="well"' in page.text


def test_the_line_names_what_is_not_well(
    login: Callable[..., TestClient], service: HTTPServer, airflow: None, runs: Any
) -> None:
    counts(service, status=401)
    add_pool(include_deferred=False)
    text = login("retalk").get("/videoretalk/health").text
    assert 'data-health="unwell"' in text
    assert "<strong>Key not well:</strong> The service refuses the key of the connection" in text
    assert "<strong>Triggerer not well:</strong> No triggerer is alive" in text
    assert "<strong>Pool not well:</strong>" in text
    assert API_KEY not in text


def test_the_line_says_why_it_cannot_tell(
    login: Callable[..., TestClient], service: HTTPServer, airflow: None, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError("postgresql://airflow:secret@db/airflow")

    counts(service)
    monkeypatch.setattr(health_line, "call_with_session", fail)
    text = login("retalk").get("/videoretalk/health").text
    assert 'data-health="unknown"' in text
    assert "<strong>Triggerer not known:</strong> Airflow&#39;s database does not tell: OSError." in text
    assert "secret" not in text


def test_many_boards_ask_airflow_once(
    login: Callable[..., TestClient], service: HTTPServer, airflow: None, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(health_line, "call_with_session", lambda question: asked.append(question) or [])  # type: ignore[func-returns-value]
    counts(service)
    for _ in range(3):
        login("retalk").get("/videoretalk/health")
    assert len(asked) == 1


def test_the_line_needs_a_login(login: Callable[..., TestClient], airflow: None) -> None:
    assert login().get("/videoretalk/health").status_code == 401


def doctor(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    process = [sys.executable, "-m", "airflow_provider_videoretalk", "doctor", *arguments]
    environment = os.environ | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"} | env
    return subprocess.run(process, capture_output=True, text=True, timeout=120, check=False, env=environment)


def test_the_doctor_where_all_is_well(service: HTTPServer, airflow: None) -> None:
    from unknown_jobs import know_no_job

    know_no_job(service)
    counts(service)
    add_triggerer(seconds_ago=1)
    add_pool()
    done = doctor("--connection", "dashscope_default")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "ok      connection The connection 'dashscope_default' can be read.",
        "ok      key        The service accepts the key of 'dashscope_default'. 0 render jobs are in its queue.",
        "ok      triggerer  1 triggerer is alive.",
        "ok      pool       The pool 'videoretalk' has 3 slots, and counts deferred tasks.",
    ]


def test_the_doctor_reads_connections_in_airflow_s_database(service: HTTPServer, airflow: None) -> None:
    from airflow.models.connection import Connection

    def stored(session: Any) -> None:
        session.execute(delete(Connection).where(Connection.conn_id == "stored"))
        session.add(Connection(conn_id="stored", conn_type="dashscope", host=service.url_for("/api/v1")))

    def removed(session: Any) -> None:
        session.delete(session.scalar(select(Connection).where(Connection.conn_id == "stored")))

    call_with_session(stored)
    try:
        done = doctor("--json", "--pool", "other")
    finally:
        call_with_session(removed)
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit_code"], told["schema"], told["state"]) == (1, 1, 1, "unwell")
    found = [(finding["part"], finding["subject"], finding["state"]) for finding in told["findings"]]
    assert found == [
        ("connection", "stored", "unwell"),
        ("key", "stored", "unknown"),
        ("triggerer", "", "unwell"),
        ("pool", "other", "unwell"),
    ]
    assert (
        told["findings"][0]["sentence"] == "The connection 'stored' is not usable: connection 'stored' has no API key."
    )


def test_the_doctor_without_a_database_says_so(service: HTTPServer) -> None:
    from unknown_jobs import know_no_job

    know_no_job(service)
    counts(service)
    done = doctor("--json", AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="sqlite:////nowhere/airflow.db")
    told = json.loads(done.stdout)
    assert (done.returncode, told["state"]) == (3, "unknown")
    assert [finding["state"] for finding in told["findings"]] == ["well", "well", "unknown", "unknown"]
    assert told["findings"][2]["sentence"].startswith("Airflow's database cannot be read here: ")
