"""A whole Airflow on this machine (scheduler, triggerer, DAG processor, API server) and the emulator beside it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from airflow_provider_videoretalk.provider_info import get_provider_info

ROOT = Path(__file__).resolve().parent.parent
POOL = {"name": "videoretalk", "slots": 3, "include_deferred": True, "description": "VideoRetalk tasks in flight"}
_STARTED_WITHIN = 180.0
_STOPPED_WITHIN = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: list[str], *, log: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A child that is asked to stop at the end; its process group makes sure that its own children end with it."""
    with log.open("ab") as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, env=env, cwd=ROOT, start_new_session=True)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_STOPPED_WITHIN)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@dataclass
class LocalAirflow:
    """An Airflow with a home of its own, reached over its REST API; anybody on this machine is its admin."""

    home: Path
    port: int = field(default_factory=free_port)
    _token: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        secret = secrets.token_hex(32)
        return inherited | {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": secret,
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', '')}",
        }

    @contextmanager
    def running(self) -> Iterator[LocalAirflow]:
        """Runs Airflow's components until the block ends."""
        self.home.mkdir(parents=True, exist_ok=True)
        log = self.home / "airflow.log"
        with process([sys.executable, "-m", "airflow", "standalone"], log=log, env=self.env) as child:
            self._wait_until_healthy(child, log)
            yield self

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """One request to the REST API; the JSON it answers."""
        self._token = self._token or requests.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        response = requests.request(method, f"{self.url}/api/v2{path}", headers=headers, timeout=60, **arguments)
        response.raise_for_status()
        return response.json() if response.content else None

    def furnish(self, *, base_url: str, api_key: str) -> None:
        """Puts the connection and the pool in place, also where an earlier run left its own."""
        connection = {
            "connection_id": "dashscope_default",
            "conn_type": "dashscope",
            "host": base_url,
            "password": api_key,
            "extra": json.dumps(_extra()),
            # The UI's test button sends 0 for none, which Airflow 3.3.2 takes for another endpoint.
            "port": 0,
        }
        self._put("/connections", "dashscope_default", connection)
        self._put("/pools", str(POOL["name"]), POOL)

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Starts a run once the DAG has been parsed; returns its id."""
        deadline = time.monotonic() + _STARTED_WITHIN
        while True:
            try:
                run = self.call("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
            except requests.HTTPError as error:
                if error.response.status_code != 404 or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            else:
                return str(run["dag_run_id"])

    def run_path(self, dag_id: str, run_id: str) -> str:
        return f"/dags/{dag_id}/dagRuns/{quote(run_id)}"

    def _put(self, path: str, name: str, body: dict[str, Any]) -> None:
        try:
            self.call("POST", path, json=body)
        except requests.HTTPError as error:
            if error.response.status_code != 409:
                raise
            self.call("PATCH", f"{path}/{name}", json=body)

    def _wait_until_healthy(self, child: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + _STARTED_WITHIN
        while time.monotonic() < deadline:
            if child.poll() is not None:
                break
            try:
                health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
            except (requests.RequestException, ValueError):
                health = {}
            parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
            if all((health.get(part) or {}).get("status") == "healthy" for part in parts):
                return
            time.sleep(0.5)
        raise SystemExit(f"Airflow did not start; its log is {log}")


def _extra() -> dict[str, Any]:
    """All fields of the connection's form, as saving it would leave them: Airflow 3.3.2 draws only those of them that a
    stored connection has, if it has any.
    """
    (connection_type,) = get_provider_info()["connection-types"]
    fields = connection_type["conn-fields"]
    # The emulator's own files lie on this machine.
    return {name: field["schema"].get("default") for name, field in fields.items()} | {"allow_private": True}


@contextmanager
def emulator(*, home: Path, time_scale: float) -> Iterator[str]:
    """The emulator as a process of its own; the block gets its base URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "airflow_provider_videoretalk.emulator", "--port", str(port)]
    command += ["--time-scale", str(time_scale)]
    home.mkdir(parents=True, exist_ok=True)
    log = home / "emulator.log"
    with process(command, log=log, env=dict(os.environ)) as child:
        deadline = time.monotonic() + _STARTED_WITHIN
        while child.poll() is None and time.monotonic() < deadline:
            try:
                requests.get(f"{url}/emulator/health", timeout=5).raise_for_status()
            except requests.RequestException:
                time.sleep(0.1)
            else:
                yield f"{url}/api/v1"
                return
        raise SystemExit(f"The emulator did not start; its log is {log}")
