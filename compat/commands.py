"""Runs a command and logs its output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

UV = (sys.executable, "-m", "uv")

UV_ENVIRONMENT = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}


_RUNNING: set[subprocess.Popen[bytes]] = set()
_ENDED = threading.Event()


@dataclass(frozen=True)
class Done:
    """The result of a command."""

    code: int
    output: str

    @property
    def ok(self) -> bool:
        return self.code == 0


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 600,
) -> Done:
    """Runs a command with both outputs in ``log``, and ends its child processes with it."""
    if _ENDED.is_set():
        return Done(-signal.SIGTERM, "interrupted")
    with log.open("w+") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
        )
        _RUNNING.add(process)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
            output.write(f"\nnot done within {timeout:.0f} s\n")
        finally:
            _kill_group(process)
            _RUNNING.discard(process)
    return Done(code, log.read_text(errors="replace"))


def end_all() -> None:
    """Ends every command that runs in another thread. No further command starts."""
    _ENDED.set()
    for process in tuple(_RUNNING):
        _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
