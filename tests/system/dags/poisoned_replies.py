"""One video a run, whose wait ends within some minutes whatever the service answers."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

with DAG(
    "poisoned_replies",
    schedule=None,
    params={"clip": "", "connection": ""},
    default_args={"pool": "videoretalk"},
    max_active_runs=500,
    max_active_tasks=500,
):
    VideoRetalkOperator(
        task_id="retalk",
        video_url="{{ params.clip }}/video.mp4",
        audio_url="{{ params.clip }}/speech.wav",
        dashscope_conn_id="{{ params.connection }}",
        preflight="off",
        deferrable=True,
        poll_interval=1.0,
        queue_timeout=timedelta(seconds=180),
        render_timeout=timedelta(seconds=180),
    )
