"""The failures: all of them, by code, the newest first."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from dag_readers import DagReaders
from fastapi.testclient import TestClient
from video_rows import NOW, Row

from airflow_provider_videoretalk.ui.airflow_db.task_logs import TaskLog
from airflow_provider_videoretalk.ui.recent_failures import PAGE_SIZE

DAG, OTHER, MAPPED = "videoretalk_quickstart", "videoretalk_submit_and_sense", "videoretalk_batch"

Runs = Callable[..., None]
Login = Callable[..., TestClient]


def failed(state: str = "failed", **xcoms: Any) -> list[Row]:
    return [Row(task_id="retalk", state=state, xcoms=xcoms or {"videoretalk_watch": "/"})]


def logs(monkeypatch: pytest.MonkeyPatch, errors: dict[str, str | None]) -> list[str]:
    """Gives the log of each run one error; returns the runs whose logs were read."""
    read: list[str] = []

    def read_last_lines(log: TaskLog) -> list[dict[str, Any]]:
        read.append(log.ref.run_id)
        error = errors.get(log.ref.run_id, "boom")
        detail = [{"exc_type": "TaskFailedError" if error != "boom" else "RuntimeError", "exc_value": error}]
        return [{"event": "Task failed with exception", "error_detail": detail}] if error is not None else []

    monkeypatch.setattr(TaskLog, "read_last_lines", read_last_lines)
    return read


def groups(page: str) -> dict[str, list[str]]:
    """The runs of each group, in order."""
    parts = re.split(r"<summary><strong>(.*?)</strong>", page)
    return {
        title: re.findall(r'<a href="/videoretalk/dags/[^/]+/runs/([^/]+)/', part)
        for title, part in zip(parts[1::2], parts[2::2], strict=True)
    }


SIZE = "InvalidFile.Size: the video is too large. (request_id r1). Shrink the file."


def test_failures_are_grouped_by_code_the_newest_first(
    runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = logs(monkeypatch, {"a": SIZE, "b": "boom", "c": SIZE, "d": None})
    runs(DAG, a=failed(), b=failed(), c=failed(), d=failed(), good=failed("success"))
    client = login(DAG)
    page = client.get("/videoretalk/failures").text
    assert groups(page) == {"No error in the log": ["d"], "InvalidFile.Size": ["c", "a"], "RuntimeError": ["b"]}
    assert "4 failed tasks, by the code of their error." in page
    assert "<strong>InvalidFile.Size</strong> · 2" in page
    assert "<strong>What to do:</strong> Shrink the file." in page
    assert sorted(read) == ["a", "b", "c", "d"]
    client.get("/videoretalk/failures")
    assert len(read) == 4, "an error is read once"


def test_all_of_them_are_counted_and_can_be_reached(runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    logs(monkeypatch, {})
    names = [f"run{number:03}" for number in range(2 * PAGE_SIZE + 7)]
    runs(DAG, **{name: failed() for name in names})
    client = login(DAG)
    found, address = [], "/videoretalk/failures?dag=" + DAG
    while address:
        page = client.get(address).text
        assert "207 failed tasks" in page
        found += [run for runs_of_group in groups(page).values() for run in runs_of_group]
        older = re.search(r'data-open="([^"]+page=\d+)"', page)
        address = older[1].replace("&amp;", "&") if older else ""
        assert address.startswith(f"/videoretalk/failures?dag={DAG}&") or not address
    assert found == names[::-1]
    assert "There are no older ones." in client.get("/videoretalk/failures?page=77").text


def test_a_clip_of_a_mapped_task_and_a_lost_worker_are_listed(
    runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs(monkeypatch, {})
    # The worker was killed after the submit: nothing has pushed the link.
    runs(MAPPED, lost=[Row(task_id="video.make", map_index=7, state="failed", xcoms={"dashscope_task_id": "t"})])
    runs(OTHER, stranger=[Row(task_id="wait", state="failed")])
    page = login(MAPPED, OTHER).get("/videoretalk/failures").text
    assert "videoretalk_batch · [7] · video.make" in page
    assert "stranger" not in page, "nothing shows that it is of this package"
    assert "1 failed task, by" in page


def test_filters_of_dag_and_day(runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    logs(monkeypatch, {})
    runs(DAG, mine=failed())
    runs(OTHER, other=[Row(task_id="wait", state="failed", xcoms={"videoretalk_watch": "/"})])
    client = login(DAG, OTHER)
    day = NOW.date()
    for query, expected in {
        "": {"mine", "other"},
        f"dag={DAG}": {"mine"},
        "dag=none": set(),
        f"day={day}": {"mine", "other"},
        f"day={day - timedelta(days=1)}": set(),
    }.items():
        page = client.get(f"/videoretalk/failures?{query}").text
        assert {run for names in groups(page).values() for run in names} == expected, query
    assert "/runs/mine/" not in login(OTHER).get("/videoretalk/failures").text


def test_a_log_that_may_not_be_read_is_not_read(runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    read = logs(monkeypatch, {"one": SIZE})
    allowed = DagReaders.is_authorized_dag

    def no_logs(self: Any, *, access_entity: Any = None, **more: Any) -> bool:
        return getattr(access_entity, "name", "") != "TASK_LOGS" and allowed(self, access_entity=access_entity, **more)

    runs(DAG, one=failed())
    with monkeypatch.context() as context:
        context.setattr(DagReaders, "is_authorized_dag", no_logs)
        page = login(DAG).get("/videoretalk/failures").text
        assert groups(page) == {"No permission to read the log": ["one"]}
        assert "InvalidFile" not in page
        assert not read
    assert groups(login(DAG).get("/videoretalk/failures").text) == {"InvalidFile.Size": ["one"]}
    with monkeypatch.context() as context:
        context.setattr(DagReaders, "is_authorized_dag", no_logs)
        assert "InvalidFile" not in login(DAG).get("/videoretalk/failures").text, "what another reader may see"


def test_a_log_that_cannot_be_read_is_said(runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(log: TaskLog) -> list[Any]:
        raise OSError("the worker is gone")

    monkeypatch.setattr(TaskLog, "read_last_lines", fail)
    runs(DAG, one=failed())
    page = login(DAG).get("/videoretalk/failures").text
    assert groups(page) == {"Log not read yet": ["one"]}
    assert "the worker is gone" not in page


NOTE = {"kind": "RequestError", "code": "InvalidFile.Size", "message": "Too large.", "remedy": "Shrink the file."}


def test_an_error_that_the_task_noted_needs_no_log(runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log may lie on a worker that is gone."""
    read = logs(monkeypatch, {"plain": None})
    noted = {"dashscope_task_id": "t", "videoretalk_error": {**NOTE, "request_id": "r-1"}}
    own = {"dashscope_task_id": "t", "videoretalk_error": {"kind": "KeyError", "code": "KeyError", "message": "'x'"}}
    runs(DAG, noted=failed(**noted), own=failed(**own), plain=failed())
    page = login(DAG).get("/videoretalk/failures").text
    assert groups(page) == {"No error in the log": ["plain"], "KeyError": ["own"], "InvalidFile.Size": ["noted"]}
    assert "<strong>What to do:</strong> Shrink the file." in page
    assert read == ["plain"]
    page = login(DAG).get(f"/videoretalk/dags/{DAG}/runs/noted/tasks/retalk/-1/failure").text
    for said in ("Too large.", "Shrink the file.", "<code>RequestError</code>", "<code>InvalidFile.Size</code>", "r-1"):
        assert said in page, said
    assert read == ["plain"]


