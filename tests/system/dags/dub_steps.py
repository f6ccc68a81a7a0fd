"""One paid step of a dub a run, with fault points of each run's own to die at."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_videoretalk.operators.segment_speech import SegmentSpeechOperator
from airflow_provider_videoretalk.operators.talking_photo import TalkingPhotoOperator
from airflow_provider_videoretalk.operators.transcribe import TranscribeOperator
from airflow_provider_videoretalk.operators.translate import TranslateOperator
from airflow_provider_videoretalk.operators.voice import VoiceOperator
from airflow_provider_videoretalk.submission.resume import ResumePolicy

INPUT, FOLDER = "{{ params.input }}", "{{ params.folder }}"
RECONCILE = ResumePolicy(on_unknown_submit="reconcile", reconcile_after=2.0)
# No two of them go into one request.
PARAGRAPHS = "\n".join(f"This is part {number}." + " And more." * 100 for number in (1, 2, 3))
SEGMENTS = [
    {"start": 0.5, "end": 3.0, "text": "Good morning, and welcome."},
    {"start": 4.0, "end": 6.5, "text": "The weather is warm today."},
    {"start": 9.0, "end": 11.5, "text": "Come again."},
]


def arm_fault_points(context: Any) -> None:
    """Lets this process die at the points armed for its own run: the runs of a table are played side by side.

    What was lost is looked for within seconds instead of minutes.
    """
    from airflow_provider_videoretalk.submission import fault_points, lost_submit, submitter, voice_enrollment

    lost_submit.ABSENCE_SECONDS = lost_submit._CONTRADICTION_SECONDS = lost_submit._UNDER_WAY_SECONDS = 12.0
    submitter._SEARCH_PAUSE = 3.0
    voice_enrollment.SEARCH_PAUSES = (1.0, 2.0, 3.0)
    os.environ["VIDEORETALK_FAULT_POINTS"] = context["params"]["steps"]
    importlib.reload(fault_points)


def waiting(deferrable: bool, **arguments: Any) -> dict[str, Any]:
    """Of the operators that wait for a job. The stand-in recordings are none."""
    polls = {"poll_interval": 1.0, "max_poll_interval": 2.0}
    return {"preflight": "off", "deferrable": deferrable, "resume": RECONCILE, **polls, **arguments}


def voice(**arguments: Any) -> None:
    VoiceOperator(sample=INPUT, consent="Anna agreed on 2026-11-02.", **arguments)


def transcribe(**arguments: Any) -> None:
    TranscribeOperator(file_url=INPUT, destination=FOLDER + "transcript", **arguments)


def translate(**arguments: Any) -> None:
    TranslateOperator(source=PARAGRAPHS, source_language="en", target_language="de", **arguments)


def speak(**arguments: Any) -> None:
    SegmentSpeechOperator(segments={"segments": SEGMENTS}, folder=FOLDER, **arguments)


def photo(**arguments: Any) -> None:
    TalkingPhotoOperator(image_url=INPUT, audio_url=INPUT + ".wav", **arguments)


REUSE = {"resume": ResumePolicy(on_clear="reuse")}
STEPS: Mapping[str, tuple[Callable[..., None], dict[str, Any]]] = {
    "voice": (voice, {}),
    "voice_killed_often": (voice, {"retries": 40}),
    "transcribe_deferrable": (transcribe, waiting(True)),
    "transcribe_blocking": (transcribe, waiting(False)),
    "transcribe_deferrable_reuse": (transcribe, waiting(True, **REUSE)),
    "transcribe_blocking_reuse": (transcribe, waiting(False, **REUSE)),
    "translate": (translate, {}),
    "speak": (speak, {}),
    "photo_deferrable": (photo, waiting(True)),
    "photo_blocking": (photo, waiting(False)),
}

for _dag_id, (_step, _arguments) in STEPS.items():
    with DAG(
        _dag_id,
        schedule=None,
        params={"connection": "", "input": "", "folder": "", "steps": ""},
        default_args={"retries": 5, "retry_delay": timedelta(seconds=1), "pool": "videoretalk"},
        max_active_runs=500,
        max_active_tasks=500,
    ) as _dag:
        _step(
            task_id="paid",
            dashscope_conn_id="{{ params.connection }}",
            pre_execute=arm_fault_points,
            **_arguments,
        )
    globals()[_dag_id] = _dag
