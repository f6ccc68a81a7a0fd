"""Fault plans over real HTTP."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
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


def jobs_of(client: Any) -> list[dict[str, Any]]:
    return list(requests.get(f"{client.emulator.url}/emulator/tasks", timeout=10).json()["tasks"])


def log(client: Any, operation: str) -> list[dict[str, Any]]:
    lines = requests.get(f"{client.emulator.url}/emulator/requests", timeout=10).json()["requests"]
    return [line for line in lines if line["operation"] == operation]


@pytest.mark.parametrize(("effect", "tasks"), [("drop_before", 0), ("drop_after", 1)])
def test_dropped_submit_has_no_reply(client: Any, effect: str, tasks: int) -> None:
    arm(client, operation="submit", effect=effect)
    with pytest.raises(requests.ConnectionError):
        client.submit()
    assert len(jobs_of(client)) == tasks
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
    assert len(jobs_of(client)) == tasks


@pytest.mark.parametrize(("effect", "tasks"), [("html", 0), ("html_after", 1)])
def test_gateway_page(client: Any, effect: str, tasks: int) -> None:
    arm(client, operation="submit", effect=effect)
    reply = client.submit()
    assert reply.status_code == 502
    assert reply.headers["content-type"].startswith("text/html")
    assert len(jobs_of(client)) == tasks


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
    assert len(jobs_of(client)) == 1


@pytest.mark.parametrize(("code", "shown"), [("InvalidFile.FPS", "InvalidFile.FPS"), (None, "InternalError.Algo")])
def test_failed_task(client: Any, until: Any, code: str | None, shown: str) -> None:
    arm(client, operation="submit", effect="fail_task", code=code)
    task = client.submitted()
    until(lambda: client.status(task) == "FAILED")
    assert client.query(task)["output"]["code"] == shown
    assert jobs_of(client)[0]["billed_seconds"] == 0


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


def test_result_whose_body_stalls(client: Any, until: Any) -> None:
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


def test_results_that_are_something_else(client: Any, until: Any) -> None:
    url = finished(client, until)
    whole = requests.get(url, timeout=10)
    arm(client, operation="result", effect="result_html")
    page = requests.get(url, timeout=10)
    assert (page.status_code, page.headers["Content-Type"].partition(";")[0]) == (200, "text/html")
    arm(client, operation="result", effect="result_empty")
    empty = requests.get(url, timeout=10)
    assert (empty.status_code, empty.content, empty.headers["Content-Length"]) == (200, b"", "0")
    for at_byte in (1000, 0, len(whole.content) + 1):
        arm(client, operation="result", effect="result_cut", at_byte=at_byte)
        cut = requests.get(url, timeout=10)
        assert (cut.status_code, cut.content) == (200, whole.content[:at_byte])
        assert {"etag", "content-md5", "x-oss-hash-crc64ecma"}.isdisjoint(map(str.lower, cut.headers))
    assert requests.get(url, timeout=10).content == whole.content


def test_fault_rules_ignore_own_downloads(client: Any, until: Any) -> None:
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


@pytest.mark.parametrize(
    ("field", "value"), [("usage.fps", "NaN"), ("output.task_id", '"../pwn"'), ("code", '"Success"'), ("a.b", "[1]")]
)
def test_replaced_field(client: Any, until: Any, field: str, value: str) -> None:
    task_id = client.submitted()
    until(lambda: client.status(task_id) == "SUCCEEDED")
    arm(client, operation="query", effect="replace", field=field, value=value)
    reply = client.get(f"/tasks/{task_id}")
    assert f'"{field.rpartition(".")[2]}": {value}' in reply.text
    assert reply.headers["content-length"] == str(len(reply.content))
    assert value not in client.get(f"/tasks/{task_id}").text


def test_dripping_and_endless_replies(client: Any) -> None:
    task_id = client.submitted()
    arm(client, operation="query", effect="drip", seconds=0.001)
    assert client.query(task_id)["output"]["task_id"] == task_id
    arm(client, operation="query", effect="flood")
    with client.session.get(f"{client.emulator.base_url}/tasks/{task_id}", stream=True, timeout=10) as reply:
        assert len(reply.raw.read(1_000_000)) == 1_000_000


def test_redirect(client: Any) -> None:
    arm(client, operation="submit", effect="redirect", location="https://elsewhere.example/", status=308)
    reply = client.post("/services/aigc/image2video/video-synthesis", json={}, allow_redirects=False)
    assert (reply.status_code, reply.headers["location"]) == (308, "https://elsewhere.example/")
    assert jobs_of(client) == []


@pytest.mark.parametrize(
    "rule", [{"effect": "redirect"}, {"effect": "replace", "field": "a"}, {"effect": "replace", "value": "1"}]
)
def test_incomplete_rules_are_refused(rule: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="needs"):
        FaultRule.model_validate({"operation": "query", **rule})


def test_a_cancel_that_is_answered_and_not_done(client: Any) -> None:
    client.submit()
    task_id = client.submit().json()["output"]["task_id"]
    arm(client, operation="cancel", effect="ignore")
    reply = client.post(f"/tasks/{task_id}/cancel")
    assert (reply.status_code, list(reply.json())) == (200, ["request_id"])
    assert {job["task_id"]: job["status"] for job in jobs_of(client)}[task_id] != "CANCELED"


def test_an_empty_list(client: Any) -> None:
    client.submit()
    arm(client, operation="list", effect="empty_list")
    assert [len(client.get("/tasks").json()["data"]) for _ in range(2)] == [0, 1]


def test_the_date_of_a_reply(client: Any) -> None:
    moment = "Thu, 01 Jan 2026 00:00:00 GMT"
    arm(client, operation="query", effect="date", value=moment)
    arm(client, operation="query", effect="date", value="")
    dates = [client.get("/tasks/x").headers.get("date") for _ in range(3)]
    assert dates[:2] == [moment, None]
    assert abs(parsedate_to_datetime(dates[2]).timestamp() - client.emulator.state.clock()) < 60
