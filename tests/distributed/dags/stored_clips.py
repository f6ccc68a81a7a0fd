"""One paid video a run, from S3 to S3, on either path; and one that cannot be made."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.submission.resume import ResumePolicy

NOT_A_VIDEO = "http://127.0.0.1:9/none.mp4"
PATHS = {"deferrable": True, "blocking": False}


def halt_if_armed(marker: Path) -> None:
    """The process goes no further. The marker names its machine, which the test then kills."""
    try:
        marker.rename(marker.with_name(f"{marker.name}@{os.environ['VIDEORETALK_MACHINE']}"))
    except FileNotFoundError:
        return
    while True:
        signal.pause()


def arm_fault_points(context: Any) -> None:
    """Lets this process halt at the points armed for its own run. A lost submit is looked for within seconds."""
    from airflow_provider_videoretalk.submission import fault_points, lost_submit, submitter

    lost_submit.ABSENCE_SECONDS = lost_submit._CONTRADICTION_SECONDS = lost_submit._UNDER_WAY_SECONDS = 12.0
    submitter._SEARCH_PAUSE = 3.0
    fault_points._FOLDER = context["params"]["steps"]
    fault_points._kill_if_armed = halt_if_armed


for _path, _deferrable in PATHS.items():
    with DAG(
        f"stored_clip_{_path}",
        schedule=None,
        params={"video": "", "speech": "", "destination": "", "connection": "", "steps": ""},
        default_args={"retries": 20, "retry_delay": timedelta(seconds=3), "pool": "videoretalk"},
        max_active_runs=500,
        max_active_tasks=500,
    ) as _dag:
        _retalk = VideoRetalkOperator(
            task_id="retalk",
            video_url="{{ params.video }}",
            audio_url="{{ params.speech }}",
            dashscope_conn_id="{{ params.connection }}",
            # The pictures of the stand-in clips are no pictures.
            preflight="off",
            deferrable=_deferrable,
            poll_interval=1.0,
            resume=ResumePolicy(on_unknown_submit="reconcile", reconcile_after=2.0),
            pre_execute=arm_fault_points,
        )
        PublishMediaOperator(
            task_id="publish",
            source=_retalk.output,
            destination="{{ params.destination }}",
            dashscope_conn_id="{{ params.connection }}",
            pre_execute=arm_fault_points,
        )
    globals()[_dag.dag_id] = _dag

with DAG("refused_clip", schedule=None, params={"connection": ""}):
    VideoRetalkOperator(
        task_id="retalk",
        video_url=NOT_A_VIDEO,
        audio_url=NOT_A_VIDEO,
        dashscope_conn_id="{{ params.connection }}",
        preflight="off",
        deferrable=True,
    )
