"""An Airflow on CeleryExecutor: several of everything, on machines that share no disk.

Redis, PostgreSQL and S3 are real. Workers and triggerers are machines: each has a disk, a ``/tmp`` and a network of its
own, which can be cut. Where namespaces are not allowed, they are processes with folders of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import redis
import requests
from celery import Celery
from child_processes import ignored_interrupts
from distributed.clips import Clip, is_final
from distributed.layout import Layout
from distributed.settings import (
    ADDRESSES,
    API_SERVERS,
    CENTRALS,
    MACHINES,
    SCHEDULERS,
    TRIGGERERS,
    WORKERS,
    Central,
    Machine,
)
from distributed.switch import tell
from s3fs import S3FileSystem
from seaweed import KEY, SECRET, seaweed
from system.cluster import POOL, Cluster, RefusedError
from system.processes import Supervised
from system.scenarios import REAL_TIME
from system.service import Service, content
from system.waiting import until

WITHIN = 900.0
"""Seconds for anything that is waited for: a busy machine is slow, and no failure."""

_HERE = Path(__file__).parent
# By it, whatever was started here is found in the end.
_MARK = "VIDEORETALK_CLUSTER"
# A component that was started so often before it was ever healthy does not start.
_STARTS = 4


class DistributedAirflow(Cluster):
    """Airflow, Redis, PostgreSQL, S3 and the emulators, for as long as the ``with`` block runs.

    :param home: an empty folder outside ``/tmp``, which the database's own user can enter
    :param dags: files of DAGs, beside those of the tests
    """

    def __init__(self, *, home: Path, dags: Sequence[Path] = ()) -> None:
        self._may_render = home / "may-render"
        service = {**REAL_TIME, "release": str(self._may_render)}
        super().__init__(home=home, services={"main": service}, dags=[*(_HERE / "dags").glob("*.py"), *dags])
        self._stack = ExitStack()

    def close(self) -> None:
        with ignored_interrupts():
            super().close()
            self._stack.close()
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    if process.environ().get(_MARK) == str(self.home):
                        process.kill()

    # What a production loses.

    def lose(self, name: str) -> None:
        """A machine is lost, with all that it ran. Another one takes its place at once."""
        self.processes.kill(name)

    def turn_off(self, name: str) -> None:
        """A machine is lost, and none takes its place before it is turned on."""
        self.processes.stop(name)

    def turn_on(self, name: Machine | Central) -> None:
        self.processes.start(name, self.layout.command_of(name), env=self._env() | self.layout.env_of(name))

    def freeze(self, names: Iterable[str]) -> None:
        for name in names:
            self.processes.signal(name, signal.SIGSTOP)

    def thaw(self, names: Iterable[str]) -> None:
        for name in names:
            self.processes.signal(name, signal.SIGCONT)

    def cut_off(self, machine: str) -> None:
        """Cuts a machine off everything: Airflow, Redis, database, service and S3. It needs a network of its own."""
        tell(self.layout.control, "cut", machine)

    def heal(self, machine: str) -> None:
        tell(self.layout.control, "heal", machine)

    def stop_redis(self) -> None:
        self.processes.stop("redis")

    def start_redis(self, *, empty: bool = False) -> None:
        """Starts Redis, on the data that it left or without them."""
        folder = self.home / "redis"
        if empty:
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
        where = ["--port", str(self.layout.ports["redis"]), "--bind", "127.0.0.1", "--dir", str(folder)]
        self.processes.start("redis", ["redis-server", *where, "--appendonly", "yes", "--appendfsync", "always"])
        until(self._redis_answers, what="Redis answers", within=WITHIN)

    def cut_database_connections(self) -> None:
        """Ends every session of the database but this one."""
        self._select("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")

    def restart_database(self) -> None:
        """SIGKILL to PostgreSQL, which comes back on the same data."""
        with self._lock:
            self._end_postgres()
            self._start_postgres()
            self._connect()

    def deliver_again(self) -> int:
        """Delivers every message again that a worker is working on, as Redis does when it has waited too long.

        Returns how many.
        """
        again = [json.loads(held) for held in self.broker.hgetall("unacked").values()]
        for message, _, queue in again:
            self.broker.lpush(queue, json.dumps(message))
        return len(again)

    def waiting_messages(self) -> int:
        return int(self.broker.llen("default"))

    # Whom it concerns.

    def machine_of(self, clip: Clip) -> Machine | None:
        """The worker that runs a task of the clip."""
        query = "select hostname from task_instance where run_id = %s and state = 'running'"
        return next((machine_at(address) for (address,) in self._select(query, clip.name)), None)

    def machines_of(self, dag_id: str, run_id: str) -> set[Machine | None]:
        """Where the last tries of a run's tasks ran."""
        query = "select hostname from task_instance where dag_id = %s and run_id = %s"
        return {machine_at(address) for (address,) in self._select(query, dag_id, run_id)}

    def machine_of_task(self, dag_id: str, run_id: str, task_id: str) -> Machine:
        """Where the last try of a task ran."""
        query = "select hostname from task_instance where dag_id = %s and run_id = %s and task_id = %s"
        ((address,),) = self._select(query, dag_id, run_id, task_id)
        machine = machine_at(address)
        assert machine is not None, address
        return machine

    def triggerer_of(self, clip: Clip) -> Machine | None:
        """The triggerer that has the clip's trigger."""
        query = (
            "select j.hostname from task_instance i join trigger t on t.id = i.trigger_id "
            "join job j on j.id = t.triggerer_id where i.run_id = %s"
        )
        return next((machine_at(address) for (address,) in self._select(query, clip.name)), None)

    def trigger_job_of(self, clip: Clip) -> int | None:
        """The triggerer's job that has the clip's trigger: a triggerer that is started again is another job."""
        query = "select t.triggerer_id from task_instance i join trigger t on t.id = i.trigger_id where i.run_id = %s"
        return next((job for (job,) in self._select(query, clip.name)), None)

    def states(self, clips: Iterable[Clip]) -> list[str | None]:
        """The states of all their task instances."""
        names = tuple(clip.name for clip in clips)
        return [state for (state,) in self._select("select state from task_instance where run_id in %s", names)]

    def retalk_tries(self, clip: Clip) -> int:
        return self.task(clip.dag_id, clip.name, "retalk").try_number

    # A clip's way.

    @property
    def service(self) -> Service:
        return self.services["main"]

    def hold_renders(self) -> None:
        """No render job ends, until they may."""
        self._may_render.unlink(missing_ok=True)

    def release_renders(self) -> None:
        self._may_render.touch()

    def open_account(self, connection: str, service: Service) -> None:
        """Adds a connection with a key of its own."""
        body = {
            "connection_id": connection,
            "conn_type": "dashscope",
            "host": service.base_url,
            "password": f"sk-{connection}",
            "extra": json.dumps({"allow_private": True}),
        }
        self.ensure("/connections", body)

    def ensure(self, path: str, body: Mapping[str, Any]) -> None:
        """Posts ``body``, again while the API or its database is away. What a lost reply left counts as done."""

        def posted() -> bool:
            try:
                self.call("POST", path, json=dict(body))
            except (requests.RequestException, KeyError):
                return False
            except RefusedError as error:
                if error.status < 500 and error.status != 409:
                    raise
                return error.status == 409
            return True

        until(posted, what=f"POST {path}", within=WITHIN)

    def start_clip(self, clip: Clip) -> None:
        self.store(clip.video, content(f"{clip.name}.mp4"))
        self.trigger(clip.dag_id, clip.name, clip.conf(steps=str(self.steps / clip.name)))

    def halt_at(self, step: str, clip: Clip) -> None:
        """The next process of the clip's run that comes to ``step`` goes no further."""
        self.arm(step, folder=self.steps / clip.name)

    def halted_machine(self, step: str, clip: Clip) -> Machine | None:
        """The machine with a process that goes no further."""
        marks = list((self.steps / clip.name).glob(f"{step}@*"))
        return machine_at(marks[0].name.partition("@")[2]) if marks else None

    def jobs(self, clip: Clip) -> list[dict[str, Any]]:
        """The clip's render jobs, oldest first."""
        return [job for job in self.service.all_tasks() if clip.is_shown_in(job)]

    def settled_jobs(self, clip: Clip) -> list[dict[str, Any]]:
        """The clip's render jobs, once none of them can change."""
        until(lambda: is_final(self.jobs(clip)), what=f"the service is done with {clip.name}", within=WITHIN)
        return self.jobs(clip)

    def ended_runs(self, clips: Iterable[Clip]) -> dict[str, str]:
        """The final states of the runs that have one, by the clip's name."""
        names = tuple(clip.name for clip in clips)
        query = "select run_id, state from dag_run where run_id in %s and state in ('success', 'failed')"
        return dict(self._select(query, names)) if names else {}

    def store(self, key: str, content: bytes) -> None:
        self._files.pipe_file(f"bucket/{key}", content)

    def stored(self, key: str) -> bytes | None:
        try:
            return bytes(self._files.cat_file(f"bucket/{key}"))
        except FileNotFoundError:
            return None

    def stored_below(self, folder: str) -> list[str]:
        """The keys of the objects below a folder of the bucket."""
        return [str(path).partition("/")[2] for path in self._files.find(f"bucket/{folder}")]

    def task_log(self, dag_id: str, run_id: str, task_id: str) -> str:
        folder = f"logs/dag_id={dag_id}/run_id={run_id}/task_id={task_id}"
        found = sorted((self.home / "nodes").glob(f"*/{folder}/*.log*"))
        return "\n".join(f"--- {path.relative_to(self.home / 'nodes')}\n{path.read_text()}" for path in found)

    def start_studio(self) -> Service:
        """Starts an emulator with real media work, beside the one that returns clips as they are."""
        studio = Service(port=self.layout.ports["studio"])
        command = ["-m", "airflow_provider_videoretalk.emulator", "--port", str(studio.port), "--time-scale", "100"]
        self.processes.start("studio", [sys.executable, *command])
        until(studio.is_up, what="the studio is up", within=WITHIN)
        return studio

    # How it is built.

    @property
    def broker(self) -> redis.Redis:
        return redis.Redis(port=self.layout.ports["redis"], decode_responses=True)

    def _start(self) -> None:
        s3 = self._stack.enter_context(seaweed())
        self._files = S3FileSystem(**s3.options, skip_instance_cache=True, use_listings_cache=False)
        self.layout = Layout(home=self.home, others={"main": self.service.port, "s3": s3.port})
        self.layout.make_folders()
        self._port = self.layout.ports["balancer"]
        self._database = self._start_postgres()
        self._processes = Supervised(env=self._env(), folder=self.home, logs=self.home / "logs")
        shutil.copy(_HERE / "machine_address.py", self.home / "code")
        self._may_render.touch()
        self.start_redis()
        self._processes.start("emulators", self._services_command)
        self._processes.start("switch", self.layout.switch_command())
        self._migrate()
        self._connect()
        for name in (*CENTRALS, *MACHINES):
            self.turn_on(name)
        self._wait_until_healthy()
        self._furnish(s3.url)

    def _env(self) -> dict[str, str]:
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        return super()._env() | self.layout.common_env() | {_MARK: str(self.home), "PATH": path}

    def _migrate(self) -> None:
        env = self._env() | self.layout.env_of("scheduler-1")
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        with (self.home / "logs" / "migrate.log").open("wb") as log:
            subprocess.run(command, env=env, cwd=self.home, stdout=log, stderr=log, check=True)

    def _wait_until_healthy(self) -> None:
        signs = {
            "the API servers answer": self._api_servers_answer,
            "schedulers": partial(self._all_alive, "SchedulerJob", len(SCHEDULERS)),
            "triggerers": partial(self._all_alive, "TriggererJob", len(TRIGGERERS)),
            "the workers answer": self._workers_answer,
            "the service": self.service.is_up,
            **{f"{path} clips": partial(self.is_parsed, f"stored_clip_{path}") for path in ("deferrable", "blocking")},
        }
        for what, sign in signs.items():
            until(partial(self._unless_it_fails, sign), what=f"{what} (logs: {self.home / 'logs'})", within=WITHIN)

    def _unless_it_fails(self, sign: Any) -> bool:
        often = [name for name, starts in self.processes.starts.items() if starts > _STARTS]
        if often:
            raise RuntimeError(f"{', '.join(often)} did not start; the logs are in {self.home / 'logs'}")
        return bool(sign())

    def _furnish(self, s3_url: str) -> None:
        self.ensure("/pools", POOL)
        options = json.dumps({"endpoint_url": s3_url, "region_name": "us-east-1"})
        aws = {"connection_id": "aws_default", "conn_type": "aws", "login": KEY, "password": SECRET, "extra": options}
        self.ensure("/connections", aws)
        self.store("speech.wav", content("speech.wav"))

    def _redis_answers(self) -> bool:
        try:
            return bool(self.broker.ping())
        except redis.RedisError:
            return False

    def _workers_answer(self) -> bool:
        with Celery(broker=self.layout.broker) as app:
            return len(app.control.ping(timeout=2) or ()) == len(WORKERS)

    def _api_servers_answer(self) -> bool:
        try:
            ports = [self.layout.ports[name] for name in API_SERVERS]
            return all(requests.get(f"http://127.0.0.1:{port}/api/v2/version", timeout=5).ok for port in ports)
        except requests.RequestException:
            return False

    def _all_alive(self, job: str, count: int) -> bool:
        query = "select count(*) from job where job_type = %s and state = 'running' and latest_heartbeat > start_date"
        return bool(self._select(query, job)[0][0] >= count)


def machine_at(address: str) -> Machine | None:
    return next((machine for machine, own in ADDRESSES.items() if own == address), None)
