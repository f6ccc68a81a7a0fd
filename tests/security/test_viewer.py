"""A Viewer of one DAG sees and reaches that DAG alone, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from video_rows import finished_run

DAG = "videoretalk_quickstart"
PAGE = f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1"
PARTS = ("status", "outcome", "failure", "media/source", "media/result")
ADDRESSES = [PAGE, *(f"{PAGE}/{part}" for part in PARTS)]
Runs = Callable[..., None]
Login = Callable[..., TestClient]


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_of_another_dag(address: str, runs: Runs, login: Login) -> None:
    runs(DAG, one=finished_run("t", script="a secret script"))
    for client in (login("videoretalk_review"), login()):
        reply = client.get(address, follow_redirects=False)
        assert reply.status_code != 200
        assert "secret" not in reply.text


def test_no_signed_url_and_no_connection(runs: Runs, login: Login) -> None:
    runs(DAG, one=finished_run("t"))
    for address in ADDRESSES[:4]:
        page = login(DAG).get(address).text
        assert "secret-of" not in page
        assert "Signature" not in page


def test_pages_only_read(server: FastAPI) -> None:
    (pages,) = [route.app for route in server.routes if getattr(route, "path", "") == "/videoretalk"]  # type: ignore[attr-defined]
    methods: set[Any] = {method for route in pages.routes for method in getattr(route, "methods", None) or ()}
    assert methods <= {"GET", "HEAD"}
