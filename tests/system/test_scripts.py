"""The scripts behind `make demo` and `make ui`, when a port is in use, a process fails, or a signal stops them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from child_processes import ChildProcesses, check_port, free_port
from system.waiting import until

SCRIPTS = Path(__file__).parents[2] / "scripts"
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def children(tmp_path: Path) -> Iterator[ChildProcesses]:
    with ChildProcesses(logs=tmp_path / "logs", env={}, folder=tmp_path) as started:
        yield started


@pytest.mark.parametrize("script", ["demo", "ui"])
def test_a_port_in_use_is_reported_before_anything_starts(script: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        run = subprocess.run(
            [sys.executable, SCRIPTS / f"{script}.py", "--port", str(port)], capture_output=True, text=True
        )
    assert run.returncode == 1
    assert run.stderr.startswith(f"Port {port} cannot be used (Address already in use). Choose another one: PORT=")
    assert run.stdout == ""


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_outside_its_range(port: int) -> None:
    with pytest.raises(SystemExit, match="allowed is 1 to 65535"):
        check_port(port)


def test_a_port_whose_server_has_just_ended_is_free() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            # Closed by the server first, so its end of the connection remains for some time.
            server.accept()[0].close()
    check_port(port)


def test_a_process_that_ended_is_reported_with_the_end_of_its_log(children: ChildProcesses) -> None:
    children.start("good", SLEEP)
    children.start("bad", [sys.executable, "-c", "for n in range(30): print(f'line {n}')\nraise SystemExit(3)"])
    with pytest.raises(SystemExit) as caught:
        children.wait_until(lambda: False, what="nothing")
    assert str(caught.value).startswith("bad ended with exit code 3. The last lines of ")
    assert str(caught.value).endswith("    line 28\n    line 29\n")
    assert "line 9\n" not in str(caught.value)


def test_a_step_that_failed_is_reported(children: ChildProcesses) -> None:
    children.start("step", [sys.executable, "-c", "raise SystemExit('it broke')"])
    with pytest.raises(SystemExit, match=r"(?s)step ended with exit code 1\. .*it broke"):
        children.wait_for("step")


def test_descendants_end_with_their_parent(tmp_path: Path) -> None:
    grandchild = tmp_path / "grandchild"
    code = f"""
import pathlib, subprocess, sys
child = subprocess.Popen({SLEEP!r}, start_new_session=True)
pathlib.Path({str(grandchild)!r}).write_text(str(child.pid))
child.wait()
"""
    with ChildProcesses(logs=tmp_path / "logs", env={}, folder=tmp_path) as children:
        children.start("parent", [sys.executable, "-c", code])
        children.wait_until(lambda: grandchild.exists() and bool(grandchild.read_text()), what="the grandchild")
        started = psutil.Process(int(grandchild.read_text()))
    until(lambda: is_gone(started), what="the grandchild is gone", within=30)


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_ui_leaves_nothing_running(stop: signal.Signals) -> None:
    run = subprocess.Popen(
        [sys.executable, SCRIPTS / "ui.py", "--port", str(free_port())],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    killer = threading.Timer(300, run.kill)
    killer.start()
    try:
        leader = psutil.Process(run.pid)
        # The emulator runs, and Airflow is starting.
        until(lambda: len(leader.children()) >= 2, what="processes have started", within=120)
        family = leader.children(recursive=True)
        run.send_signal(stop)
        printed, _ = run.communicate()
    finally:
        killer.cancel()
    assert run.returncode == 130
    assert printed.splitlines()[-1] == "Stopped."
    assert "Traceback" not in printed
    until(lambda: all(map(is_gone, family)), what="they are all gone", within=30)
