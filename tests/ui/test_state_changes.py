"""Who ended a task: the events that Airflow's own API and scheduler write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from dag_readers import DagReaders
from fastapi.testclient import TestClient
from video_rows import Row, result

from airflow_provider_videoretalk.ui.airflow_db.state_changes import StateChange, find_state_change
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef

DAG, MAPPED = "videoretalk_quickstart", "videoretalk_batch"

Runs = Callable[..., None]
Login = Callable[..., TestClient]


@pytest.fixture(autouse=True)
def no_events(dags: None) -> Iterator[None]:
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    def forget() -> None:
        with create_session(scoped=False) as session:
            session.execute(delete(Log))

    forget()
    yield
    forget()


@pytest.fixture
def person(login: Login, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A person who may change these DAGs."""
    monkeypatch.setattr(DagReaders, "is_authorized_dag", lambda self, **_: True)
    return login(DAG, MAPPED)


def change_of(task_id: str = "retalk", *, dag: str = DAG, map_index: int = -1) -> StateChange | None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    ref = TaskInstanceRef(dag_id=dag, run_id="one", task_id=task_id, map_index=map_index)
    with create_session(scoped=False) as session:
        state = session.scalar(
            select(TaskInstance.state).where(TaskInstance.task_id == task_id, TaskInstance.map_index == map_index)
        )
        return find_state_change(session, ref, state=state, related=["speech", "publish"])


def event(
    name: str, task_id: str | None = "retalk", *, dag: str = DAG, map_index: int | None = -1, **more: Any
) -> None:
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        session.add(Log(event=name, dag_id=dag, run_id="one", task_id=task_id, map_index=map_index, **more))


