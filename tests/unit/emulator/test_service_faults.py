"""Fault plans over real HTTP."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from airflow_provider_videoretalk.emulator.faults import FaultRule


@pytest.fixture
def client(start: Any, connect: Any) -> Any:
    return connect(start(render_factor=0))


def arm(client: Any, **rule: Any) -> None:
    reply = requests.post(f"{client.emulator.url}/emulator/faults", json=rule, timeout=10)
    assert reply.status_code == 201, reply.text


def books(client: Any) -> list[dict[str, Any]]:
    return list(requests.get(f"{client.emulator.url}/emulator/tasks", timeout=10).json()["tasks"])


def log(client: Any, operation: str) -> list[dict[str, Any]]:
    lines = requests.get(f"{client.emulator.url}/emulator/requests", timeout=10).json()["requests"]
    return [line for line in lines if line["operation"] == operation]


@pytest.mark.parametrize(("effect", "tasks"), [("drop_before", 0), ("drop_after", 1)])
def test_dropped_submit_has_no_reply(client: Any, effect: str, tasks: int) -> None:
    arm(client, operation="submit", effect=effect)
    with pytest.raises(requests.ConnectionError):
        client.submit()
    assert len(books(client)) == tasks
    assert [(line["status"], line["fault"]) for line in log(client, "submit")] == [(None, effect)]
    assert client.submit().status_code == 200


@pytest.mark.parametrize(("effect", "tasks"), [("error_before", 0), ("error_after", 1)])
def test_failed_submit(client: Any, effect: str, tasks: int) -> None:
    arm(client, operation="submit", effect=effect, status=503, code="ServiceUnavailable", message="busy")
    reply = client.submit()
    assert reply.status_code == 503
    assert reply.json() == {
        "code": "ServiceUnavailable",
        "message": "busy",
        "request_id": reply.headers["x-request-id"],
    }
    assert len(books(client)) == tasks


@pytest.mark.parametrize(("effect", "tasks"), [("html", 0), ("html_after", 1)])
def test_gateway_page(client: Any, effect: str, tasks: int) -> None:
    arm(client, operation="submit", effect=effect)
    reply = client.submit()
    assert reply.status_code == 502
    assert reply.headers["content-type"].startswith("text/html")
    assert len(books(client)) == tasks


def test_throttle(client: Any) -> None:
    arm(client, operation="query", effect="throttle", times=2, retry_after=1.5)
    replies = [client.get("/tasks/x") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [429, 429, 200]
    assert replies[0].headers["retry-after"] == "1.5"
    assert replies[0].json()["code"] == "Throttling.RateQuota"


def test_stalled_submit_has_made_its_task(client: Any) -> None:
    arm(client, operation="submit", effect="stall", seconds=30)
    url = f"{client.emulator.base_url}/services/aigc/image2video/video-synthesis"
    sample = f"{client.emulator.url}/samples/speech.wav"
    body = {"model": "videoretalk", "input": {"video_url": sample, "audio_url": sample}, "parameters": {}}
    with pytest.raises(requests.ReadTimeout):
        client.session.post(url, json=body, headers={"X-DashScope-Async": "enable"}, timeout=0.3)
    assert len(books(client)) == 1


@pytest.mark.parametrize(("code", "shown"), [("InvalidFile.FPS", "InvalidFile.FPS"), (None, "InternalError.Algo")])
def test_failed_task(client: Any, until: Any, code: str | None, shown: str) -> None:
    arm(client, operation="submit", effect="fail_task", code=code)
    task = client.submitted()
    until(lambda: client.status(task) == "FAILED")
    assert client.query(task)["output"]["code"] == shown
    assert books(client)[0]["billed_seconds"] == 0


def test_bare_failed_task(client: Any, until: Any) -> None:
    arm(client, operation="submit", effect="fail_task", code="")
    task = client.submitted()
    until(lambda: client.status(task) == "FAILED")
    assert {"code", "message"}.isdisjoint(client.query(task)["output"])


def finished(client: Any, until: Any) -> str:
    task = client.submitted()
    until(lambda: client.status(task) == "SUCCEEDED")
    return str(client.query(task)["output"]["video_url"])


def test_truncated_result(client: Any, until: Any) -> None:
    url = finished(client, until)
    arm(client, operation="result", effect="truncate", at_byte=1000)
    got: list[bytes] = []
    with requests.get(url, stream=True, timeout=10) as reply:
        assert reply.status_code == 200
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            got.extend(reply.iter_content(100))
    assert len(b"".join(got)) == 1000
    rest = requests.get(url, headers={"Range": "bytes=1000-"}, timeout=10)
    assert rest.status_code == 206


def test_result_that_stalls_on_the_way(client: Any, until: Any) -> None:
    url = finished(client, until)
    arm(client, operation="result", effect="stall", at_byte=500, seconds=0.3)
    begun = time.monotonic()
    whole = requests.get(url, timeout=10)
    assert time.monotonic() - begun >= 0.3
    assert whole.content == requests.get(url, timeout=10).content


def test_expired_result(client: Any, until: Any) -> None:
    url = finished(client, until)
    arm(client, operation="result", effect="expired")
    assert [requests.get(url, timeout=10).status_code for _ in range(2)] == [403, 200]


def test_own_downloads_meet_no_fault(client: Any, until: Any) -> None:
    url = finished(client, until)
    client.emulator.faults.arm(FaultRule(operation="result", effect="expired"))
    reply = client.submit(input={"video_url": url, "audio_url": url})
    task = reply.json()["output"]["task_id"]
    until(lambda: client.status(task) == "SUCCEEDED")
    assert log(client, "result") == []
    assert requests.get(url, timeout=10).status_code == 403


def test_plan_over_http(client: Any) -> None:
    control = f"{client.emulator.url}/emulator/faults"
    rules = [{"operation": "query", "effect": "html"}, {"operation": "list", "effect": "throttle", "times": 4}]
    assert requests.post(control, json=rules, timeout=10).status_code == 201
    assert [rule["operation"] for rule in requests.get(control, timeout=10).json()["rules"]] == ["query", "list"]
    wrong = requests.post(control, json={"operation": "query", "effect": "explode"}, timeout=10)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "InvalidParameter")
    assert requests.delete(control, timeout=10).json() == {"rules": []}
    assert client.status("x") == "UNKNOWN"
