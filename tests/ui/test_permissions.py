"""Every route, as nobody, as a reader of another DAG, and as a reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from video_rows import NOW, finished_run

from airflow_provider_videoretalk.airflow_adapters.variable_store import HAS_KEYS

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Nothing from other sites, no inline script, and frames only within Airflow."""

MINE, OTHER = "videoretalk_quickstart", "videoretalk_batch"
CONTENT = bytes(range(256)) * 64
WITHOUT_DAG = {"/videoretalk/spend.csv": 200 if HAS_KEYS else 404}
"""There is no CSV where Airflow keeps no history."""

SECRETS = ("secret-of-result", "secret-of-speech", "secret-of-source", "Signature")

Runs = Callable[..., None]
Publish = Callable[[str, bytes], dict[str, Any]]
Login = Callable[..., TestClient]


@pytest.fixture
def one_video(runs: Runs, published: Publish) -> None:
    publication = published("task-one", CONTENT) | {"script": "Only for readers."}
    runs(MINE, one=finished_run("task-one", published=publication))


def addresses(pages: FastAPI) -> list[str]:
    """One address for each route that the app has."""
    values = {"dag_id": MINE, "run_id": "one", "task_id": "retalk", "map_index": "-1", "part": "result"}
    files = {"name": "videoretalk.css"}
    found = [route.path for route in _flat(pages.routes)]
    return sorted({f"/videoretalk{path.format(**values, **files)}" for path in found})


def _flat(routes: Any) -> list[Any]:
    """All routes; newer FastAPI keeps those of an included router together, in one attribute or another."""
    found: list[Any] = []
    for route in routes:
        inner = getattr(getattr(route, "original_router", route), "routes", None)
        found += [route] if hasattr(route, "path") and not inner else _flat(inner or [])
    return found


def test_all_routes_are_known(pages: FastAPI) -> None:
    here = f"/videoretalk/dags/{MINE}/runs/one/tasks/retalk/-1"
    assert addresses(pages) == sorted(
        [
            f"/videoretalk/{name}"
            for name in ("", "videos", "batches", "health", "queue", "spend", "failures", "static/videoretalk.css")
        ]
        + [here, *(f"{here}/{name}" for name in ("status", "outcome", "failure", "media/result"))]
        + [f"/videoretalk/spend{part}" for part in ("/panel", ".csv")]
        + [f"{here.partition('/tasks/')[0]}/batch{part}" for part in ("", "/rows", ".csv")]
    )


@pytest.mark.usefixtures("one_video")
def test_nobody_sees_anything(pages: FastAPI, login: Login) -> None:
    for address in addresses(pages):
        reply = login().get(address)
        assert reply.status_code == 401, address
        assert "task-one" not in reply.text
        assert login(MINE).head(address).status_code == 405, "there is no other way in"


@pytest.mark.usefixtures("one_video")
def test_a_forged_login_is_none(pages: FastAPI, login: Login) -> None:
    client = login()
    client.cookies["_token"] = "eyJhbGciOiJIUzI1NiJ9.e30.forged"
    for address in addresses(pages):
        assert client.get(address).status_code in (401, 403), address


@pytest.mark.usefixtures("one_video")
def test_the_reader_of_another_dag_sees_nothing_of_it_by_any_id(pages: FastAPI, login: Login) -> None:
    client = login(OTHER)
    for address in addresses(pages):
        reply = client.get(address)
        assert reply.status_code == (403 if "/dags/" in address else WITHOUT_DAG.get(address, 200)), address
        assert "task-one" not in reply.text
        assert "Only for readers." not in reply.text
    for query in (
        f"?dag={MINE}",
        f"?dag_id={OTHER}&dag={MINE}",
        "?after=999.9.z",
        "?state=done",
        f"?day={NOW.date()}",
        "?q=readers",
    ):
        assert "/dags/" not in client.get(f"/videoretalk/{query}").text.partition('<ul class="grid">')[2], query
    # Ids of his own DAG in the path, or in the query, open nothing of another's run.
    for dag in (OTHER, "~", f"{OTHER}%2F..%2F{MINE}", f"{OTHER}/runs/x/../../{MINE}"):
        reply = client.get(f"/videoretalk/dags/{dag}/runs/one/tasks/retalk/-1?dag_id={OTHER}")
        assert reply.status_code in (403, 404), dag
        assert "task-one" not in reply.text


@pytest.mark.usefixtures("one_video")
def test_a_reader_sees_all_of_it_and_no_signed_url(pages: FastAPI, login: Login) -> None:
    client = login(MINE)
    for address in addresses(pages):
        reply = client.get(address)
        # The DAG makes no batch.
        expected = 404 if "/one/batch" in address else WITHOUT_DAG.get(address, 200)
        assert reply.status_code == expected, (address, reply.text)
        assert not [secret for secret in SECRETS if secret in reply.text], address
    page = client.get(f"/videoretalk/dags/{MINE}/runs/one/tasks/retalk/-1").text
    assert "task-one" in page
    assert "Only for readers." in page
    assert 'href="/videoretalk/dags/' in client.get("/videoretalk/").text


@pytest.mark.usefixtures("one_video")
@pytest.mark.parametrize("entity", ["RUN", "TASK_INSTANCE", "XCOM"])
def test_who_may_read_the_dag_but_not_what_its_runs_did(
    entity: str, pages: FastAPI, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    manager = type(get_auth_manager())
    may_read = manager.is_authorized_dag

    def may_read_less(self: Any, *, access_entity: Any = None, **named: Any) -> bool:
        refused = access_entity is not None and access_entity.name == entity
        return not refused and may_read(self, access_entity=access_entity, **named)

    monkeypatch.setattr(manager, "is_authorized_dag", may_read_less)
    client = login(MINE)
    for address in addresses(pages):
        assert client.get(address).status_code == (200 if "/static/" in address else 403), address


def test_every_reply_says_what_a_browser_may_do(pages: FastAPI, login: Login) -> None:
    for address in [*addresses(pages), "/videoretalk/none"]:
        for client in (login(), login(MINE)):
            headers = client.get(address).headers
            assert {name: headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS, address
            assert headers["cache-control"].startswith("private"), address


@pytest.mark.parametrize("name", ["../app.py", "..%2Fapp.py", "%2Fetc%2Fpasswd", "icon.svg/../../app.py", "app.py"])
def test_no_path_opens_a_file(name: str, login: Login) -> None:
    for address in (f"/videoretalk/static/{name}", f"/videoretalk/dags/{MINE}/runs/one/tasks/retalk/-1/media/{name}"):
        assert login(MINE).get(address).status_code in (403, 404, 422)
