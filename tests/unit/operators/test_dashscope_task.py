"""The operator of a model that has none of its own: what it looks at before a submit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.operators import dashscope as module
from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob
from airflow_provider_videoretalk.submission.record import ClearCount, Intent

INTENT = Intent(
    task_instance="dag/run/t/-1",
    connection_id="c",
    fingerprint="f",
    model="m",
    clear_count=ClearCount(max_tries=1, clear_number=0),
)


def operator(**given: Any) -> DashScopeTaskOperator:
    return DashScopeTaskOperator(task_id="t", **{"model": "m", "path": "services/x", "input": {}} | given)


def test_a_url_is_looked_at_as_long_as_the_job_may_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, datetime | None]] = []

    def note(field: str, url: str, *, until: datetime | None) -> Iterator[str]:
        asked.append((field, url, until))
        yield "It expires soon."

    monkeypatch.setattr(module, "url_warnings", note)
    url = "https://h/v.mp4?Signature=s"
    task = operator(input={"video": {"url": url}}, queue_timeout=timedelta(hours=2))
    assert task.prepare(INTENT) == INTENT
    ((field, found, until),) = asked
    assert (field, found) == ("input: https://h/v.mp4", url)
    assert until is not None
    assert abs(until - datetime.now(timezone.utc) - timedelta(hours=2)) < timedelta(minutes=1)


def test_the_request_has_what_has_a_value() -> None:
    parameters = {"size": "1280*720", "seed": None, "style": ""}
    request = operator(input={"a": 1}, parameters=parameters).submission()
    assert (request.method, request.path, request.creates) == ("POST", "services/x", True)
    assert request.body == {"model": "m", "input": {"a": 1}, "parameters": {"size": "1280*720"}}


def test_the_result_has_the_request_id_of_the_submit() -> None:
    """The vendor's support asks for it."""
    task = Task.parse(
        {"request_id": "query", "output": {"task_id": "t1", "task_status": "SUCCEEDED", "x": "https://h"}}
    )
    result = operator().task_result(task, AwaitedJob(task_id="t1", request_id="submit"))
    assert (result["request_id"], result["output"]["x"]) == ("submit", "https://h")


def test_a_submit_is_known_again_by_its_path_and_its_body() -> None:
    """A release that names them otherwise would take each running job for one of other inputs."""
    url = "https://h.oss-cn-beijing.aliyuncs.com/v.mp4"
    signed = operator(input={"video": f"{url}?Expires=1995000000&OSSAccessKeyId=k&Signature=s"})
    body = {"model": "m", "input": {"video": url}, "parameters": {}}
    assert signed.identity() == signed.input_locations() == {"path": "services/x", "body": body}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"path": "https://h/x"}, "^path is "),
        ({"path": ""}, "^path is "),
        ({"model": ""}, "^model is "),
        ({"input": "x"}, "^input is "),
        ({"parameters": "x"}, "^parameters is "),
        ({"input": {"a": [" https://other/x"]}}, r"input\.a\[0\] is "),
        ({"parameters": {"b": {"c": "s3://b/x"}}}, r"parameters\.b\.c is "),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"^{said}"):
        operator(**{"allowed_sources": "https://mine/"} | given).submission()
