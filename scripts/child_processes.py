"""Runs child processes that end together, and monitors them while the parent waits."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_STOP_SECONDS = 30.0
_REPORT_EVERY = 30.0
_LAST_LINES = 20


class ChildProcesses:
    """Named processes, each with a log file. At the end of the ``with`` block they and their descendants are ended.

    :param logs: folder of the logs
    :param env: environment of every process
    :param folder: working directory of every process
    """

    def __init__(self, *, logs: Path, env: Mapping[str, str], folder: Path) -> None:
        self._logs = logs
        self._env = dict(env)
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> ChildProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, name: str, command: Sequence[str]) -> None:
        """Starts a process in a session of its own, so that Ctrl-C in a terminal reaches only the parent."""
        with self._log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                command,
                env=self._env,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_for(self, name: str) -> None:
        """Waits until a process ends.

        :raises SystemExit: it failed; the message contains the last lines of its log
        """
        if self._running[name].wait():
            raise SystemExit(self._report(name))
        del self._running[name]

    def check_running(self) -> None:
        """Checks that all processes run.

        :raises SystemExit: a process has ended; the message contains the last lines of its log
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise SystemExit(self._report(name))

    def wait_until(self, is_ready: Callable[[], bool], *, what: str, every: float = 0.3) -> None:
        """Waits without a time limit while all processes run, because a slow machine may need long.

        :param what: the awaited event, for a message every 30 s
        :raises SystemExit: a process has ended
        """
        started = reported = time.monotonic()
        while not is_ready():
            self.check_running()
            if time.monotonic() - reported > _REPORT_EVERY:
                reported = time.monotonic()
                print(f"Still waiting for {what} ({reported - started:.0f} s); logs: {self._logs}", flush=True)
            time.sleep(every)

    def close(self) -> None:
        """Terminates all processes, then kills the remaining ones. A second Ctrl-C does not interrupt this."""
        with ignored_interrupts():
            members = [member for process in self._running.values() for member in process_tree(process.pid)]
            for process in self._running.values():
                process.terminate()
            deadline = time.monotonic() + _STOP_SECONDS
            for process in self._running.values():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, deadline - time.monotonic()))
            for member in members:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            for process in self._running.values():
                process.wait()
            self._running.clear()

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _report(self, name: str) -> str:
        log = self._log(name)
        with log.open(encoding="utf-8", errors="replace") as lines:
            last = "".join(f"    {line}" for line in deque(lines, maxlen=_LAST_LINES))
        return f"{name} ended with exit code {self._running[name].returncode}. The last lines of {log}:\n{last}"


@contextmanager
def ignored_interrupts() -> Iterator[None]:
    """Nothing interrupts the block: not Ctrl-C, nor SIGTERM."""
    # Only the main thread can change handlers, and Ctrl-C interrupts only the main thread.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def process_tree(pid: int) -> list[psutil.Process]:
    """The process and its descendants, because Airflow starts task processes in groups of their own."""
    with suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    return []


def free_port() -> int:
    """A free TCP port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check_port(port: int) -> None:
    """Checks that a server can listen on a port.

    :raises SystemExit: it cannot; the message names a free port
    """
    with socket.socket() as probe:
        # Connections of a server that has ended may remain; they do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "allowed is 1 to 65535"
            raise SystemExit(f"Port {port} cannot be used ({reason}). Choose another one: PORT={free_port()}") from None
