"""Decorated tasks in DAGs, as Airflow itself maps, runs and stores them. The pages' examples defer and resume."""

from __future__ import annotations

import json
from typing import Any

import pytest
from connections import connect

from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator

from .conftest import RunDag, load

DAG_FILE = """
from datetime import timedelta

from airflow.sdk import DAG, task

RETRIES = {"retries": 1, "retry_delay": timedelta(0), "dashscope_conn_id": "studio"}

with DAG("decorated", schedule=None, default_args=RETRIES):

    @task
    def scripts():
        texts = {"spring": "Hello, and welcome to spring.", "autumn": "Good evening to you, and welcome."}
        return [{"name": name, "text": text} for name, text in texts.items()]

    @task.text_to_speech(min_seconds=None, map_index_template="{{ task.op_kwargs['row']['name'] }}")
    async def speech(row, ti=None) -> dict:
        return {"text": row["text"], "voice": "loongabby_v3"}

    speech.override(task_id="spoken").expand(row=scripts())
"""


def rendered(run: Any, task_id: str, map_index: int) -> dict[str, Any]:
    """What Airflow has stored of a task instance's rendered fields."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.utils.session import create_session

    (found,) = [ti for ti in run.task_instances if (ti.task_id, ti.map_index) == (task_id, map_index)]
    with create_session() as session:
        return dict(RenderedTaskInstanceFields.get_templated_fields(found, session=session))


def test_mapped_tasks_of_an_async_function_in_a_dag(
    run_dag: RunDag, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, name="studio", host=emulator.base_url, allow_private=True)
    connect(monkeypatch, host="http://127.0.0.1:9/api/v1")
    emulator.faults.arm(FaultRule(operation="speech", effect="throttle"))
    run = run_dag(load(DAG_FILE, name="decorated"))
    assert (run.state, run.states("spoken")) == ("success", ["success"] * 2)
    results = [run.xcom("spoken", map_index=index) for index in (0, 1)]
    assert [result["characters"] for result in results] == [29, 33]
    # The annotation is of what the function returns: the task's result is one XCom.
    assert run.xcom("spoken", key="audio_url", map_index=0) is None
    fields = rendered(run, "spoken", 1)
    assert (fields["text"], fields["voice"]) == ("Good evening to you, and welcome.", "loongabby_v3")
    assert json.dumps(fields).count("DYNAMIC") == 0
