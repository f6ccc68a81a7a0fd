from __future__ import annotations

import json

import pytest

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, QueueTimeoutError
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob, awaited_of, event_of, task_of

ENDED = Task.parse({"request_id": "r", "output": {"task_id": "t1", "task_status": "SUCCEEDED"}})


@pytest.mark.parametrize("outcome", [ENDED, QueueTimeoutError("late", remedy="hurry")])
def test_events_survive_json(outcome: Task | DashScopeError) -> None:
    awaited = AwaitedJob(
        task_id="t1",
        request_id="r-submit",
        submitted_at=1.5,
        expected_seconds=12.5,
        cost_estimate={"inputs": {"v": "s3://b"}},
    )
    event = json.loads(json.dumps(event_of(outcome, awaited)))
    assert awaited_of(event) == awaited
    if isinstance(outcome, Task):
        assert task_of(event) == outcome
    else:
        with pytest.raises(QueueTimeoutError, match=r"late\. hurry"):
            task_of(event)
