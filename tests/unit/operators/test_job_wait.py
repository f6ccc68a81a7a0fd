"""What is done within seconds: the look before a deferral, and the one after a limit has passed."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.operators import job_wait
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob

NOW = 1_795_200_000.0
CLIENT = cast("Client", None)


class Query:
    """The one query, and its time limit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: str | None) -> None:
        self.seconds: list[float] = []
        payload = {"output": {"task_id": "t1", "task_status": status}}
        self._task = Task.parse(payload) if status else None
        monkeypatch.setattr(job_wait, "query_once", self._query)

    def _query(self, client: object, task_id: str, *, seconds: float) -> Task | None:
        assert task_id == "t1"
        self.seconds.append(seconds)
        return self._task


@pytest.mark.parametrize(
    ("age", "status", "ended"),
    [
        (14.9, "SUCCEEDED", None),
        (15.0, "SUCCEEDED", "SUCCEEDED"),
        (600.0, "FAILED", "FAILED"),
        (600.0, "RUNNING", None),
        (600.0, None, None),
    ],
)
def test_a_job_that_has_ended_needs_no_deferral(
    monkeypatch: pytest.MonkeyPatch, age: float, status: str | None, ended: str | None
) -> None:
    query = Query(monkeypatch, status)
    awaited = AwaitedJob(task_id="t1", submitted_at=NOW - age)
    event = job_wait.event_if_ended(CLIENT, awaited, clock=lambda: NOW)
    assert (event and event["reply"]["output"]["task_status"]) == ended
    assert query.seconds == [10.0] * (age >= 15)


@pytest.mark.parametrize(
    ("done", "begun", "status", "ended", "renders"),
    [
        (True, False, "RUNNING", False, False),
        (False, False, "PENDING", False, False),
        (False, False, "RUNNING", False, True),
        (False, False, "SUCCEEDED", True, True),
        (False, True, "FAILED", True, False),
        (False, True, None, False, True),
        (False, False, None, False, False),
        # It says nothing about a job that has left the queue.
        (False, True, "UNKNOWN", False, True),
        (False, False, "UNKNOWN", False, False),
    ],
)
def test_the_last_look_after_a_limit(
    monkeypatch: pytest.MonkeyPatch, done: bool, begun: bool, status: str | None, ended: bool, renders: bool
) -> None:
    query, limits = Query(monkeypatch, status), list[dict[str, Any]]()

    def cancel(awaited: AwaitedJob, **limit: Any) -> Any:
        limits.append(limit)
        return SimpleNamespace(done=done, begun=begun, sentence="A sentence.")

    awaited = AwaitedJob(task_id="t1", submitted_at=NOW - 600)
    last = job_wait.settle(CLIENT, awaited, cancel=cancel, clock=lambda: NOW)
    assert (last.event is not None, last.cancelled, last.renders) == (ended, done, renders)
    assert last.sentence == "A sentence."
    # Six seconds in all.
    assert limits == [{"seconds": 4.5}]
    assert query.seconds == ([] if done else [1.5])


def test_a_supervisor_that_hangs_does_not_keep_the_process_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()
    asking: list[threading.Thread] = []

    def hanging(**_: Any) -> dict[str, Any]:
        asking.append(threading.current_thread())
        hang.wait()
        return {}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(hanging))
    ti = SimpleNamespace(dag_id="dag", task_id="retalk", run_id="run", map_index=-1)
    try:
        assert job_wait._state_within(ti, seconds=0.05) is None
        [thread] = asking
        assert thread.daemon
    finally:
        hang.set()


def test_a_state_that_takes_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(**_: Any) -> dict[str, Any]:
        time.sleep(0.1)
        return {"run": {"retalk": "failed"}}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(slow))
    ti = SimpleNamespace(dag_id="dag", task_id="retalk", run_id="run", map_index=-1)
    assert job_wait._state_within(ti, seconds=60.0) == "failed"


@pytest.mark.parametrize(
    ("has_record", "state", "cancels"),
    [(True, "failed", True), (True, "restarting", False), (True, None, False), (False, "restarting", True)],
)
def test_a_kill_takes_less_than_five_seconds(
    monkeypatch: pytest.MonkeyPatch, has_record: bool, state: str | None, cancels: bool
) -> None:
    """Two for the question whether another try follows, and half a second more for one attempt to cancel."""
    limits: list[Any] = []

    def state_within(task_instance: object, *, seconds: float) -> str | None:
        limits.append(seconds)
        return state

    monkeypatch.setattr(job_wait, "_state_within", state_within)
    wait = job_wait.WorkerWait(
        client=CLIENT,
        awaited=AwaitedJob(task_id="t1"),
        poll_policy=PollPolicy(),
        task_instance=None,
        has_record=has_record,
        cancel=lambda awaited, **limit: limits.append((awaited.task_id, limit)),
        log=cast("Any", SimpleNamespace(info=lambda *_: None)),
    )
    wait.on_kill()
    assert limits == [2.0] * has_record + [("t1", {"pauses": (), "seconds": 2.5})] * cancels
