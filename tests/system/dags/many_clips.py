"""As many clips as a run asks for, mapped, each with a video of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

with DAG(
    "many_clips",
    schedule=None,
    params={"clips": "", "published": "", "count": 0},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1), "pool": "videoretalk"},
    max_active_tasks=500,
):

    @task
    def clips(params: dict[str, Any]) -> list[dict[str, str]]:
        return [
            {"video_url": f"{params['clips']}/{number}.mp4", "audio_url": f"{params['clips']}/speech.wav"}
            for number in range(params["count"])
        ]

    @task
    def places(results: Any, params: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"source": result, "destination": f"{params['published']}/{number}.mp4"}
            for number, result in enumerate(results)
        ]

    # The pictures of the stand-in clips are no pictures.
    retalk = VideoRetalkOperator.partial(task_id="retalk", preflight="off", deferrable=True).expand_kwargs(clips())
    PublishMediaOperator.partial(task_id="publish").expand_kwargs(places(retalk.output))
