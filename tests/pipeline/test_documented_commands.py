"""Runs the shell commands of the documentation. Bash runs each block whole, with fakes for what needs another machine.

Airflow's command line (on a database for each block), this package's commands, and ``curl`` against an emulator are
real. A command that is neither real nor in :data:`FAKED` fails its block, so no command is skipped unseen.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT, Block, blocks
from media_files import video, wav

from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.submission.admitting_triggerers import AdmittingTriggerers
from airflow_provider_videoretalk.submission.enrollment_turn import EnrollmentTurn
from airflow_provider_videoretalk.submission.record_store import VolatileStore

from .conftest import load

SHELL = blocks("shell")

FAKED = {
    "pip": "needs an index; its requirements are parsed, and the extras must exist",
    "docker": "needs Docker; only the shell's syntax is checked",
    "helm": "needs a cluster; only the shell's syntax is checked",
    "kubectl": "needs a cluster; what it executes in a container is run here",
    "make": "each target has tests of its own; it must exist, and its recipe is printed",
    "git": "the checkout is here already",
}
"""The commands that are not really run, and why."""

_FAKE_COMMANDS = ROOT / "tests" / "fake_commands.py"


def by_name(block: Block) -> str:
    return block.name


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder for PATH: the fakes, and the environment's own ``python`` and ``airflow``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in [*FAKED, "python", "airflow"]:
        command = folder / name
        command.write_text(f'#!/bin/sh\nexec {sys.executable!r} {str(_FAKE_COMMANDS)!r} {name} "$@"\n')
        command.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def airflow(database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An Airflow home with the socket of Airflow's command line."""
    home = tmp_path_factory.mktemp("airflow")
    command = [sys.executable, str(ROOT / "tests" / "airflow_commands.py"), str(home / "socket")]
    env = {**os.environ, "AIRFLOW_HOME": str(home)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as server:
        assert server.stdout is not None
        assert "ready" in iter(lambda: server.stdout.readline().strip(), "")
        yield home
        server.kill()


@pytest.fixture
def home(airflow: Path) -> Path:
    """The Airflow home, with a copy of the session's database."""
    for file in airflow.glob("airflow.db*"):
        file.unlink()
    with (
        closing(sqlite3.connect(_session_home() / "airflow.db")) as source,
        closing(sqlite3.connect(airflow / "airflow.db")) as copy,
    ):
        source.backup(copy)
    return airflow


def _session_home() -> Path:
    return Path(os.environ["AIRFLOW_HOME"])


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The working folder, with the media that the examples name."""
    desk = tmp_path / "desk"
    desk.mkdir()
    video(desk / "presenter.mp4", seconds=4)
    (desk / "speech.wav").write_bytes(wav(seconds=6))
    return desk


@pytest.fixture
def shell(commands: Path, home: Path, desk: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    def run(code: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN")}
        env |= {
            "AIRFLOW_HOME": str(home),
            "HOME": str(desk),
            "DOCUMENTED_AIRFLOW": str(home / "socket"),
            "DOCUMENTED_ROOT": str(ROOT),
            "PATH": f"{commands}:/usr/bin:/bin",
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{code}\nenv -0 > {desk / '.environment'}"],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=desk,
            env=env,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture
def emulator_address() -> Iterator[str]:
    with Emulator(EmulatorSettings(port=0)) as emulator:
        yield emulator.url.removeprefix("http://127.0.0.1")


@pytest.mark.parametrize("block", [block for block in SHELL if "variables delete" not in block.code], ids=by_name)
def test_commands(
    shell: Callable[[str], Any], desk: Path, emulator_address: str, monkeypatch: pytest.MonkeyPatch, block: Block
) -> None:
    shell(block.code.replace("localhost:8098", f"localhost{emulator_address}"))
    for name, value in _exported(desk).items():
        monkeypatch.setenv(name, value)
        assert DashScopeHook(name.removeprefix("AIRFLOW_CONN_").lower()).endpoint.api_key.startswith("sk-")


def _exported(desk: Path) -> Mapping[str, str]:
    """The connections that a block exported."""
    pairs = (pair.partition("=") for pair in (desk / ".environment").read_text().split("\0"))
    return {name: value for name, _, value in pairs if name.startswith("AIRFLOW_CONN_")}


@pytest.fixture
def made_video(run_dag: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished video of the quickstart, in the session's database."""
    dag = load((ROOT / "dags" / "videoretalk_quickstart.py").read_text(), name="removed")
    monkeypatch.setenv("AIRFLOW_VAR_VIDEORETALK_FOLDER", f"{tmp_path.as_uri()}/")
    assert run_dag(dag).state == "success"


def test_removal(made_video: None, shell: Callable[[str], Any], home: Path) -> None:
    """After the removal, neither a finished video nor a submit that was held back has rows in Airflow's database.

    Nor has a run that was killed while it enrolled a voice.
    """
    held, enrolling = VolatileStore(), VolatileStore()
    EnrollmentTurn(
        enrolling, account="dashscope_default", voice="abcdefgh2", task_instance="dag/run/voice/-1"
    ).has_come()
    AdmittingTriggerers(held, "dashscope_default", model="videoretalk").enter()
    shell(
        "airflow connections add dashscope_default --conn-type dashscope --conn-password sk-...\n"
        "airflow pools set videoretalk 3 description --include-deferred\n"
        "airflow variables set dashscope_submission_notes mine\n"
        "airflow variables set videoretalk_folder file:///tmp/videoretalk/\n"
        "airflow variables set videoretalk_presenter https://v.example/p.mp4\n"
        + "".join(f"airflow variables set {key} mine\n" for key in (*held, *enrolling))
    )
    before = _left(home)
    assert len([key for key in before["variable"] if key.startswith("dashscope_submission_")]) >= 2
    assert [key for key in before["variable"] if key.startswith("dashscope_admission_")] == list(held)
    assert [key for key in before["variable"] if key.startswith("dashscope_enrollment_")] == list(enrolling)
    assert before["task_state_store"] == ["dashscope_submission"]
    assert {"dashscope_task_id", "return_value", "videoretalk_watch"} == set(before["xcom"])
    shell(_block_of("docs/installation.md").code)
    assert _left(home) == {
        "variable": ["dashscope_submission_notes"],
        "xcom": [],
        "task_state_store": [],
        "connection": [],
        "slot_pool": ["default_pool"],
    }


def test_variables_of_0_1_0_are_removed(shell: Callable[[str], Any], home: Path) -> None:
    digest = "0123456789abcdef"
    old = [
        f"dashscope_submission_{digest}_1795000000000",
        f"dashscope_waiting_{digest}_1795000000000_1795000900000_{digest}",
    ]
    new = f"dashscope_submission_{digest}_{digest}_1795000000000"
    shell("".join(f"airflow variables set {key} mine\n" for key in [*old, new]))
    before = _left(home)["variable"]
    assert {*old, new} <= set(before)
    shell(_block_of("docs/upgrade.md").code)
    assert _left(home)["variable"] == [key for key in before if key not in old]


def _block_of(page: str) -> Block:
    (block,) = [block for block in SHELL if "variables delete" in block.code and block.name.startswith(page)]
    return block


def _left(home: Path) -> dict[str, list[str]]:
    """The keys in the tables that this package writes; only the quickstart's, if the table has a DAG id."""
    columns = {
        "variable": "key",
        "xcom": "key",
        "task_state_store": "key",
        "connection": "conn_id",
        "slot_pool": "pool",
    }
    found = {}
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        for table, column in columns.items():
            where = " WHERE dag_id = 'videoretalk_quickstart'" if table in ("xcom", "task_state_store") else ""
            found[table] = [row[0] for row in database.execute(f"SELECT {column} FROM {table}{where} ORDER BY 1")]
    return found
