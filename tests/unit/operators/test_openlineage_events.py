"""What Airflow's OpenLineage provider gets of the operators. Its own code asks for it, and makes the events."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

pytestmark = pytest.mark.skipif(
    find_spec("openlineage") is None,
    reason="apache-airflow-providers-openlineage is not installed: make test-monitoring",
)
PRICE = {"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"}
INPUTS = {"video_url": "s3://aws_default@clips/presenter.mp4#1c2b", "audio_url": "https://h.example/a.wav"}
INPUT_DATASETS = [
    {"namespace": "s3://clips", "name": "presenter.mp4", "facets": {}},
    {"namespace": "https://h.example", "name": "/a.wav", "facets": {}},
]
TIMES = {
    "submit_time": "2026-11-27 10:00:00.000",
    "scheduled_time": "2026-11-27 10:00:10.500",
    "end_time": "2026-11-27 10:01:10.750",
}


def events_of(task: Any, folder: Path) -> dict[str, Any]:
    """The event that the provider emits for a task that succeeded."""
    from airflow.providers.openlineage.extractors.manager import ExtractorManager
    from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter
    from airflow.utils.state import TaskInstanceState

    client, file = import_module("openlineage.client"), import_module("openlineage.client.transport.file")

    extracted = ExtractorManager().extract_metadata(
        dagrun=SimpleNamespace(run_id="run"),
        task=task,
        task_instance_state=TaskInstanceState.SUCCESS,
        task_instance=SimpleNamespace(task=task),
    )
    transport = file.FileTransport(file.FileConfig(log_file_path=str(folder / "events"), append=True))
    adapter = OpenLineageAdapter(client=client.OpenLineageClient(transport=transport))
    adapter.complete_task(
        run_id="01941f29-7c00-7087-8940-40e5bdb01111",
        job_name="dag.retalk",
        end_time="2026-11-27T10:02:00+00:00",
        task=extracted,
        nominal_start_time=None,
        nominal_end_time=None,
        owners=None,
        tags=None,
        job_description=None,
    )
    return json.loads((folder / "events").read_text().splitlines()[-1])  # type: ignore[no-any-return]


def test_a_render_job(service: HTTPServer, context: dict[str, Any], tmp_path: Path) -> None:
    output = {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "http://r/1.mp4?Signature=secret", **TIMES}
    job = {"task_id": "t1", "request_id": "r", "cost_estimate": {"price": PRICE, "inputs": INPUTS}}
    event = {"version": 1, "job": job, "reply": {"output": output, "usage": {"video_duration": 6}}}
    task = VideoRetalkOperator(task_id="retalk", video_url="https://h/a.mp4", audio_url="https://h/a.wav")
    task.execute_complete(context, event)
    emitted = events_of(task, tmp_path)
    assert (emitted["inputs"], emitted["outputs"]) == (INPUT_DATASETS, [])
    facet = emitted["run"]["facets"]["videoretalk_renderJob"]
    assert {name: value for name, value in facet.items() if not name.startswith("_")} == {
        "jobId": "t1",
        "model": "videoretalk",
        "connectionId": "dashscope_default",
        "billedSeconds": 6.0,
        "cost": 0.48,
        "currency": "CNY",
        "queueSeconds": 10.5,
        "renderSeconds": 60.25,
    }
    assert "secret" not in json.dumps(emitted)


def test_a_publication(service: HTTPServer, context: dict[str, Any], tmp_path: Path) -> None:
    service.expect_request("/out.json").respond_with_data(b'{"a": 1}', content_type="application/json")
    source = {"task_id": "t1", "video_url": service.url_for("/out.json"), "inputs": INPUTS}
    task = PublishMediaOperator(task_id="publish", source=source, destination=f"{tmp_path.as_uri()}/a b.json")
    task.execute(context)
    emitted = events_of(task, tmp_path)
    assert emitted["inputs"] == INPUT_DATASETS
    assert emitted["outputs"] == [{"namespace": "file", "name": f"{tmp_path}/a b.json", "facets": {}}]
