"""What SECURITY.md says of the places in which signed URLs are stored."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from pytest_httpserver import HTTPServer
from state_store import TaskStateStore
from unknown_jobs import know_no_job

from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

VIDEO = "https://v.example/v.mp4?X-Amz-Signature=of-the-input"


def test_where_a_signed_url_is_stored(service: HTTPServer, context: dict[str, Any], variables: TaskStateStore) -> None:
    ended = datetime.now(timezone.utc) + timedelta(hours=8)
    output = {
        "task_id": "t1",
        "task_status": "SUCCEEDED",
        "end_time": f"{ended:%Y-%m-%d %H:%M:%S}.000",
        "video_url": "https://r.example/1.mp4?Signature=of-the-result",
    }
    path = "/api/v1/services/aigc/image2video/video-synthesis"
    service.expect_request(path).respond_with_json({"request_id": "r", "output": {"task_id": "t1"}})
    service.expect_request("/api/v1/tasks/t1").respond_with_json({"request_id": "r", "output": output})
    know_no_job(service)
    operator = VideoRetalkOperator(
        task_id="retalk", video_url=VIDEO, audio_url="https://a.example/a.wav", preflight="off", deferrable=False
    )
    returned = operator.execute(context)
    state = json.dumps(dict(context["task_state_store"]))
    copies = json.dumps(dict(variables))
    pushed = json.dumps(context["ti"].pushed)
    assert "of-the-result" in json.dumps(returned)
    assert "of-the-result" in state
    assert "t1" in copies
    for stored in (copies, pushed):
        assert "of-the-result" not in stored
    for stored in (state, copies, pushed, json.dumps(returned)):
        assert "of-the-input" not in stored
