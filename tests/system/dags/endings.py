"""One DAG for each ending of ``tests/system/test_endings.py``, which names them in an environment variable."""

from __future__ import annotations

import importlib
import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_parsing_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor
from airflow_provider_videoretalk.submission.resume import ResumePolicy

RUNS: dict[str, list[str]] = json.loads(os.environ.get("VIDEORETALK_ENDINGS", "{}"))
"""For each DAG: ``deferrable`` or ``blocking``, and its shape."""

DAG_SHAPES: dict[str, dict[str, Any]] = {
    "dagrun_timeout": {"dagrun_timeout": timedelta(seconds=60)},
    "fail_fast": {"fail_fast": True},
}
RETALK_SHAPES: dict[str, dict[str, Any]] = {
    "retries": {"retries": 2},
    "retried_without_record": {"retries": 1, "durable": False},
    "fresh": {"resume": ResumePolicy(on_clear="fresh")},
    "reuse": {"resume": ResumePolicy(on_clear="reuse")},
    "reconcile": {"resume": ResumePolicy(on_unknown_submit="reconcile", reconcile_after=2.0)},
    "execution_timeout": {"execution_timeout": timedelta(seconds=25)},
    "queue_timeout": {"queue_timeout": timedelta(seconds=10)},
    "render_timeout": {"render_timeout": timedelta(seconds=5)},
    "throttle_timeout": {"throttle_timeout": timedelta(seconds=3)},
    "max_cost": {"max_cost": 0.01},
    "dry_run": {"dry_run": True},
    "sensor": {"wait_for_completion": False},
    "sensor_timeout": {"wait_for_completion": False},
}
SENSOR_SHAPES: dict[str, dict[str, Any]] = {"sensor": {}, "sensor_timeout": {"timeout": 10.0}}


def arm_fault_points(context: Any) -> None:
    """Lets this process die at the steps armed for its own run: the runs are played side by side."""
    from airflow_provider_videoretalk.submission import fault_points

    os.environ["VIDEORETALK_FAULT_POINTS"] = context["params"]["steps"]
    importlib.reload(fault_points)


def skip(context: Any) -> None:
    raise AirflowSkipException("it is not wanted")


@task
def fails() -> None:
    raise AirflowFailException("the task before it fails")


@task
def fails_when_armed(params: dict[str, Any]) -> None:
    while not (Path(params["steps"]) / "fail").exists():
        time.sleep(0.5)
    raise AirflowFailException("another task fails")


def ending_dag(dag_id: str, path: str, shape: str) -> DAG:
    connection = {"dashscope_conn_id": "{{ params.connection }}"}
    with DAG(
        dag_id,
        schedule=None,
        params={"video_url": "", "audio_url": "", "destination": "", "connection": "", "steps": ""},
        default_args={"pool": "videoretalk", "retries": 0, "retry_delay": timedelta(seconds=1)},
        **DAG_SHAPES.get(shape, {}),
    ) as dag:
        retalk = VideoRetalkOperator(
            task_id="retalk",
            video_url="{{ params.video_url }}",
            audio_url="{{ params.audio_url }}",
            # The pictures of the stand-in clips are no pictures.
            preflight="off",
            deferrable=path == "deferrable",
            poll_interval=1.0,
            max_poll_interval=2.0,
            pre_execute=arm_fault_points,
            **connection | RETALK_SHAPES.get(shape, {}),
        )
        source: Any = retalk.output
        if shape in SENSOR_SHAPES:
            source = DashScopeTaskSensor(
                task_id="wait",
                dashscope_task_id=source,
                deferrable=True,
                poke_interval=1.0,
                **connection | SENSOR_SHAPES[shape],
            ).output
        PublishMediaOperator(
            task_id="publish",
            source=source,
            destination="file:///elsewhere/video.mp4" if shape == "elsewhere" else "{{ params.destination }}",
            pre_execute=skip if shape == "publish_skips" else arm_fault_points,
            **connection,
        )
        if shape == "upstream_fails":
            fails() >> retalk
        if shape == "fail_fast":
            fails_when_armed()
    return dag


# A task needs its own DAG only.
_wanted = get_parsing_context().dag_id
for _dag_id, (_path, _shape) in RUNS.items():
    if _wanted in (None, _dag_id):
        globals()[_dag_id] = ending_dag(_dag_id, _path, _shape)
