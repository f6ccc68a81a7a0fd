"""One paid video a run, on either path and under each policy, with a step of each run's own to die at."""

from __future__ import annotations

import importlib
import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

PATHS = {"deferrable": True, "blocking": False}
EVERY_TRY_ANOTHER = "{{ params.audio_url }}?try={{ ti.try_number }}"
POLICIES: dict[str, dict[str, Any]] = {
    "": {"on_unknown_submit": "reconcile", "reconcile_after": 2.0},
    # Longer than a try waits before it asks again.
    "patient": {"on_unknown_submit": "reconcile", "reconcile_after": 14.0},
    "resubmit": {"on_unknown_submit": "resubmit"},
    "fail": {"on_unknown_submit": "fail"},
    "reuse": {"on_clear": "reuse"},
    "fresh": {"on_clear": "fresh"},
    "changing": {"audio_url": EVERY_TRY_ANOTHER},
    "changing_fail": {"audio_url": EVERY_TRY_ANOTHER, "on_changed_input": "fail"},
}
RETRIES = {"retries": 5, "retry_delay": timedelta(seconds=1), "pool": "videoretalk"}


def aim_steps(context: Any) -> None:
    """Lets this process die at the steps armed for its own run: the runs of a table are played side by side."""
    from airflow_provider_videoretalk.waiting import steps

    os.environ["VIDEORETALK_STEPS"] = context["params"]["steps"]
    importlib.reload(steps)


def clip_dag(path: str, policy: str) -> DAG:
    with DAG(
        f"clip_{path}_{policy}" if policy else f"clip_{path}",
        schedule=None,
        params={"video_url": "", "audio_url": "", "destination": "", "connection": "", "steps": ""},
        default_args=RETRIES,
        max_active_runs=500,
        max_active_tasks=500,
    ) as dag:
        retalk = VideoRetalkOperator(
            task_id="retalk",
            video_url="{{ params.video_url }}",
            dashscope_conn_id="{{ params.connection }}",
            # The stand-in clips are no media.
            preflight="off",
            deferrable=PATHS[path],
            poll_interval=1.0,
            pre_execute=aim_steps,
            **{"audio_url": "{{ params.audio_url }}"} | POLICIES[policy],
        )
        PublishMediaOperator(
            task_id="publish",
            source=retalk.output,
            destination="{{ params.destination }}",
            pre_execute=aim_steps,
        )
    return dag


for _path in PATHS:
    for _policy in POLICIES:
        _dag = clip_dag(_path, _policy)
        globals()[_dag.dag_id] = _dag
