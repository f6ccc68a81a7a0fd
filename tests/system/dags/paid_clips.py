"""One paid video a run, on either path and under each policy, with a step of each run's own to die at."""

from __future__ import annotations

import importlib
import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.submission.resume import ResumePolicy

PATHS = {"deferrable": True, "blocking": False}
EVERY_TRY_ANOTHER = "{{ params.audio_url }}?try={{ ti.try_number }}"
POLICIES: dict[str, dict[str, Any]] = {
    "": {"resume": ResumePolicy(on_unknown_submit="reconcile", reconcile_after=2.0)},
    # Longer than a try waits before it asks again.
    "patient": {"resume": ResumePolicy(on_unknown_submit="reconcile", reconcile_after=14.0)},
    "resubmit": {"resume": ResumePolicy(on_unknown_submit="resubmit")},
    "held": {"queue_timeout": 60.0},
    "fail": {"resume": ResumePolicy(on_unknown_submit="fail")},
    "reuse": {"resume": ResumePolicy(on_clear="reuse")},
    "fresh": {"resume": ResumePolicy(on_clear="fresh")},
    "changing": {"audio_url": EVERY_TRY_ANOTHER},
    "changing_fail": {"audio_url": EVERY_TRY_ANOTHER, "resume": ResumePolicy(on_changed_input="fail")},
}
RETRIES = {"retries": 5, "retry_delay": timedelta(seconds=1), "pool": "videoretalk"}


def arm_fault_points(context: Any) -> None:
    """Lets this process die at the steps armed for its own run: the runs of a table are played side by side.

    A lost submit is looked for within seconds instead of minutes.
    """
    from airflow_provider_videoretalk.submission import fault_points, lost_submit, submitter

    lost_submit.ABSENCE_SECONDS = lost_submit._CONTRADICTION_SECONDS = lost_submit._UNDER_WAY_SECONDS = 12.0
    submitter._SEARCH_PAUSE = 3.0
    os.environ["VIDEORETALK_FAULT_POINTS"] = context["params"]["steps"]
    importlib.reload(fault_points)


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
            # The pictures of the stand-in clips are no pictures.
            preflight="off",
            deferrable=PATHS[path],
            poll_interval=1.0,
            pre_execute=arm_fault_points,
            **{"audio_url": "{{ params.audio_url }}"} | POLICIES[policy],
        )
        PublishMediaOperator(
            task_id="publish",
            source=retalk.output,
            destination="{{ params.destination }}",
            dashscope_conn_id="{{ params.connection }}",
            pre_execute=arm_fault_points,
        )
    return dag


for _path in PATHS:
    for _policy in POLICIES:
        _dag = clip_dag(_path, _policy)
        globals()[_dag.dag_id] = _dag
