"""Render jobs over real HTTP, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_videoretalk.emulator import server
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError

if TYPE_CHECKING:
    from pathlib import Path


def test_queue_moves_on_as_time_passes(start: Any, connect: Any, clock: Any, until: Any) -> None:
    client = connect(start())
    first, second = client.submitted(), client.submitted()
    until(lambda: client.status(first) == "RUNNING")
    assert client.status(second) == "PENDING"
    clock.advance(26)  # 95 % of 9 x 3 s
    until(lambda: client.status(first) == "POST-PROCESSING")
    clock.advance(1)
    until(lambda: client.status(first) == "SUCCEEDED")
    until(lambda: client.status(second) == "RUNNING")
    clock.advance(27)
    until(lambda: client.status(second) == "SUCCEEDED")
    done = client.query(first)
    assert done["usage"] == {"video_duration": 3.0, "size": "720*1280", "video_ratio": "standard", "fps": 25}
    report = requests.get(f"{client.emulator.url}/emulator/tasks", timeout=10).json()
    assert report["billed_seconds"] == 6.0


def test_cancel_while_queued(start: Any, connect: Any, until: Any) -> None:
    client = connect(start())
    first, second = client.submitted(), client.submitted()
    until(lambda: client.status(first) == "RUNNING")
    assert set(client.post(f"/tasks/{second}/cancel").json()) == {"request_id"}
    assert client.query(second)["output"] == {"task_id": second, "task_status": "CANCELED"}
    refused = client.post(f"/tasks/{first}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (400, "UnsupportedOperation")


def test_three_hours_end_a_running_task_and_free_its_slot(start: Any, connect: Any, clock: Any, until: Any) -> None:
    client = connect(start(render_factor=1e6))
    first = client.submitted()
    until(lambda: client.status(first) == "RUNNING")
    clock.advance(3 * 3600)
    assert client.query(first)["output"]["code"] == "InternalError.Timeout"
    second = client.submitted()
    until(lambda: client.status(second) == "RUNNING")


def test_refused_media_fail_the_task(start: Any, connect: Any, engine: Any, until: Any) -> None:
    engine.refusal = MediaRefusedError("InvalidFile.FPS", "too slow")
    client = connect(start())
    task = client.submitted()
    until(lambda: client.status(task) == "FAILED")
    output = client.query(task)["output"]
    assert (output["code"], output["message"]) == ("InvalidFile.FPS", "too slow")
    assert "video_url" not in output


def test_engine_that_breaks_is_an_algorithm_error(start: Any, connect: Any, engine: Any, until: Any) -> None:
    engine.refusal = RuntimeError("a worker died")
    client = connect(start())
    first, second = client.submitted(), client.submitted()
    until(lambda: client.status(second) == "FAILED")
    assert client.query(first)["output"]["code"] == "InternalError.Algo"


def test_files_past_their_end_are_deleted(start: Any, connect: Any, clock: Any, until: Any) -> None:
    client = connect(start(render_factor=0))
    task = client.submitted()
    until(lambda: client.status(task) == "SUCCEEDED")
    path = client.emulator.state.storage.folder("results") / f"{task}.mp4"
    assert path.is_file()
    clock.advance(24 * 3600 + 1)
    until(lambda: not path.exists())


def test_text_that_is_no_unicode_is_refused(start: Any, connect: Any) -> None:
    client = connect(start())
    for url in ("http://x.example/\ud800", "oss://\ud800"):
        assert client.submit(input={"video_url": url, "audio_url": url}).status_code == 400
    assert requests.get(f"{client.emulator.url}/emulator/tasks", timeout=10).json()["tasks"] == []


def test_result_url_ends_after_a_day(start: Any, connect: Any, clock: Any, until: Any) -> None:
    client = connect(start(render_factor=0))
    task = client.submitted()
    until(lambda: client.status(task) == "SUCCEEDED")
    url = client.query(task)["output"]["video_url"]
    whole = requests.get(url, timeout=10)
    assert whole.status_code == 200
    assert whole.headers["content-type"] == "video/mp4"
    part = requests.get(url, headers={"Range": "bytes=10-19", "If-Range": whole.headers["etag"]}, timeout=10)
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    head = requests.head(url, timeout=10)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(whole.content)), b"")
    forged = requests.get(url.replace("Signature=", "Signature=A"), timeout=10)
    assert (forged.status_code, forged.headers["content-type"]) == (403, "application/xml")
    assert "<Code>SignatureDoesNotMatch</Code>" in forged.text
    assert requests.get(url.split("?")[0], timeout=10).status_code == 403
    clock.advance(24 * 3600 + 1)
    expired = requests.get(url, timeout=10)
    assert expired.status_code == 403
    assert "<Code>AccessDenied</Code>" in expired.text
    assert "Request has expired." in expired.text
    assert client.query(task)["output"] == {"task_id": task, "task_status": "UNKNOWN"}


def test_missing_parts_of_a_gateway(start: Any, connect: Any) -> None:
    client = connect(start(missing=frozenset({"list", "cancel", "uploads"})))
    for reply in (client.get("/tasks"), client.post("/tasks/x/cancel"), client.get("/uploads", action="getPolicy")):
        assert reply.status_code == 404
    assert client.status("never-seen") == "UNKNOWN"


def test_rates(start: Any, connect: Any, clock: Any) -> None:
    client = connect(start(submits_per_second=1, queries_per_second=20))
    assert client.submit().status_code == 200
    throttled = client.submit()
    assert (throttled.status_code, throttled.json()["code"]) == (429, "Throttling.RateQuota")
    assert "retry-after" not in throttled.headers
    clock.advance(1)
    assert client.submit().status_code == 200
    assert [client.get("/tasks/x").status_code for _ in range(21)] == [200] * 20 + [429]


class Origin(BaseHTTPRequestHandler):
    """Answers by path: a status, no reply, or a body with a wrong or too large length."""

    hold = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
        elif self.path == "/slow":
            self.hold.wait(10)
        elif self.path == "/declared":
            self.send_response(200)
            self.send_header("Content-Length", str(31 * 1024 * 1024))
            self.end_headers()
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def origin() -> Any:
    Origin.hold = threading.Event()
    server = HTTPServer(("127.0.0.1", 0), Origin)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Origin.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/missing", "InvalidURL"),
        ("/short", "InvalidURL"),
        ("/slow", "InvalidURL.Timeout"),
        ("/declared", "InvalidFile.Size"),
    ],
)
def test_inputs_that_cannot_be_downloaded(
    start: Any, connect: Any, until: Any, origin: str, path: str, code: str
) -> None:
    # Only the slow one may meet the timeout, on a slow machine, too.
    client = connect(start(download_timeout=0.3 if code.endswith("Timeout") else 60))
    video = f"{client.emulator.url}/samples/presenter.mp4"
    reply = client.submit(input={"video_url": video, "audio_url": f"{origin}{path}"})
    task = reply.json()["output"]["task_id"]
    until(lambda: client.status(task) == "FAILED")
    assert client.query(task)["output"]["code"] == code


def test_refused_connection(start: Any, connect: Any, until: Any) -> None:
    client = connect(start())
    # Nothing listens on port 1 of loopback.
    url = "http://127.0.0.1:1/v.mp4"
    task = client.submit(input={"video_url": url, "audio_url": url}).json()["output"]["task_id"]
    until(lambda: client.status(task) == "FAILED")
    assert client.query(task)["output"]["code"] == "InvalidURL.ConnectionRefused"


def test_nothing_is_left_after_stop(start: Any, connect: Any, until: Any) -> None:
    before = set(threading.enumerate())
    emulator = start()
    client = connect(emulator)
    task = client.submitted()
    until(lambda: client.status(task) == "RUNNING")
    folder = emulator.state.storage.folder("results").parent
    assert folder.is_dir()
    emulator.stop()
    assert not folder.exists()
    assert not any("emulator" in thread.name for thread in set(threading.enumerate()) - before)


def test_a_stop_that_does_not_end_says_what_it_waits_for(
    start: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    async def close_at_last() -> None:
        await asyncio.to_thread(released.wait)

    monkeypatch.setattr(engine, "close", close_at_last)
    emulator = start()
    with monkeypatch.context() as short:
        short.setattr(server, "STOP_SECONDS", 0.1)
        try:
            with pytest.raises(RuntimeError, match=r"^the emulator did not stop within 0\.1 s: .*LifespanOn"):
                emulator.stop()
        finally:
            released.set()
    emulator.stop()


def test_given_folder_is_kept(start: Any, connect: Any, until: Any, tmp_path: Path) -> None:
    emulator = start(data_dir=tmp_path, render_factor=0)
    client = connect(emulator)
    task = client.submitted()
    until(partial(lambda: client.status(task) == "SUCCEEDED"))
    emulator.stop()
    assert (tmp_path / "results" / f"{task}.mp4").is_file()
