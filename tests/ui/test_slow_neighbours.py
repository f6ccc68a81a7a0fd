"""A real API server whose pages wait for others: for a gateway that drips, for readers that do not read."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import requests
import uvicorn
from connections import connect
from dag_readers import reader_of
from fastapi import FastAPI
from system.waiting import until
from video_rows import Row

from airflow_provider_videoretalk.ui import media_response, service_status
from airflow_provider_videoretalk.ui.media_response import MAX_STREAMS

DAG = "videoretalk_quickstart"
READERS = 60
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: 100000000\r\n\r\n"
WITHIN = 60.0

Runs = Callable[..., None]


class Dripper:
    """A server that begins every answer, and goes on when it is released, or never.

    :param content_type: of the answers
    :param body: sent at once
    """

    def __init__(self, content_type: bytes, body: bytes = b"{") -> None:
        self._start = HEAD % content_type + body
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._released = threading.Event()
        self._lock = threading.Lock()
        self.open = self.most = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}{path}"

    def close(self) -> None:
        self._released.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            with self._lock:
                self.open += 1
                self.most = max(self.most, self.open)
            connection.sendall(self._start)
            # One byte at a time: no time-out between two bytes ever comes.
            while not self._released.wait(1.0):
                connection.sendall(b" ")
        with self._lock:
            self.open -= 1


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dripper]:
    dripper = Dripper(b"application/json")
    for number in range(READERS):
        connect(monkeypatch, name=f"gateway_{number}", host=dripper.url("/api/v1"), allow_private=True)
    yield dripper
    dripper.close()


@pytest.fixture(scope="module")
def airflow(server: FastAPI) -> Iterator[Any]:
    """A session with the API server, logged in as a reader; its addresses are paths."""
    from airflow.api_fastapi.app import get_auth_manager

    runner = uvicorn.Server(uvicorn.Config(server, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=runner.run)
    thread.start()
    until(lambda: runner.started, what="the API server is up", within=WITHIN)
    (listener,) = runner.servers[0].sockets

    class Session(requests.Session):
        def request(self, method: Any, url: Any, *arguments: Any, **options: Any) -> requests.Response:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}{url}"
            return super().request(method, address, *arguments, **{"timeout": WITHIN} | options)

    with Session() as session:
        session.trust_env = False
        # The server closes an idle connection after some seconds, perhaps just as it is used again.
        session.headers["Connection"] = "close"
        session.cookies["_token"] = get_auth_manager().generate_jwt(reader_of(DAG))
        yield session
    runner.should_exit = True
    runner.force_exit = True
    thread.join()


def answers_for_itself(airflow: Any) -> None:
    """Airflow's own pages, of which each needs a shared thread, and a page of this package."""
    assert airflow.get("/api/v2/dags").status_code == 200
    assert airflow.get(f"/api/v2/dags/{DAG}/dagRuns").status_code == 200
    assert airflow.get("/videoretalk/").status_code == 200


