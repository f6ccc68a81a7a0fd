"""Why a task of Airflow does not go on, by the rows that Airflow's own processes leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from fastapi.testclient import TestClient
from video_rows import Row

DAG = "videoretalk_quickstart"
HERE = f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1"

Runs = Callable[..., None]
Login = Callable[..., TestClient]


@pytest.fixture
def session(dags: None) -> Iterator[Any]:
    """A session. Whatever it adds beside runs is deleted."""
    from airflow.jobs.job import Job
    from airflow.models.dag import DagModel
    from airflow.models.pool import Pool
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from sqlalchemy import delete, update

    def clean() -> None:
        with create_session(scoped=False) as session:
            session.execute(delete(Trigger))
            session.execute(delete(Job))
            session.execute(delete(Pool).where(Pool.pool == "videoretalk"))
            session.execute(update(DagModel).where(DagModel.dag_id == DAG).values(is_paused=False))

    clean()
    with create_session(scoped=False) as session:
        yield session
    clean()


def change(session: Any, model: Any, **values: Any) -> None:
    from sqlalchemy import update

    session.execute(update(model).values(**values).execution_options(synchronize_session=False))
    session.commit()


def task_is(session: Any, **values: Any) -> None:
    from airflow.models.taskinstance import TaskInstance

    change(session, TaskInstance, **values)


def job(session: Any, kind: str, *, seconds_ago: float = 0, state: str = "running") -> int:
    from airflow.jobs.job import Job
    from sqlalchemy import insert

    at = datetime.now(timezone.utc) - timedelta(seconds=seconds_ago)
    row = {"job_type": kind, "state": state, "latest_heartbeat": at, "start_date": at}
    found = session.execute(insert(Job.__table__).values(**row)).inserted_primary_key[0]
    session.commit()
    return int(found)


def status(login: Login) -> str:
    return str(login(DAG).get(f"{HERE}/status").text)


def waiting(state: str | None, **xcoms: Any) -> list[Row]:
    return [Row(task_id="retalk", state=state, xcoms=xcoms)]


@pytest.mark.parametrize(
    ("triggerer", "sentence"),
    [
        (None, "triggerer is not running, so that nothing waits for the render job. Its last heartbeat: never."),
        (3600.0, "Airflow&#39;s triggerer is not running"),
        (0.0, None),
    ],
)
def test_a_deferred_task_needs_a_triggerer(
    triggerer: float | None, sentence: str | None, session: Any, runs: Runs, login: Login
) -> None:
    from airflow.models.trigger import Trigger

    runs(DAG, one=waiting("deferred", dashscope_task_id="t"))
    owner = job(session, "TriggererJob", seconds_ago=triggerer) if triggerer is not None else None
    trigger = Trigger(classpath="any.Trigger", kwargs={})
    trigger.triggerer_id = owner
    session.add(trigger)
    session.flush()
    task_is(session, trigger_id=trigger.id)
    page = status(login)
    assert ("triggerer" in page) is (sentence is not None)
    assert sentence is None or sentence in page


def test_another_triggerer_takes_over(session: Any, runs: Runs, login: Login) -> None:
    from airflow.models.trigger import Trigger

    runs(DAG, one=waiting("deferred", dashscope_task_id="t"))
    trigger = Trigger(classpath="any.Trigger", kwargs={})
    trigger.triggerer_id = job(session, "TriggererJob", seconds_ago=3600)
    job(session, "TriggererJob")
    session.add(trigger)
    session.flush()
    task_is(session, trigger_id=trigger.id)
    assert "No triggerer has taken the task&#39;s trigger yet" in status(login)


def add_pool(session: Any, *, slots: int, include_deferred: bool = True) -> None:
    from airflow.models.pool import Pool

    session.add(Pool(pool="videoretalk", slots=slots, description="", include_deferred=include_deferred))
    session.commit()


def test_a_pool_that_is_missing(session: Any, runs: Runs, login: Login) -> None:
    job(session, "SchedulerJob")
    runs(DAG, one=waiting("scheduled"))
    task_is(session, pool="videoretalk")
    assert "The pool &#39;videoretalk&#39; does not exist, so the task never starts." in status(login)


@pytest.mark.parametrize(
    ("slots", "include_deferred", "needed", "sentence"),
    [
        (2, True, 1, "The pool &#39;videoretalk&#39; is full: 2 of its 2 slots are in use."),
        (2, False, 1, "The task waits for a slot of the executor."),
        (2, False, 2, "is full: 1 of its 2 slots are in use"),
        (2, True, 3, "The task needs 3 slots of the pool &#39;videoretalk&#39;, which has 2. It never starts."),
        (-1, True, 9, "The task waits for a slot of the executor."),
        (3, True, 1, "The task waits for a slot of the executor."),
    ],
)
def test_a_pool_that_is_full(
    slots: int, include_deferred: bool, needed: int, sentence: str, session: Any, runs: Runs, login: Login
) -> None:
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import update

    job(session, "SchedulerJob")
    add_pool(session, slots=slots, include_deferred=include_deferred)
    runs(DAG, two=waiting("running"), three=waiting("deferred"), one=waiting("scheduled"))
    task_is(session, pool="videoretalk")
    session.execute(update(TaskInstance).where(TaskInstance.run_id == "one").values(pool_slots=needed))
    session.commit()
    assert sentence in status(login)


def test_a_paused_dag(session: Any, runs: Runs, login: Login) -> None:
    from airflow.models.dag import DagModel

    job(session, "SchedulerJob")
    for state in (None, "scheduled", "up_for_retry", "deferred"):
        runs(DAG, **{"one" if state is None else f"run-{state}": waiting(state)})
    change(session, DagModel, is_paused=True)
    for run in ("one", "run-scheduled", "run-up_for_retry", "run-deferred"):
        page = login(DAG).get(HERE.replace("/one/", f"/{run}/") + "/status").text
        assert "The DAG is paused" in page, run


@pytest.mark.parametrize(("seconds_ago", "is_said"), [(None, True), (3600.0, True), (0.0, False)])
def test_a_scheduler_that_is_not_running(
    seconds_ago: float | None, is_said: bool, session: Any, runs: Runs, login: Login
) -> None:
    if seconds_ago is not None:
        job(session, "SchedulerJob", seconds_ago=seconds_ago)
    runs(DAG, one=waiting("scheduled"))
    assert ("Airflow&#39;s scheduler is not running" in status(login)) is is_said


def test_a_task_without_a_worker(session: Any, runs: Runs, login: Login) -> None:
    job(session, "SchedulerJob")
    runs(DAG, one=waiting("queued"))
    task_is(session, queued_dttm=datetime(2026, 11, 26, 7, 30, tzinfo=timezone.utc), queue="gpu")
    assert "The task has waited since 2026-11-26 07:30 UTC for a worker of the queue &#39;gpu&#39;." in status(login)


def test_a_task_before_others_have_ended_and_a_run_in_the_queue(session: Any, runs: Runs, login: Login) -> None:
    from airflow.models.dagrun import DagRun

    job(session, "SchedulerJob")
    runs(DAG, one=[Row(task_id="speech", state="running"), Row(task_id="retalk", state=None)])
    assert "Tasks before it" not in status(login), "the running task is what the video waits for"
    runs(DAG, two=waiting(None))
    two = HERE.replace("/one/", "/two/")
    assert "Tasks before it have not ended yet." in login(DAG).get(f"{two}/status").text
    change(session, DagRun, state="queued")
    assert "max_active_runs" in login(DAG).get(f"{two}/status").text


def test_a_task_that_waits_for_its_retry(
    session: Any, runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_videoretalk.ui.airflow_db.task_logs import TaskLog

    ended = datetime.now(timezone.utc)
    job(session, "SchedulerJob")
    runs(DAG, one=[*waiting("up_for_retry"), Row(task_id="publish", state=None)])
    task_is(session, end_date=ended, try_number=2, max_tries=3)
    # The DAG's retry_delay is 10 s.
    page = status(login)
    assert "Try 2 of 4 failed, and Airflow waits before the next one. The next one starts at about " in page
    line = {"event": "Task failed with exception", "error_detail": [{"exc_type": "ServerError", "exc_value": "Full."}]}
    monkeypatch.setattr(TaskLog, "read_last_lines", lambda log: [line])
    for task_id in ("retalk", "publish"):
        here = f"/videoretalk/dags/{DAG}/runs/one/tasks/{task_id}/-1"
        assert f'data-load="{here}/failure"' in login(DAG).get(here).text
        failure = login(DAG).get(f"{here}/failure").text
        assert "Why the last try failed" in failure
        assert "Full." in failure


def test_a_task_that_looks_again_later(session: Any, runs: Runs, login: Login) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskreschedule import TaskReschedule
    from sqlalchemy import insert, select

    job(session, "SchedulerJob")
    runs(DAG, one=waiting("up_for_reschedule"))
    at = datetime(2026, 11, 26, 9, 5, tzinfo=timezone.utc)
    task = session.scalar(select(TaskInstance.id))
    row = {"ti_id": task, "start_date": at, "end_date": at, "duration": 0, "reschedule_date": at}
    session.execute(insert(TaskReschedule.__table__).values(**row))
    session.commit()
    assert "The task looks again at 2026-11-26 09:05 UTC." in status(login)


def test_nothing_is_said_of_a_task_that_runs(session: Any, runs: Runs, login: Login) -> None:
    runs(DAG, one=waiting("running", dashscope_task_id="t"))
    page = status(login)
    for word in ("scheduler", "triggerer", "pool", "paused"):
        assert word not in page
