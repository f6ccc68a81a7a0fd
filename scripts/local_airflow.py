"""Runs Airflow (scheduler, triggerer, DAG processor, API server) and the emulator on this machine."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urljoin

import requests
from child_processes import ChildProcesses, free_port

from airflow_provider_videoretalk.links import PREFIX
from airflow_provider_videoretalk.provider_info import get_provider_info

ROOT = Path(__file__).resolve().parent.parent
POOL = {"name": "videoretalk", "slots": 3, "include_deferred": True, "description": "VideoRetalk tasks in flight"}
FOLDER = "videoretalk_folder"
PRESENTER = "videoretalk_presenter"
_COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")


def environment() -> dict[str, str]:
    """The environment variables of this process without Airflow's, and with no proxy for this machine."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    direct = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1,localhost")))
    return inherited | {"NO_PROXY": direct, "no_proxy": direct}


@dataclass
class LocalAirflow:
    """An Airflow with its own home folder, used through its REST API. Every user of this machine is an admin.

    :param published: the folder below which the DAGs may publish
    :param settings: of Airflow, as environment variables
    """

    home: Path
    published: Path
    port: int = field(default_factory=free_port)
    settings: Mapping[str, str] = field(default_factory=dict)
    _token: str = ""
    _children: ChildProcesses | None = None
    _web: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        # Ignore proxies and .netrc.
        self._web.trust_env = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        inherited = environment()
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
            "AIRFLOW__VIDEORETALK__ALLOWED_DESTINATIONS": f"remote, {self.published.as_uri()}/",
            # A dub reads the speech that it has kept there.
            "AIRFLOW__VIDEORETALK__ALLOWED_SOURCES": f"remote, {self.published.as_uri()}/",
            "AIRFLOW__API__SECRET_KEY": secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": secret,
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', '')}",
            **self.settings,
        }

    @contextmanager
    def running(self) -> Iterator[LocalAirflow]:
        """Runs Airflow's components until the block ends.

        :raises SystemExit: a component ended
        """
        airflow = [sys.executable, "-m", "airflow"]
        with ChildProcesses(logs=self.home / "processes", env=self.env, folder=ROOT) as children:
            children.start("db-migrate", [*airflow, "db", "migrate"])
            children.wait_for("db-migrate")
            for component in _COMPONENTS:
                children.start(component, [*airflow, component])
            children.wait_until(self._is_healthy, what="Airflow to start")
            self._children = children
            yield self

    def wait_until(self, is_ready: Callable[[], bool], *, what: str) -> None:
        """Waits without a time limit while Airflow runs.

        :raises SystemExit: a component ended
        """
        self._running.wait_until(is_ready, what=what)

    def wait_for_failure(self) -> NoReturn:
        """Waits until a component ends.

        :raises SystemExit: a component ended
        """
        while True:
            self._running.check_running()
            time.sleep(1)

    @property
    def _running(self) -> ChildProcesses:
        assert self._children is not None, "Airflow is not running"
        return self._children

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """Sends one request to the REST API; returns the JSON of the reply."""
        response = self._send(method, f"/api/v2{path}", **arguments)
        return response.json() if response.content else None

    def read_page(self, path: str) -> str:
        """The content of a page of this package."""
        return self._send("GET", f"{PREFIX}{path}").text

    def configure(self, *, base_url: str, api_key: str) -> None:
        """Creates the connection, the pool and the Variables, or updates those of an earlier run."""
        connection = {
            "connection_id": "dashscope_default",
            "conn_type": "dashscope",
            "host": base_url,
            "password": api_key,
            "extra": json.dumps(_extra()),
            # The UI's test button sends 0 for no port. Airflow 3.3.2 compares it, and would see another endpoint.
            "port": 0,
        }
        self._put("/connections", "dashscope_default", connection)
        self._put("/pools", str(POOL["name"]), POOL)
        self.publish_in(self.published)
        # The emulator draws a presenter of its own: no clip of others is fetched.
        self._set_variable(PRESENTER, urljoin(base_url, "/samples/presenter.mp4"))

    def publish_in(self, folder: Path) -> None:
        """Sets the Variable that names the example DAGs' folder."""
        self._set_variable(FOLDER, f"{folder.as_uri()}/")

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Waits until the DAG is parsed, and starts a run; returns its id.

        :raises SystemExit: a DAG file cannot be imported
        """
        self.wait_until(lambda: self._has_parsed(dag_id), what=f"the DAG {dag_id} to be parsed")
        run = self.call("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": dict(conf)})
        return str(run["dag_run_id"])

    def run_path(self, dag_id: str, run_id: str) -> str:
        return f"/dags/{dag_id}/dagRuns/{quote(run_id)}"

    def _send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        self._token = self._token or self._web.get(f"{self.url}/auth/token", timeout=60).json()["access_token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        response = self._web.request(method, f"{self.url}{path}", headers=headers, timeout=60, **arguments)
        response.raise_for_status()
        return response

    def _set_variable(self, key: str, value: str) -> None:
        self._put("/variables", key, {"key": key, "value": value})

    def _put(self, path: str, name: str, body: dict[str, Any]) -> None:
        try:
            self.call("POST", path, json=body)
        except requests.HTTPError as error:
            if error.response.status_code != 409:
                raise
            self.call("PATCH", f"{path}/{name}", json=body)

    def _has_parsed(self, dag_id: str) -> bool:
        try:
            self.call("GET", f"/dags/{dag_id}")
        except requests.HTTPError as error:
            if error.response.status_code != 404:
                raise
            for broken in self.call("GET", "/importErrors")["import_errors"]:
                raise SystemExit(f"{broken['filename']} cannot be imported:\n{broken['stack_trace']}") from None
            return False
        return True

    def _is_healthy(self) -> bool:
        try:
            health = self._web.get(f"{self.url}/api/v2/monitor/health", timeout=30).json()
        except (requests.RequestException, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all((health.get(part) or {}).get("status") == "healthy" for part in parts)


def _extra() -> dict[str, Any]:
    """All fields of the connection's form, as if it had been saved.

    Airflow 3.3.2 shows only the fields that the stored connection has, if it has any.
    """
    (connection_type,) = get_provider_info()["connection-types"]
    fields = connection_type["conn-fields"]
    # The emulator's files are on this machine.
    return {name: field["schema"].get("default") for name, field in fields.items()} | {"allow_private": True}


@contextmanager
def emulator(*, home: Path, time_scale: float) -> Iterator[str]:
    """Runs the emulator in a process of its own; the block gets its base URL.

    :raises SystemExit: the emulator ended
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "airflow_provider_videoretalk.emulator", "--port", str(port)]
    command += ["--time-scale", str(time_scale)]
    web = requests.Session()
    web.trust_env = False

    def is_healthy() -> bool:
        try:
            return web.get(f"{url}/emulator/health", timeout=30).ok
        except requests.RequestException:
            return False

    with ChildProcesses(logs=home, env=environment(), folder=ROOT) as children:
        children.start("emulator", command)
        children.wait_until(is_healthy, what="the emulator to start", every=0.1)
        yield f"{url}/api/v1"
