"""A copy whose source, destination and metadata a function returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task
from pytest_httpserver import HTTPServer
from small_mp4 import mp4

from airflow_provider_videoretalk.dashscope.errors import InputError


@pytest.fixture
def video(service: HTTPServer, sources_on_this_machine: None) -> str:
    """The URL of a video."""
    service.expect_request("/v.mp4").respond_with_data(mp4(seconds=2), content_type="video/mp4")
    return service.url_for("/v.mp4")


def publish(function: Callable[..., Any], *args: Any, **arguments: Any) -> Any:
    with DAG("dag", schedule=None):
        return task.publish_media(**{"task_id": "publish"} | arguments)(function)(*args).operator


def test_a_return_value_is_the_source(video: str, tmp_path: Path, context: dict[str, Any]) -> None:
    result = {"task_id": "t1", "request_id": "r1", "video_url": video, "billed_seconds": 2.0}
    publish(lambda: result, destination=f"{tmp_path.as_uri()}/clip.mp4").execute(context)
    assert json.loads((tmp_path / "clip.mp4.json").read_text())["task_id"] == "t1"


def test_a_mapping_of_fields(video: str, tmp_path: Path, context: dict[str, Any]) -> None:
    fields = {"source": video, "destination": f"{tmp_path.as_uri()}/clip.mp4", "metadata": {"edition": "spring"}}
    published = publish(lambda: fields).execute(context)
    assert published["uri"] == f"{tmp_path.as_uri()}/clip.mp4"
    assert json.loads((tmp_path / "clip.mp4.json").read_text())["edition"] == "spring"


def test_a_source_that_is_missing(tmp_path: Path, context: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="source has no value"):
        publish(lambda: {"destination": f"{tmp_path.as_uri()}/clip.mp4"}).execute(context)


@pytest.mark.parametrize("kept", [True, False], ids=["as it is", "rewritten"])
def test_only_another_tasks_return_value_may_be_at_any_host(
    video: str, tmp_path: Path, context: dict[str, Any], kept: bool
) -> None:
    value = {"task_id": "t1", "video_url": video}
    given: dict[str, Any] = {"destination": f"{tmp_path.as_uri()}/clip.mp4", "allowed_sources": "https://h/"}
    with DAG("dag", schedule=None):
        retalk = task.python(task_id="retalk")(lambda: value)()
        function = (lambda result: result) if kept else (lambda result: {**result, "task_id": "t2"})
        operator = task.publish_media(task_id="publish", **given)(function)(retalk).operator
    operator.op_args = (value,)
    if kept:
        assert operator.execute(context)["task_id"] == "t1"
    else:
        with pytest.raises(InputError, match=r"source is .*, allowed is https://h/"):
            operator.execute(context)


@pytest.mark.parametrize("field", ["allowed_sources", "allowed_destinations", "storage_conn_id", "dashscope_conn_id"])
def test_what_the_dags_author_decides_is_not_for_values(field: str, context: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"returned the field '{field}'.*to the decorator"):
        publish(lambda: {"source": "https://h/v.mp4", field: "remote"}).execute(context)
