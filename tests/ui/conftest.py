"""Airflow's whole API server with this package's pages in it, on a database of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from connections import connect
from dag_readers import reader_of
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pytest_httpserver import HTTPServer
from sqlalchemy import delete
from video_rows import add_runs, write_dags

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
    conf.invalidate_cache()
    app.purge_cached_app()
    yield app.create_app(apps="core")
    for name in settings:
        del os.environ[name]
    app.purge_cached_app()


@pytest.fixture(scope="session")
def pages(server: FastAPI) -> FastAPI:
    """This package's pages, as Airflow mounted them."""
    (mounted,) = [route.app for route in server.routes if getattr(route, "path", "") == "/videoretalk"]  # type: ignore[attr-defined]
    assert isinstance(mounted, FastAPI)
    return mounted


@pytest.fixture
def login(server: FastAPI) -> Login:
    """A browser of somebody who may read these DAGs; of nobody without any."""

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
    """Adds runs of a DAG, the later ones the newer; they are gone at the end."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    def add(dag_id: str, **runs: Any) -> None:
        with create_session(scoped=False) as session:
            add_runs(session, dag_id, runs, apart=timedelta(minutes=10))

    yield add
    with create_session(scoped=False) as session:
        session.execute(delete(DagRun))


@pytest.fixture
def service(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """An HTTP server that ``dashscope_default`` points at."""
    from airflow_provider_videoretalk.ui.service import host_of

    connect(monkeypatch, host=httpserver.url_for("/api/v1"))
    host_of.cache.clear()
    return httpserver


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
