"""Where the operators count: each thing once, and where it happens."""

from __future__ import annotations

import time
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from pytest_httpserver import HTTPServer
from statsd_lines import record_metrics
from werkzeug import Response

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.submission.admission import HeldBackError, JobToSubmit

SUBMIT = "/api/v1/services/aigc/image2video/video-synthesis"
PRICE = {"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"}
JOB = "connection_id=dashscope_default,model=videoretalk"


def operator(**arguments: Any) -> VideoRetalkOperator:
    given = {"video_url": "https://h/a.mp4", "audio_url": "https://h/a.wav", "preflight": "off", "deferrable": True}
    return VideoRetalkOperator(task_id="retalk", **given | arguments)


def ended(status: str, **output: Any) -> dict[str, Any]:
    """A trigger's event."""
    reply = {"output": {"task_id": "t1", "task_status": status, **output}, "usage": {"video_duration": 6}}
    job = {"task_id": "t1", "submitted_at": 1.0, "cost_estimate": {"price": PRICE}}
    return {"version": 1, "job": job, "reply": reply}


def job_lines(lines: list[str]) -> list[str]:
    """Without the requests."""
    return [line for line in lines if not line.startswith("videoretalk.request,")]


def test_a_submit_and_its_requests(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"request_id": "r", "output": {"task_id": "t1", "task_status": "PENDING"}}
    service.expect_request(SUBMIT, method="POST").respond_with_json(body)
    lines = record_metrics(monkeypatch)
    with pytest.raises(TaskDeferred):
        operator().execute(context)
    assert job_lines(lines) == [f"videoretalk.submit,{JOB}:1|c"]
    assert lines.count("videoretalk.request,connection_id=dashscope_default,route=submit,outcome=answered:1|c") == 1
    assert len(lines) - 1 == len(service.log), "each request is counted once"


def test_a_job_that_succeeded_is_counted_by_one_try(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"request_id": "r", "output": {"task_id": "t1", "task_status": "PENDING"}}
    service.expect_request(SUBMIT, method="POST").respond_with_json(body)
    with pytest.raises(TaskDeferred):
        operator().execute(context)
    lines = record_metrics(monkeypatch)
    operator().execute_complete(context, ended("SUCCEEDED", video_url="http://r/1.mp4"))
    assert lines == [
        f"videoretalk.job_ended,{JOB},status=succeeded:1|c",
        f"videoretalk.billed_milliseconds,{JOB}:6000|c",
        f"videoretalk.cost_micros,{JOB},currency=CNY:480000|c",
    ]
    lines.clear()
    operator().execute(context)
    assert lines == [f"videoretalk.duplicate_prevented,{JOB}:1|c"], "a retry pays nothing, and counts nothing again"


def test_a_job_that_failed(service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = record_metrics(monkeypatch)
    with pytest.raises(errors.TaskFailedError):
        operator().execute_complete(context, ended("FAILED", code="InternalError", message="m"))
    assert lines == [f"videoretalk.job_ended,{JOB},status=failed:1|c"]


def test_a_lost_reply_is_counted_where_it_is_lost_and_doubt_where_a_task_fails(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    service.expect_request(SUBMIT, method="POST").respond_with_handler(lambda _: Response("<html>", status=502))
    lines = record_metrics(monkeypatch)
    for _ in range(2):
        with pytest.raises(AirflowFailException):
            operator().execute(context)
    assert job_lines(lines) == [
        f"videoretalk.lost_reply,{JOB}:1|c",
        f"videoretalk.in_doubt,{JOB}:1|c",
        f"videoretalk.in_doubt,{JOB}:1|c",
    ]


def test_a_submit_is_held_back_once(context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    lines, task = record_metrics(monkeypatch), operator()
    held = HeldBackError("q", job=JobToSubmit(model="videoretalk", limit=60.0), expected_start=None)
    with pytest.raises(TaskDeferred):
        task._hold_back(context, held)
    task._admission_note = {"held_since": time.time()}
    with pytest.raises(TaskDeferred):
        task._hold_back(context, held)
    assert lines == [f"videoretalk.held_back,{JOB}:1|c"]