@pytest.fixture
def silent_worker() -> Iterator[socket.socket]:
    """The log server of a worker that hangs: the kernel takes connections, and nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize(("hangs", "cause"), [(True, "Read timed out"), (False, "Connection refused")])
def test_a_log_on_a_worker_that_is_gone_or_hangs(
    hangs: bool, cause: str, silent_worker: socket.socket, runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow gives its own words in place of a log. They are no log without an error."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    port = silent_worker.getsockname()[1]
    if not hangs:
        silent_worker.close()
    monkeypatch.setenv("AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT", str(port))
    monkeypatch.setenv("AIRFLOW__API__LOG_FETCH_TIMEOUT_SEC", "1")
    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "0123456789abcdef" * 4)
    runs(DAG, one=failed())
    with create_session(scoped=False) as session:
        session.execute(update(TaskInstance).values(hostname="127.0.0.1", end_date=NOW + timedelta(minutes=hangs)))
    client = login(DAG)
    page = client.get(f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1/failure").text
    assert "its log could not be read: The task ran on 127.0.0.1." in page
    assert cause in page
    assert "contains no error" not in page
    assert groups(client.get("/videoretalk/failures").text) == {"Log cannot be read": ["one"]}


def test_a_new_try_has_another_error(runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    errors: dict[str, str | None] = {"one": SIZE}
    logs(monkeypatch, errors)
    runs(DAG, one=failed())
    client = login(DAG)
    assert groups(client.get("/videoretalk/failures").text) == {"InvalidFile.Size": ["one"]}
    errors["one"] = "boom"
    with create_session(scoped=False) as session:
        session.execute(update(TaskInstance).values(end_date=NOW + timedelta(hours=1)))
    assert groups(client.get("/videoretalk/failures").text) == {"RuntimeError": ["one"]}


def test_the_cards_of_the_board_alone(runs: Runs, login: Login) -> None:
    runs(DAG, **{f"run{number:02}": failed(dashscope_task_id=f"t{number}") for number in range(30)})
    client = login(DAG)
    board = client.get("/videoretalk/?state=failed").text
    address = re.search(r'data-load="(/videoretalk/videos[^"]+)" data-every="15"', board)
    assert address is not None
    cards = client.get(address[1].replace("&amp;", "&")).text
    assert "<html" not in cards
    # The same ones, so that nothing moves at the first refresh.
    assert re.findall(r'data-key="([^"]+)"', board) == re.findall(r'data-key="([^"]+)"', cards)
    assert len(re.findall(r'data-key="([^"]+)"', cards)) == 24
