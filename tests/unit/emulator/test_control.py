"""The control API over real HTTP: who may use it, and what it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from fastapi.testclient import TestClient

from airflow_provider_videoretalk.emulator.api.app import create_app
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

ROUTES = [
    ("GET", "health"),
    ("GET", "tasks"),
    ("GET", "voices"),
    ("GET", "requests"),
    ("GET", "faults"),
    ("DELETE", "faults"),
]
JSON = {"Content-Type": "application/json"}
RULE = {"operation": "submit", "effect": "drop_after"}


def call(emulator: Any, method: str, path: str, *, host: str, **kwargs: Any) -> requests.Response:
    return requests.request(
        method,
        f"{emulator.url}/emulator/{path}",
        headers={"Host": host, **kwargs.pop("headers", {})},
        timeout=10,
        **kwargs,
    )


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "localhost.evil.example",
        "127.0.0.1.nip.io:{port}",
        "127.0.0.1@evil.example",
        "evil.example#127.0.0.1",
        "192.168.1.20:{port}",
        "[::ffff:192.0.2.1]",
        "[::1",
        "",
    ],
)
def test_a_page_whose_name_was_pointed_at_this_machine(start: Any, host: str) -> None:
    emulator = start()
    host = host.format(port=emulator.port)
    replies = [call(emulator, method, path, host=host) for method, path in ROUTES]
    replies.append(call(emulator, "POST", "faults", host=host, json=RULE))
    # The server itself refuses what is no host name at all.
    assert {reply.status_code for reply in replies} <= {400, 403}
    assert all("tasks" not in reply.text and "rules" not in reply.text for reply in replies)
    assert emulator.faults.pending() == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.:{port}", "127.0.0.1:{port}", "127.0.0.2", "[::1]:{port}"])
def test_names_of_this_machine(start: Any, host: str) -> None:
    emulator = start()
    reply = call(emulator, "POST", "faults", host=host.format(port=emulator.port), json=RULE)
    assert reply.status_code == 201, reply.text
    assert [call(emulator, *route, host=host).status_code for route in ROUTES] == [200] * len(ROUTES)


@pytest.mark.parametrize(
    ("listens", "host", "status"),
    [
        ("emulator-host", "Emulator-Host:8098", 200),
        ("emulator-host", "localhost:8098", 200),
        ("emulator-host", "other-host:8098", 403),
        ("0.0.0.0", "emulator-host", 403),
    ],
)
def test_the_host_that_it_listens_on(listens: str, host: str, status: int) -> None:
    app = create_app(EmulatorSettings(host=listens), engine=FakeEngine())
    with TestClient(app, base_url=f"http://{host}", client=("127.0.0.1", 1)) as client:
        assert client.get("/emulator/health").status_code == status


@pytest.mark.parametrize(
    ("client", "status"),
    [("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("192.0.2.1", 403), ("::ffff:192.0.2.1", 403)],
)
def test_clients_on_this_machine(client: str, status: int) -> None:
    app = create_app(EmulatorSettings(), engine=FakeEngine())
    with TestClient(app, base_url="http://localhost", client=(client, 1)) as local:
        assert local.get("/emulator/health").status_code == status


def test_the_service_itself_has_any_name(start: Any, connect: Any) -> None:
    client = connect(start(render_factor=0))
    reply = client.session.get(f"{client.emulator.base_url}/tasks/x", headers={"Host": "dashscope.test"}, timeout=10)
    assert reply.status_code == 200


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_fault_is_declared_as_json(start: Any, content_type: str | None) -> None:
    """A browser sends what is not declared as JSON from any page to any address, without asking first."""
    emulator = start()
    headers = {} if content_type is None else {"Content-Type": content_type}
    data = b'{"operation": "submit", "effect": "drop_after"}'
    reply = call(emulator, "POST", "faults", host="localhost", data=data, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (400, "InvalidParameter")
    assert emulator.faults.pending() == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([RULE, {"operation": "submit", "effect": "explode"}], "1.effect"),
        ({"operation": "submit"}, "0.effect"),
        ("drop_after", "0"),
        (None, "0"),
    ],
)
def test_wrong_rules(start: Any, body: Any, message: str) -> None:
    emulator = start()
    reply = call(emulator, "POST", "faults", host="localhost", data=json.dumps(body), headers=JSON)
    assert (reply.status_code, reply.json()["code"]) == (400, "InvalidParameter")
    assert message in reply.json()["message"]
    assert emulator.faults.pending() == []
