"""Airflow's whole API server with this package's pages in it, on a database of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import job_facts
import pytest
from connections import connect
from dag_readers import reader_of
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pytest_httpserver import HTTPServer
from sqlalchemy import delete
from variable_rows import VariableRows
from video_rows import add_runs, write_dags

from airflow_provider_videoretalk.job_history.history import JobHistory

Login = Callable[..., TestClient]
Runs = Callable[..., None]


@pytest.fixture(scope="session")
def database() -> None:
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)


@pytest.fixture(scope="session")
def server(database: None) -> Iterator[FastAPI]:
    """The API server's app."""
    from airflow.api_fastapi import app
    from airflow.configuration import conf

    settings = {
        "AIRFLOW__CORE__AUTH_MANAGER": "dag_readers.DagReaders",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of these tests, of sixty-four characters, or a few more",
    }
    os.environ |= settings
    # Airflow 3.1 caches nothing.
    getattr(conf, "invalidate_cache", lambda: None)()
    app.purge_cached_app()
    yield app.create_app(apps="core")
    for name in settings:
        os.environ.pop(name, None)
    app.purge_cached_app()


@pytest.fixture(scope="session")
def pages(server: FastAPI) -> FastAPI:
    """This package's pages, as Airflow mounted them."""
    (mounted,) = [route.app for route in server.routes if getattr(route, "path", "") == "/videoretalk"]  # type: ignore[attr-defined]
    assert isinstance(mounted, FastAPI)
    return mounted


@pytest.fixture
def login(server: FastAPI) -> Login:
    """A client that is logged in as a reader of these DAGs; without DAGs, one that is not logged in."""

    def log_in(*dags: str) -> TestClient:
        from airflow.api_fastapi.app import get_auth_manager

        client = TestClient(server)
        if dags:
            client.cookies["_token"] = get_auth_manager().generate_jwt(reader_of(*dags))
        return client

    return log_in


@pytest.fixture(scope="session")
def dags(server: FastAPI) -> None:
    write_dags()


@pytest.fixture
def runs(dags: None) -> Iterator[Runs]:
    """Adds runs of a DAG, the newest last. Other runs are deleted before the test, and these after it."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    def delete_all() -> None:
        with create_session(scoped=False) as session:
            session.execute(delete(DagRun))

    def add(dag_id: str, **runs: Any) -> None:
        with create_session(scoped=False) as session:
            add_runs(session, dag_id, runs, apart=timedelta(minutes=10))

    # Other tests of this process have left theirs.
    delete_all()
    yield add
    delete_all()


@pytest.fixture
def service(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """An HTTP server that ``dashscope_default`` points at."""
    from airflow_provider_videoretalk.ui.service_status import service_endpoint

    connect(monkeypatch, host=httpserver.url_for("/api/v1"))
    service_endpoint.cache.clear()
    return httpserver


@pytest.fixture
def variables(database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[VariableRows]:
    """Airflow's Variables, without a job history."""
    from airflow_provider_videoretalk.ui import spend

    # Airflow 3.1 and 3.2 have the table, too.
    monkeypatch.setattr(spend, "IS_KEPT", True)
    stored = VariableRows()
    # Tests that run DAGs leave a history in the same database.
    stored.delete_history()
    yield stored
    for key in list(stored):
        stored.delete(key)


@pytest.fixture
def history(variables: VariableRows) -> JobHistory:
    """A job history that is written now."""
    return JobHistory(variables, clock=lambda: job_facts.NOW)


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test gets the answers of another one, and a page waits for its own on a slow machine, too."""
    from airflow_provider_videoretalk.ui import recent_failures, result_page, service_status, spend, submitted_job

    shared = {
        recent_failures: "_READING",
        result_page: "_FAILURES",
        service_status: "_QUESTIONS",
        spend: "_SPENDS",
        submitted_job: "_LOOKUPS",
    }
    for module, name in shared.items():
        monkeypatch.setattr(module, name, replace(getattr(module, name), seconds=60.0))
    recent_failures._REASONS.clear()


@pytest.fixture
def published(tmp_path: Path) -> Callable[[str, bytes], dict[str, Any]]:
    """Publishes bytes as the publish operator does; returns what that returns."""

    def publish(task_id: str, content: bytes) -> dict[str, Any]:
        import hashlib
        import json

        path = tmp_path / f"{task_id}.mp4"
        path.write_bytes(content)
        metadata = {
            "task_id": task_id,
            "request_id": f"request-{task_id}",
            "uri": path.as_uri(),
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "script": "Good morning.",
            "language": "en",
        }
        path.with_name(f"{path.name}.json").write_text(json.dumps(metadata))
        return metadata

    return publish