@pytest.mark.parametrize("page", ["status", "queue"])
def test_airflow_answers_while_a_gateway_drips(
    page: str, airflow: Any, gateway: Dripper, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than the test: whoever waits for the gateway still does when Airflow has answered.
    monkeypatch.setattr(service_status._QUESTIONS, "seconds", 10 * WITHIN)
    rows = [
        Row(
            task_id="retalk",
            map_index=number,
            state="deferred",
            xcoms={"dashscope_task_id": f"job-{number}"},
            fields={"video_url": "https://h/v.mp4", "dashscope_conn_id": f"gateway_{number}"},
        )
        for number in range(READERS)
    ]
    runs(DAG, one=rows)
    here = f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk"
    addresses = [f"{here}/{number}/status" if page == "status" else "/videoretalk/queue" for number in range(READERS)]
    with ThreadPoolExecutor(READERS) as readers:
        replies = [readers.submit(airflow.get, address) for address in addresses]
        try:
            until(lambda: gateway.open >= 8, what="the gateway is asked", within=WITHIN)
            answers_for_itself(airflow)
            assert not [reply.result().text for reply in replies if reply.done()], "all wait for the gateway"
            assert gateway.most <= 8
        finally:
            gateway.close()
        assert {reply.result().status_code for reply in replies} == {200}


def test_a_page_comes_while_the_gateway_drips_on(
    airflow: Any, gateway: Dripper, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_status._QUESTIONS, "seconds", 3.0)
    runs(DAG, one=[Row(task_id="retalk", state="deferred", xcoms={"dashscope_task_id": "slow"},
                       fields={"video_url": "https://h/v.mp4", "dashscope_conn_id": "gateway_1"})])  # fmt: skip
    page = airflow.get(f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1/status")
    assert gateway.open == 1
    assert "The status cannot be read from the service. The service does not answer within some seconds." in page.text


# More than read logs at once, and fewer than Airflow's own permission checks need database connections for.
LOG_READERS = 12


def test_the_log_of_a_worker_that_does_not_answer(airflow: Any, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.utils.log.log_reader import TaskLogReader
    from airflow.utils.session import create_session
    from sqlalchemy import event

    with create_session(scoped=False) as session:
        engine = session.get_bind()
    released, reading, taken = threading.Event(), threading.Semaphore(0), list[str]()

    def hang(*_: Any) -> Any:
        reading.release()
        released.wait()
        return [], {}

    monkeypatch.setattr(TaskLogReader, "read_log_chunks", hang)
    runs(DAG, one=[Row(task_id="retalk", map_index=number, state="failed") for number in range(LOG_READERS)])
    listeners = {"checkout": lambda *_: taken.append(""), "checkin": lambda *_: taken.pop()}
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    try:
        with ThreadPoolExecutor(LOG_READERS) as readers:
            replies = [
                readers.submit(airflow.get, f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/{number}/failure")
                for number in range(LOG_READERS)
            ]
            try:
                for _ in range(8):
                    assert reading.acquire(timeout=WITHIN)
                answers_for_itself(airflow)
                until(lambda: not taken, what="no page holds a database connection", within=WITHIN)
            finally:
                released.set()
            pages = [reply.result() for reply in replies]
    finally:
        for name, listener in listeners.items():
            event.remove(engine, name, listener)
    assert {page.status_code for page in pages} == {200}


@pytest.mark.parametrize("drips", [True, False], ids=["sources that drip", "readers that do not read"])
def test_media_take_some_streams_and_nothing_else(
    drips: bool, airflow: Any, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Dripper(b"video/mp4", b"x" if drips else b"x" * 20_000_000)
    connect(monkeypatch, host=source.url("/api/v1"), allow_private=True)
    service_status.service_endpoint.cache.clear()
    row = Row(
        task_id="retalk", xcoms={"dashscope_task_id": "t"},
        fields={"video_url": source.url("/v.mp4"), "dashscope_conn_id": "dashscope_default"},
    )  # fmt: skip
    runs(DAG, one=[row])
    address = f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1/media/source"
    try:
        with ExitStack() as streams:
            for _ in range(MAX_STREAMS):
                assert streams.enter_context(airflow.get(address, stream=True)).status_code == 200
            refused = airflow.get(address)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
            assert "too many videos" in refused.text
            answers_for_itself(airflow)
        until(lambda: source.open < MAX_STREAMS, what="a source is closed", within=WITHIN)
        until(lambda: airflow.get(address, stream=True).status_code == 200, what="a stream is free", within=WITHIN)
    finally:
        source.close()


def test_a_reader_that_does_not_read_is_left(airflow: Any, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_response, "_READER_SECONDS", 0.1)
    source = Dripper(b"video/mp4", b"x" * 50_000_000)
    connect(monkeypatch, host=source.url("/api/v1"), allow_private=True)
    service_status.service_endpoint.cache.clear()
    fields = {"video_url": source.url("/v.mp4"), "dashscope_conn_id": "dashscope_default"}
    runs(DAG, one=[Row(task_id="retalk", xcoms={"dashscope_task_id": "t"}, fields=fields)])
    address = f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1/media/source"
    try:
        with airflow.get(address, stream=True) as stream:
            assert stream.status_code == 200
            until(lambda: source.most and not source.open, what="the source is closed", within=WITHIN)
    finally:
        source.close()
