"""Child processes that can be killed as a whole, and come back as under a production supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from child_processes import process_tree

_ASKED = 10.0


class Supervised:
    """Named processes, each the leader of a group of its own with a log of its own; one that died is started again.

    :param env: of every process
    :param folder: in which they run
    :param logs: a folder
    """

    def __init__(self, *, env: Mapping[str, str], folder: Path, logs: Path) -> None:
        self._env = dict(env)
        self._folder = folder
        self._logs = logs
        self._commands: dict[str, Sequence[str]] = {}
        self._envs: dict[str, dict[str, str]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._groups: set[int] = set()
        self._strays: dict[str, set[psutil.Process]] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self.starts: dict[str, int] = {}

    def start(self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
        """Starts a process, to be kept running.

        :param env: its own, instead of that of every process
        """
        with self._lock:
            self._commands[name] = command
            self._envs[name] = dict(env or self._env)
            self._launch(name)
            if not self._keeper.is_alive():
                self._keeper.start()

    def stop(self, name: str) -> None:
        """Kills a process, which stays dead."""
        with self._lock:
            self._commands.pop(name, None)
            self.kill(name)

    def kill(self, name: str, *, whole: bool = True) -> None:
        """SIGKILL, to the process and all that it started (as a container ends), or to the process alone.

        A task process is in a group of its own: a kill of the group alone would leave it.
        """
        with self._lock:
            process = self._running[name]
            members = process_tree(process.pid)
            # Those left behind are to be ended with the rest, even though their parent is gone.
            self._strays.setdefault(name, set()).update(members)
            for member in members if whole else members[:1]:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            process.wait()

    def idle_strays_ended(self, name: str) -> bool:
        """Ends what killed processes of this name left behind and what has no child of its own any more.

        Returns whether nothing is left.
        """
        left = [stray for stray in self._strays.get(name, ()) if lives(stray)]
        for stray in left:
            with suppress(psutil.NoSuchProcess):
                if not stray.children():
                    stray.kill()
        return not left

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to the process and all that it started."""
        for member in process_tree(self._running[name].pid):
            with suppress(psutil.NoSuchProcess):
                member.send_signal(number)

    def close(self) -> None:
        """Ends everything that was ever started here, those included whose parent was killed."""
        self._closing.set()
        if self._keeper.is_alive():
            self._keeper.join()
        members = {stray for strays in self._strays.values() for stray in strays}
        for process in self._running.values():
            members.update(process_tree(process.pid))
            process.terminate()
        deadline = time.monotonic() + _ASKED
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
        for member in members:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        for process in self._running.values():
            process.wait()

    def _launch(self, name: str) -> None:
        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                self._commands[name],
                env=self._envs[name],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running[name] = process
        self._groups.add(process.pid)
        self.starts[name] = self.starts.get(name, 0) + 1

    def _keep(self) -> None:
        while not self._closing.wait(0.2):
            with self._lock:
                for name in self._commands:
                    if self._running[name].poll() is not None:
                        self._launch(name)


def lives(process: psutil.Process) -> bool:
    """Whether it runs: in a container without an init, a dead orphan stays in the table as a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
