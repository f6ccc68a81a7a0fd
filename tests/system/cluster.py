"""A whole Airflow whose processes can be killed one by one, on a PostgreSQL of its own.

Scheduler (with LocalExecutor), triggerer, DAG processor and API server are processes of their own, and are started
again when they die, as in production. Every limit that decides when Airflow notices a death is short.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote

import psutil
import psycopg2
import requests
from postgresql import start_postgresql
from system.processes import Supervised, lives
from system.service import ClipServer, Service, free_port, services_command
from system.waiting import until

Component = Literal["api-server", "scheduler", "dag-processor", "triggerer"]

POOL = {"name": "videoretalk", "slots": 200, "include_deferred": True, "description": "VideoRetalk tasks in flight"}
FAST = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "3",
}

_PACKAGE = Path(__file__).parents[2] / "airflow_provider_videoretalk"
_DAGS = Path(__file__).with_name("dags")
_STARTED_WITHIN = 180.0
_DATABASE_AWAY = 3.0
_JOBS: dict[Component, str] = {
    "scheduler": "SchedulerJob",
    "triggerer": "TriggererJob",
    "dag-processor": "DagProcessorJob",
}
_COMPONENTS: dict[Component, Sequence[str]] = {
    "api-server": ("api-server",),
    "dag-processor": ("dag-processor",),
    # Their log servers would listen on every interface, and nobody reads them.
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}


class RefusedError(Exception):
    """The REST API answered with an error."""

    def __init__(self, message: str, *, status: int) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, kw_only=True)
class TaskInstance:
    """How a task instance stands, and the process that last ran it."""

    state: str | None
    try_number: int
    pid: int | None


class Cluster:
    """Airflow, PostgreSQL, emulators and a server of clips, for as long as the ``with`` block runs.

    :param home: an empty folder, which the database's own user can enter
    :param services: name -> settings, of the emulators
    :param settings: of Airflow, as environment variables, beside those that let it notice a death soon
    :param dags: files of DAGs, beside those of the system tests
    """

    def __init__(
        self,
        *,
        home: Path,
        services: Mapping[str, Mapping[str, Any]],
        settings: Mapping[str, str] | None = None,
        dags: Sequence[Path] = (),
    ) -> None:
        self.home = home
        self._dags = dags
        self._settings = {**FAST, **(settings or {})}
        self.steps = home / "steps"
        self.clips = ClipServer()
        self.services, self._services_command = services_command(services)
        self._port = free_port()
        self._secrets = {
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
        self._token = ""
        self._database = ""
        self._connection: Any = None
        self._lock = threading.Lock()
        self._killed: dict[Component, float] = {}
        self._processes: Supervised | None = None

    def __enter__(self) -> Cluster:
        for folder in (self.home / "logs", self.steps):
            folder.mkdir(parents=True)
        # Of its own, so that all processes run the same code, whatever is edited meanwhile.
        for folder in (_PACKAGE, _DAGS):
            shutil.copytree(folder, self.home / "code" / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in self._dags:
            shutil.copy(path, self.home / "code" / _DAGS.name)
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._processes is not None:
            self._processes.close()
        if self._connection is not None:
            self._connection.close()
        with suppress(FileNotFoundError, psutil.NoSuchProcess, psutil.TimeoutExpired):
            postmaster = self._postmaster()
            postmaster.send_signal(signal.SIGINT)
            postmaster.wait(30)
        self.clips.close()

    # What a production loses.

    def kill(self, component: Component, *, whole: bool = True) -> float:
        """SIGKILL; its supervisor starts it again. Returns when, in seconds since the epoch.

        :param whole: also whatever it started, as when its container ends
        """
        self._killed[component] = time.time()
        self.processes.kill(component, whole=whole)
        return self._killed[component]

    def kill_worker(self, dag_id: str, run_id: str, task_id: str) -> float:
        """SIGKILL to the process that runs a task and to the worker that watches over it."""
        pid = self.task(dag_id, run_id, task_id).pid
        assert pid is not None
        process = psutil.Process(pid)
        worker = process.parent()
        assert worker is not None
        killed = time.time()
        worker.kill()
        process.kill()
        return killed

    def wait_until_alone(self, component: Component) -> None:
        """Waits until what a killed component left behind has done its last work, and ends it.

        A worker that outlives its scheduler holds the scheduler's connections to the database open, and with them the
        locks of a transaction that nobody will ever end: the runs it was about are not scheduled any more.
        """
        alone = partial(self.processes.idle_strays_ended, component)
        until(alone, what=f"the old {component}'s children are gone", within=_STARTED_WITHIN)

    def wait_until_back(self, component: Component) -> None:
        """Waits until a killed component works again."""
        sign = "start_date > to_timestamp(%s) and latest_heartbeat > start_date"
        back = partial(self._works, component, sign=sign, since=self._killed[component])
        until(back, what=f"the {component} is back", within=_STARTED_WITHIN)

    def kill_database(self) -> float:
        """SIGKILL to PostgreSQL; it comes back after a few seconds, on the same data. Returns when it was killed."""
        # Nobody looks into the database meanwhile.
        with self._lock:
            killed = time.time()
            self._end_postgres()
            time.sleep(_DATABASE_AWAY)
            self._start_postgres()
            back = time.time()
            self._connect()
        for component in _COMPONENTS:
            works = partial(self._works, component, sign="latest_heartbeat > to_timestamp(%s)", since=back)
            until(works, what=f"the {component} works on the new database", within=_STARTED_WITHIN)
        return killed

    def start_second_triggerer(self) -> None:
        """Starts one beside the first."""
        self.processes.start("triggerer-2", [sys.executable, "-m", "airflow", *_COMPONENTS["triggerer"]])

    def stall_triggerer(self) -> float:
        """Stops the triggerer until a second one has taken over its triggers, and lets it go on. Returns when."""
        (owners,) = self._owners_of_triggers()
        stalled = time.time()
        self.processes.signal("triggerer", signal.SIGSTOP)
        self.start_second_triggerer()

        def taken_over() -> bool:
            return owners not in self._owners_of_triggers()

        until(taken_over, what="a second triggerer takes over", within=_STARTED_WITHIN)
        self.processes.signal("triggerer", signal.SIGCONT)
        return stalled

    def arm(self, step: str, *, folder: Path | None = None) -> None:
        """The next process that comes to ``step`` dies there.

        :param folder: of one run alone; without, it is the processes' own, which the triggerer goes by
        """
        (folder or self.steps).mkdir(exist_ok=True)
        ((folder or self.steps) / step).touch()

    def died_at(self, step: str, *, folder: Path | None = None) -> float | None:
        """When a process died at ``step``, in seconds since the epoch; ``None`` while none did."""
        deaths = [path.stat().st_ctime for path in (folder or self.steps).glob(f"{step}.*")]
        return min(deaths, default=None)

    # What a person or a client does.

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """One request to the REST API; the JSON it answers."""
        response = requests.request(
            method, f"{self.url}/api/v2{path}", headers=self._authorization(), timeout=60, **arguments
        )
        if not response.ok:
            raise RefusedError(f"{method} {path}: {response.status_code} {response.text}", status=response.status_code)
        return response.json() if response.content else None

    def page(self, path: str, *, absolute: bool = False) -> str:
        """The HTML of a page of this package.

        :param absolute: whether the path is the server's, and not one below the package's own
        """
        prefix = "" if absolute else "/videoretalk"
        return requests.get(f"{self.url}{prefix}{path}", headers=self._authorization(), timeout=60).text

    def ensure(self, path: str, body: Mapping[str, Any]) -> None:
        """Posts ``body``, again where the API server is away; what a lost reply left behind is taken for done."""

        def posted() -> bool:
            try:
                self.call("POST", path, json=dict(body))
            except requests.RequestException:
                return False
            except RefusedError as error:
                if error.status != 409:
                    raise
            return True

        until(posted, what=f"POST {path}", within=_STARTED_WITHIN)

    def connect(self, connection_id: str, service: Service, *, key: str) -> None:
        """Adds a connection to an emulator."""
        connection = {
            "connection_id": connection_id,
            "conn_type": "dashscope",
            "host": service.base_url,
            "password": key,
        }
        self.ensure("/connections", connection)

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Starts a run, once."""
        run = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        self.ensure(f"/dags/{dag_id}/dagRuns", run)

    def clear(self, dag_id: str, run_id: str, task_id: str, *, downstream: bool = False, forgets: bool = False) -> None:
        """
        :param downstream: also what follows the task
        :param forgets: as Airflow 3.4's clear does, discard what the task state store holds for the task
        """
        if forgets:
            self.call("DELETE", f"{_task_path(dag_id, run_id, task_id)}/state-store")
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": [task_id],
            "only_failed": False,
            "include_downstream": downstream,
        }
        self.call("POST", f"/dags/{dag_id}/clearTaskInstances", json=body)

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        self.call("PATCH", _task_path(dag_id, run_id, task_id), json={"new_state": state})

    def set_pool_slots(self, pool: str, slots: int) -> None:
        self.call(
            "PATCH",
            f"/pools/{pool}",
            params={"update_mask": "slots"},
            json={"pool": pool, "slots": slots, "include_deferred": True},
        )

    def set_task_state(self, dag_id: str, run_id: str, task_id: str, key: str, value: Any) -> None:
        self.call("PUT", f"{_task_path(dag_id, run_id, task_id)}/state-store/{key}", json={"value": value})

    def set_variable(self, key: str, value: Any) -> None:
        """Adds a Variable; a value that is no text becomes JSON."""
        self.call("POST", "/variables", json={"key": key, "value": json.dumps(value)})

    # What can be seen: read from the database, which a killed API server does not hide.

    def is_parsed(self, dag_id: str) -> bool:
        return bool(self._select("select 1 from dag where not is_stale and dag_id = %s", dag_id))

    def run_state(self, dag_id: str, run_id: str) -> str:
        query = "select state from dag_run where dag_id = %s and run_id = %s"
        return str(self._select(query, dag_id, run_id)[0][0])

    def run_states(self, dag_id: str) -> dict[str, str]:
        """The states of a DAG's runs, by run id."""
        return dict(self._select("select run_id, state from dag_run where dag_id = %s", dag_id))

    def task(self, dag_id: str, run_id: str, task_id: str) -> TaskInstance:
        query = "select state, try_number, pid from task_instance where dag_id = %s and run_id = %s and task_id = %s"
        ((state, try_number, pid),) = self._select(query, dag_id, run_id, task_id)
        return TaskInstance(state=state, try_number=try_number, pid=pid)

    def wait_run(self, dag_id: str, run_id: str, *, within: float) -> str:
        """The run's state, once it ended."""

        def ended() -> str | None:
            state = self.run_state(dag_id, run_id)
            return state if state in ("success", "failed") else None

        return until(ended, what=f"{dag_id} {run_id} ends", within=within)

    def variables(self, prefix: str) -> dict[str, Any]:
        """The Variables whose keys start so, from JSON."""
        rows: dict[str, Any] = {}
        while True:
            query = {"variable_key_pattern": f"{prefix}%", "limit": 100, "offset": len(rows), "order_by": "key"}
            found = self.call("GET", "/variables", params=query)
            rows |= {row["key"]: json.loads(row["value"]) for row in found["variables"]}
            if len(rows) >= found["total_entries"]:
                return rows

    def task_log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """The events that a task logged, over all tries and on the triggerer."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        lines = (line for path in sorted(folder.glob("*.log*")) for line in path.read_text().splitlines())
        return "\n".join(_event(line) for line in lines)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def processes(self) -> Supervised:
        if self._processes is None:
            raise RuntimeError("the cluster is used outside its 'with' block")
        return self._processes

    def _start(self) -> None:
        self._database = self._start_postgres()
        self._processes = Supervised(env=self._env(), folder=self.home, logs=self.home / "logs")
        self._processes.start("emulators", self._services_command)
        with (self.home / "logs" / "migrate.log").open("wb") as log:
            command = [sys.executable, "-m", "airflow", "db", "migrate"]
            subprocess.run(command, env=self._env(), cwd=self.home, stdout=log, stderr=log, check=True)
        self._connect()
        for component, arguments in _COMPONENTS.items():
            self._processes.start(component, [sys.executable, "-m", "airflow", *arguments])
        self._wait_until_healthy()
        self.ensure("/pools", POOL)

    def _start_postgres(self) -> str:
        with (self.home / "logs" / "postgres.log").open("ab") as log:
            return start_postgresql(self.home / "database", log=log)

    def _end_postgres(self) -> None:
        postmaster = self._postmaster()
        family = [postmaster, *postmaster.children(recursive=True)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        until(lambda: not any(map(lives, family)), what="PostgreSQL is gone", within=_STARTED_WITHIN)
        # In a container without an init its id stays in the process table, and these two would keep it from starting.
        for lock in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (self.home / "database" / lock).unlink(missing_ok=True)

    def _postmaster(self) -> psutil.Process:
        return psutil.Process(int((self.home / "database" / "postmaster.pid").read_text().split()[0]))

    def _connect(self) -> None:
        self._connection = psycopg2.connect(self._database.replace("+psycopg2", ""))
        self._connection.autocommit = True

    def _env(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        return (
            inherited
            | self._secrets
            | {
                "AIRFLOW_HOME": str(self.home),
                "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "code" / _DAGS.name),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
                "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
                "AIRFLOW__CORE__PARALLELISM": "12",
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self._database,
                "AIRFLOW__API__HOST": "127.0.0.1",
                "AIRFLOW__API__PORT": str(self._port),
                "AIRFLOW__API__BASE_URL": self.url,
                "AIRFLOW__API__WORKERS": "1",
                "AIRFLOW__VIDEORETALK__ALLOWED_DESTINATIONS": f"{(self.home / 'published').as_uri()}/",
                "PYTHONPATH": str(self.home / "code"),
                "NO_PROXY": "127.0.0.1,localhost",
                "VIDEORETALK_FAULT_POINTS": str(self.steps),
            }
            | self._settings
        )

    def _wait_until_healthy(self) -> None:
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")

        def healthy() -> bool:
            try:
                health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
            except (requests.RequestException, ValueError):
                return False
            return all((health.get(part) or {}).get("status") == "healthy" for part in parts)

        until(healthy, what=f"Airflow is healthy (its logs are in {self.home / 'logs'})", within=_STARTED_WITHIN)
        for dag_id in ("clip_blocking", "many_clips", "poisoned_replies", "voice"):
            until(partial(self.is_parsed, dag_id), what=f"{dag_id} is parsed", within=_STARTED_WITHIN)
        for name, service in self.services.items():
            until(service.is_up, what=f"emulator {name} is up", within=_STARTED_WITHIN)

    def _api_is_up(self) -> bool:
        try:
            return requests.get(f"{self.url}/api/v2/version", timeout=5).ok
        except requests.RequestException:
            return False

    def _works(self, component: Component, *, sign: str, since: float) -> bool:
        """Whether a job of the component shows a sign, a condition about a moment."""
        if component == "api-server":
            return self._api_is_up()
        query = f"select 1 from job where job_type = %s and state = 'running' and {sign}"
        return bool(self._select(query, _JOBS[component], since))

    def _authorization(self) -> dict[str, str]:
        with self._lock:
            if not self._token:
                self._token = str(requests.get(f"{self.url}/auth/token", timeout=30).json()["access_token"])
        return {"Authorization": f"Bearer {self._token}"}

    def _owners_of_triggers(self) -> set[int]:
        return {owner for (owner,) in self._select("select distinct triggerer_id from trigger")}

    def _select(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock, self._connection.cursor() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())


def _task_path(dag_id: str, run_id: str, task_id: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}"


def _event(line: str) -> str:
    """What a line of a task's log says; a process killed while writing it leaves half a line."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    details = [str(entry[name]) for name in ("error_detail", "detail") if name in entry]
    return " ".join((entry["timestamp"], entry["event"], *details))
