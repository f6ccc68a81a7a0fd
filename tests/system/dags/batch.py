"""A table of any number of rows, without the limits of the form of ``videoretalk_batch``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task_group

from airflow_provider_videoretalk.operators.make_video import MakeVideoOperator
from airflow_provider_videoretalk.operators.manifest import WriteManifestOperator
from airflow_provider_videoretalk.operators.plan_videos import PlanVideosOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator

FOLDER = "{{ params.folder }}"


@task_group
def video(row: Any) -> None:
    # The pictures of the stand-in clips are no pictures.
    made = MakeVideoOperator(
        task_id="make", row=row, folder=FOLDER, preflight="off", deferrable=True, pool="videoretalk"
    )
    PublishMediaOperator(
        task_id="publish",
        source=made.output,
        destination=made.output["videoretalk_destination"],
        metadata=made.output["videoretalk_metadata"],
        if_exists="overwrite",
    )


with DAG(
    "batch",
    schedule=None,
    params={"table": "", "folder": ""},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1)},
    max_active_runs=1,
    max_active_tasks=500,
):
    plan = PlanVideosOperator(task_id="plan", table="{{ params.table }}", folder=FOLDER)
    videos = video.expand(row=plan.output)
    manifest = WriteManifestOperator(task_id="manifest", folder=FOLDER, make_task_id="video.make")
    videos >> manifest