@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_person_marks_a_task(state: str, runs: Runs, person: TestClient) -> None:
    runs(DAG, one=[Row(task_id="retalk", state="deferred", xcoms={"dashscope_task_id": "t"})])
    event("running")
    address = f"/api/v2/dags/{DAG}/dagRuns/one/taskInstances/retalk"
    assert person.patch(address, json={"note": "look"}).status_code == 200
    assert person.patch(address, json={"new_state": state}).status_code == 200
    found = change_of()
    assert found is not None
    assert (found.kind, found.state, found.by) == ("marked", state, f"{DAG},{MAPPED}")
    assert datetime.now(timezone.utc) - found.at < timedelta(minutes=1)
    page = person.get(f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1/outcome").text
    assert f"{DAG},{MAPPED} marked the task {state} at {found.at:%Y-%m-%d %H:%M} UTC." in page


def test_a_person_marks_the_publish_task_of_a_video_that_was_made(runs: Runs, person: TestClient) -> None:
    made = Row(task_id="retalk", xcoms={"dashscope_task_id": "t", "return_value": result("t")})
    runs(DAG, one=[made, Row(task_id="publish", state="running")])
    address = f"/api/v2/dags/{DAG}/dagRuns/one/taskInstances/publish"
    assert person.patch(address, json={"new_state": "failed"}).status_code == 200
    for viewed in ("retalk", "publish"):
        page = person.get(f"/videoretalk/dags/{DAG}/runs/one/tasks/{viewed}/-1/failure").text
        assert "Why it is not published" in page
        assert f"{DAG},{MAPPED} marked the task failed at" in page


def test_a_mark_that_made_the_next_task_fail(runs: Runs, person: TestClient) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    deferred = Row(task_id="retalk", state="deferred", xcoms={"dashscope_task_id": "t"})
    runs(DAG, one=[deferred, Row(task_id="publish", state=None)])
    address = f"/api/v2/dags/{DAG}/dagRuns/one/taskInstances/retalk"
    assert person.patch(address, json={"new_state": "success"}).status_code == 200
    with create_session(scoped=False) as session:
        session.execute(update(TaskInstance).where(TaskInstance.task_id == "publish").values(state="failed"))
    event("failed", task_id="publish")
    for viewed in ("retalk", "publish"):
        page = person.get(f"/videoretalk/dags/{DAG}/runs/one/tasks/{viewed}/-1/outcome").text
        assert f"{DAG},{MAPPED} marked the task success at" in page


@pytest.mark.parametrize(("state", "name"), [("failed", "fail task"), ("skipped", "skip task")])
def test_another_task_fails_in_a_dag_with_fail_fast(state: str, name: str, runs: Runs, login: Login) -> None:
    runs(DAG, one=[Row(task_id="retalk", state=state, xcoms={"dashscope_task_id": "t"})])
    event("running")
    event(name)
    found = change_of()
    assert found is not None
    assert (found.kind, found.state, found.by) == ("fail_fast", state, None)
    page = login(DAG).get(f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1/outcome").text
    assert "Another task of the run failed at" in page


def test_a_person_marks_one_clip_of_several(runs: Runs, person: TestClient) -> None:
    runs(MAPPED, one=[Row(task_id="video.make", map_index=index, state="deferred") for index in (0, 1, 11)])
    address = f"/api/v2/dags/{MAPPED}/dagRuns/one/taskInstances/video.make/1"
    assert person.patch(address, json={"new_state": "failed"}).status_code == 200
    for index, expected in ((0, None), (1, "marked"), (11, None)):
        found = change_of("video.make", dag=MAPPED, map_index=index)
        assert (found and found.kind) == expected, index


def test_a_person_marks_a_task_with_those_before_it(runs: Runs, person: TestClient) -> None:
    runs(DAG, one=[Row(task_id="retalk", state="deferred"), Row(task_id="publish", state=None)])
    address = f"/api/v2/dags/{DAG}/dagRuns/one/taskInstances/publish"
    marked = {"new_state": "success", "include_upstream": True}
    assert person.patch(address, json=marked).status_code == 200
    found = change_of()
    assert found is not None
    assert (found.kind, found.state) == ("marked", "success")


@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_person_marks_a_run(state: str, runs: Runs, person: TestClient) -> None:
    runs(DAG, one=[Row(task_id="speech"), Row(task_id="retalk", state="running")])
    event("running")
    assert person.patch(f"/api/v2/dags/{DAG}/dagRuns/one", json={"state": state}).status_code == 200
    found = change_of()
    assert found is not None
    assert (found.kind, found.state) == ("marked_run", state)


def test_a_task_that_failed_by_itself_was_not_marked(runs: Runs, person: TestClient) -> None:
    runs(DAG, one=[Row(task_id="retalk", state="failed")])
    event("running")
    event("failed")
    assert change_of() is None
    # A mark that repeats the state.
    person.patch(f"/api/v2/dags/{DAG}/dagRuns/one/taskInstances/retalk", json={"new_state": "failed"})
    assert change_of() is None


def test_a_mark_before_a_clear_is_of_another_try(runs: Runs, person: TestClient) -> None:
    runs(DAG, one=[Row(task_id="retalk", state="deferred")])
    person.patch(f"/api/v2/dags/{DAG}/dagRuns/one/taskInstances/retalk", json={"new_state": "failed"})
    assert change_of() is not None
    event("running")
    event("failed")
    assert change_of() is None


@pytest.mark.parametrize("state", ["failed", "up_for_retry"])
def test_a_worker_that_is_lost(state: str, runs: Runs, login: Login) -> None:
    runs(DAG, one=[Row(task_id="retalk", state=state, xcoms={"dashscope_task_id": "t"})])
    event("running")
    event("heartbeat timeout")
    event("failed")
    found = change_of()
    assert found is not None
    assert (found.kind, found.by) == ("worker_lost", None)
    part = "outcome" if state == "failed" else "status"
    page = login(DAG).get(f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1/{part}").text
    assert "Airflow lost the task&#39;s worker" in page or "Airflow lost the task's worker" in page


def test_a_task_that_no_worker_began(runs: Runs) -> None:
    runs(DAG, one=[Row(task_id="retalk", state="failed")])
    event("stuck in queued tries exceeded")
    found = change_of()
    assert found is not None
    assert found.kind == "never_started"


ODD = [
    "",
    "{",
    "[]",
    "[1]",
    '{"new_state": 5}',
    '{"new_state": ["failed"]}',
    '{"actions": [1, {"entities": [1]}]}',
    "x" * 99_999,
]


@pytest.mark.parametrize("extra", ODD)
def test_any_event(extra: str, runs: Runs, login: Login) -> None:
    runs(DAG, one=[Row(task_id="retalk", state="failed")])
    for name in ("patch_task_instance", "patch_dag_run", "bulk_task_instances", "patch_task_group_instances"):
        for task_id in ("retalk", None):
            event(name, task_id, extra=extra, owner="<b>")
    assert change_of() is None
    page = login(DAG).get(f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1/outcome")
    assert page.status_code == 200
    assert "<b>" not in page.text
