"""A rendered field that is no value of its kind is named, before anything is sent or written."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator
from airflow_provider_videoretalk.operators.make_video import MakeVideoOperator
from airflow_provider_videoretalk.operators.manifest import WriteManifestOperator
from airflow_provider_videoretalk.operators.plan_videos import PlanVideosOperator
from airflow_provider_videoretalk.operators.proofread import ProofreadOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.review_video import ReviewVideoOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

# By class: parameters that are right, in which {} is a folder, and values that are wrong.
OPERATORS: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (
        VideoRetalkOperator,
        {"video_url": "https://h/v.mp4", "audio_url": "https://h/a.wav", "preflight": "off"},
        {
            "video_url": None,
            "audio_url": {"task_id": "t"},
            "ref_image_url": "nowhere",
            "video_extension": "x",
            "query_face_threshold": "x",
            "face_check": "x",
            "max_cost": "x",
            "dry_run": "x",
        },
    ),
    (
        DashScopeTaskOperator,
        {"model": "m", "path": "p", "input": {}},
        {"model": 3, "path": "https://h/p", "input": "x", "parameters": "x"},
    ),
    (
        PlanVideosOperator,
        {"table": "text\nHello.\n", "folder": "{}/"},
        {"table": None, "folder": "{}", "storage_conn_id": 3},
    ),
    (
        MakeVideoOperator,
        {"row": {"row": 0}, "folder": "{}/"},
        {"row": "x", "folder": "{}", "storage_conn_id": 3, "dry_run": "x"},
    ),
    (ReviewVideoOperator, {"metadata": {"label": "a"}, "make_task_id": "m"}, {"metadata": "x", "ask": "x"}),
    (ProofreadOperator, {"translation": {"segments": []}}, {"translation": "x", "ask": "x"}),
    (WriteManifestOperator, {"folder": "{}/", "make_task_id": "m"}, {"folder": "{}", "storage_conn_id": 3}),
    (
        PublishMediaOperator,
        {"source": "https://h/v.mp4", "destination": "{}/"},
        {
            "source": 3,
            "destination": 3,
            "storage_conn_id": 3,
            "dashscope_conn_id": 3,
            "metadata": "x",
            "subtitles": 7,
            "subtitle_track": "x",
            "aigc_label": "x",
            "content_credentials": {"a": "b"},
            "lip_check": "x",
        },
    ),
]


def test_wrong_metadata_of_an_approved_video_is_named(context: dict[str, Any]) -> None:
    """The task that goes on has rendered them again."""
    answer = {
        "chosen_options": ["Approve"],
        "params_input": {},
        "responded_at": datetime(2026, 11, 26, tzinfo=timezone.utc),
        "responded_by_user": {"id": "1", "name": "Ada"},
    }
    with pytest.raises(InputError, match=r"^metadata is a str"):
        ReviewVideoOperator(task_id="t", metadata="x", make_task_id="m").execute_complete(context, answer)  # type: ignore[arg-type]


WRONG = [
    pytest.param(operator, right, name, value, id=f"{operator.__name__}.{name}")
    for operator, right, wrong in OPERATORS
    for name, value in wrong.items()
]


@pytest.mark.parametrize(("operator", "right", "name", "value"), WRONG)
def test_a_wrong_field_is_named(
    operator: Any,
    right: dict[str, Any],
    name: str,
    value: Any,
    service: HTTPServer,
    context: dict[str, Any],
    tmp_path: Path,
) -> None:
    folder = tmp_path.as_uri()
    given = {
        each: one.format(folder) if isinstance(one, str) and one.startswith("{}") else one
        for each, one in (right | {name: value}).items()
    }
    with pytest.raises(InputError, match=rf"^{name} is "):
        operator(task_id="t", **given).execute(context)
    assert not service.log
    assert not list(tmp_path.iterdir())
