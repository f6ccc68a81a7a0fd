"""What a task's process spends on one submit, from a cold start, beside HttpOperator.

    python -m benchmarks.submitting CLIENT BASE_URL

is that process: it has Airflow's task runner loaded, as a worker has, submits once and prints its CPU seconds and its
seconds. Airflow's own stores are in memory.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.machine import undisturbed
from benchmarks.results import ROOT, Goal, Result, Table, commit, setting

WITH, WITHOUT, HTTP = "this package, with preflight", "this package, without preflight", "HttpOperator"
CLIENTS = (WITH, WITHOUT, HTTP)
_PATH = "/services/aigc/image2video/video-synthesis"
_JOB = {"request_id": "r", "output": {"task_id": "11111111-2222-3333-4444-555555555555", "task_status": "PENDING"}}
_EMPTY_LIST = {"request_id": "r", "total": 0, "total_page": 1, "page_no": 1, "page_size": 100, "data": []}


def measure(*, quick: bool) -> Result:
    runs = 2 if quick else 11
    found: dict[str, list[dict[str, float]]] = {client: [] for client in CLIENTS}
    with tempfile.TemporaryDirectory() as folder:
        inputs = _inputs(Path(folder))
        server = _Server(inputs)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        for turn in range(runs + 1):
            for client in CLIENTS[:: -1 if turn % 2 else 1]:
                figures, _ = undisturbed(partial(_submitted, client, base), what=f"a submit, {client}")
                # The first is not counted.
                found[client] += [figures] if turn else []
        server.shutdown()
    rows = [_row(client, figures) for client, figures in found.items()]
    ours, http = (statistics.median(each["cpu_seconds"] for each in found[client]) for client in (WITH, HTTP))
    goal = Goal(
        what="CPU of a cold submit, with preflight",
        wanted="< HttpOperator's",
        found=f"{1000 * ours:.0f} ms, HttpOperator {1000 * http:.0f} ms",
        met=ours < http,
    )
    packages = ("apache-airflow", "apache-airflow-providers-http")
    table = Table(header=("client", "CPU, ms (median)", "range", "seconds", "modules"), rows=rows)
    return Result(setting=setting(*packages, more=f"{runs} runs"), commit=commit(), goals=[goal], tables=[table])


def _inputs(folder: Path) -> dict[str, bytes]:
    sys.path.insert(0, str(ROOT / "tests"))
    from media_files import video, wav

    film = video(folder / "v.mp4", seconds=10, container="mp4").read_bytes()
    return {"/v.mp4": film, "/a.wav": wav(seconds=8)}


class _Server(ThreadingHTTPServer):
    """The service and its inputs: all that a submit needs of them."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        content = self.server.files.get(self.path)
        if content is None:
            task = {"request_id": "r", "output": {"task_id": self.path.rpartition("/")[2], "task_status": "UNKNOWN"}}
            self._reply(200, json.dumps(_EMPTY_LIST if "?" in self.path else task).encode())
            return
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(content)), len(content) - 1)
        self._reply(206, content[start : end + 1], **{"Content-Range": f"bytes {start}-{end}/{len(content)}"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._reply(200, json.dumps(_JOB).encode())

    def _reply(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "ETag": '"1"', **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""


def _submitted(client: str, base: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        dashscope = {
            "conn_type": "dashscope",
            "host": f"{base}/api/v1",
            "password": "sk-b",
            "extra": {"allow_private": True},
        }
        env = os.environ | {
            "AIRFLOW_HOME": home,
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW_CONN_DASHSCOPE_DEFAULT": json.dumps(dashscope),
            "AIRFLOW_CONN_HTTP_DEFAULT": json.dumps({"conn_type": "http", "host": base}),
            "NO_PROXY": "127.0.0.1",
        }
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.submitting", client, base]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found


def _row(client: str, figures: list[dict[str, float]]) -> list[str]:
    cpu = [1000 * each["cpu_seconds"] for each in figures]
    return [
        client,
        f"{statistics.median(cpu):.0f}",
        f"{min(cpu):.0f} to {max(cpu):.0f}",
        f"{statistics.median(each['seconds'] for each in figures):.2f}",
        f"{figures[-1]['modules']:.0f}",
    ]


def submit_once(client: str, base: str) -> dict[str, float]:
    """Submits in this process; returns what that took."""
    # What the process that runs a task has loaded.
    import airflow.sdk.execution_time.supervisor
    import airflow.sdk.execution_time.task_runner  # noqa: F401
    from airflow.sdk import BaseOperator, conf  # noqa: F401

    sys.path.insert(0, str(ROOT / "tests"))
    from state_store import TaskStateStore

    modules, begun, used = len(sys.modules), time.perf_counter(), _cpu_seconds()
    if client == HTTP:
        _by_http_operator(base)
    else:
        _by_this_package(base, TaskStateStore(), preflight="on" if client == WITH else "off")
    return {
        "cpu_seconds": _cpu_seconds() - used,
        "seconds": time.perf_counter() - begun,
        "modules": len(sys.modules) - modules,
    }


def _by_http_operator(base: str) -> None:
    from airflow.providers.http.operators.http import HttpOperator

    body = {"model": "videoretalk", "input": {"video_url": f"{base}/v.mp4", "audio_url": f"{base}/a.wav"}}
    headers = {"Authorization": "Bearer sk-b", "Content-Type": "application/json", "X-DashScope-Async": "enable"}
    operator = HttpOperator(
        task_id="t", endpoint=f"/api/v1{_PATH}", data=json.dumps(body), headers=headers, log_response=False
    )
    operator.execute({})


def _by_this_package(base: str, store: Any, *, preflight: str) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    from airflow_provider_videoretalk.airflow_adapters import variable_store
    from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

    variable_store.VariableStore = lambda: store  # type: ignore[assignment, misc]
    instance = SimpleNamespace(
        dag_id="d", run_id="r", task_id="t", map_index=-1, max_tries=0, xcom_push=lambda key, value: None
    )
    urls = {"video_url": f"{base}/v.mp4", "audio_url": f"{base}/a.wav"}
    given = {} if preflight == "on" else {"preflight": preflight}
    operator = VideoRetalkOperator(task_id="t", **urls, deferrable=True, **given)
    try:
        operator.execute({"ti": instance, "dag_run": SimpleNamespace(clear_number=0), "task_state_store": store})
    except TaskDeferred:
        return
    raise RuntimeError("nothing was submitted")


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(json.dumps(submit_once(sys.argv[1], sys.argv[2])))
