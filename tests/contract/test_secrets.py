"""The API key stays in the Connection."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from connections import API_KEY, connect
from pytest_httpserver import HTTPServer
from werkzeug import Response

from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

try:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization as Serialized
except ImportError:
    # Airflow 3.1.
    from airflow.models.dagbag import DagBag
    from airflow.serialization.serialized_objects import SerializedDAG as Serialized

DAGS = sorted((Path(__file__).parents[2] / "dags").glob("*.py"))


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_serialised_dags(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host="http://127.0.0.1:9/api/v1")
    bag = DagBag(str(path))
    assert not bag.import_errors
    assert bag.dags
    serialised = json.dumps([Serialized.to_dict(dag) for dag in bag.dags.values()])
    assert serialised.count("airflow_provider_videoretalk.operators.") >= len(bag.dags)
    assert API_KEY not in serialised


@pytest.mark.trap(8)
def test_trigger_arguments(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    httpserver.expect_request("/api/v1/services/aigc/image2video/video-synthesis").respond_with_json(
        {"request_id": "r", "output": {"task_id": "t1", "task_status": "PENDING"}}
    )
    httpserver.expect_request(re.compile("/api/v1/tasks/.*")).respond_with_handler(
        lambda request: Response(json.dumps({"output": {"task_id": request.path[14:], "task_status": "UNKNOWN"}}))
    )
    connect(monkeypatch, host=httpserver.url_for("/api/v1"))

    class TaskInstance:
        dag_id, run_id, task_id, map_index, max_tries = "dag", "run", "t", -1, 0

        def xcom_push(self, key: str, value: Any) -> None:
            assert API_KEY not in json.dumps(value)

    operator = VideoRetalkOperator(
        task_id="t",
        video_url="https://h/v.mp4?Signature=signed",
        audio_url="https://h/a.wav",
        deferrable=True,
        preflight="off",
    )
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute({"ti": TaskInstance(), "dag_run": None})
    stored = json.dumps(deferred.value.trigger.serialize())
    assert API_KEY not in stored
    assert "signed" not in stored


def test_errors_and_reprs(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host="http://127.0.0.1:9")
    hook = DashScopeHook()
    works, message = hook.test_connection()
    assert not works
    assert API_KEY not in message + repr(hook.endpoint) + repr(hook.client) + repr(vars(hook.get_conn()))
