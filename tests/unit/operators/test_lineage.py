"""What the operators tell Airflow's OpenLineage provider, where that is not installed."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator


def test_the_operators_load_nothing_of_openlineage() -> None:
    program = """
import sys
from airflow_provider_videoretalk.operators import publish, videoretalk
parts = "openlineage.", "airflow.providers.openlineage.extractors"
print([name for name in sys.modules if name.startswith(parts)])
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_try_that_returned_nothing_has_no_lineage() -> None:
    retalk = VideoRetalkOperator(task_id="retalk", video_url="https://h/a.mp4", audio_url="https://h/a.wav")
    publish = PublishMediaOperator(task_id="publish", source="https://h/a.mp4", destination="file:///tmp/")
    assert retalk.get_openlineage_facets_on_complete(None) is None
    assert publish.get_openlineage_facets_on_complete(None) is None


def test_the_lineage_of_a_job_is_made_of_its_result(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a try that waited for the job, and of a later one that has its result."""
    name = "airflow_provider_videoretalk.airflow_adapters.openlineage_facets"
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules[name], "job_lineage", lambda result, **_: result["video_url"], raising=False)
    output = {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "https://r/1.mp4"}
    service.expect_request("/api/v1/services/aigc/image2video/video-synthesis").respond_with_json({"output": output})
    service.expect_request("/api/v1/tasks/t1").respond_with_json({"output": output})
    for _ in range(2):
        retalk = VideoRetalkOperator(
            task_id="retalk",
            video_url="https://h/a.mp4",
            audio_url="https://h/a.wav",
            preflight="off",
            deferrable=False,
        )
        retalk.execute(context)
        assert retalk.get_openlineage_facets_on_complete(None) == "https://r/1.mp4"
    assert [request.method for request, _ in service.log].count("POST") == 1
