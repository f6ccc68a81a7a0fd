"""Runs of pytest that are forked from one process, which has imported Airflow already. That saves seconds in each run.

The process imports nothing of the package, but its names for Airflow. So each run imports the package anew, from the
working tree that it runs in.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import pytest

PACKAGE = "airflow_provider_videoretalk"

_HEAVY = (
    "airflow.sdk",
    "airflow.models",
    "airflow.providers.http.hooks.http",
    "airflow.providers.common.compat.sdk",
    "hypothesis",
    "pytest_httpserver",
    "s3fs",
)

# Plugins that are imported already are no place of assertions.
_OPTIONS = ("-W", "ignore::pytest.PytestAssertRewriteWarning")

_MAY_BE_LOADED = {PACKAGE, f"{PACKAGE}.provider_info"}
"""What Airflow itself imports, to list its providers."""


class WarmPytest:
    """A process that forks runs of pytest, one at a time.

    :param folder: working tree, which is also the working directory
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Without bytecode: two changes of a file within a second may have the same size and time.
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> WarmPytest:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()

    def run(self, arguments: Sequence[str], *, output: Path, seconds: float) -> int | None:
        """Runs pytest. Processes that it leaves behind are killed.

        :param output: file that gets what pytest prints
        :param seconds: time limit
        :returns: pytest's exit code, or minus the signal that ended it. None after the time limit
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"arguments": list(arguments), "output": str(output), "seconds": seconds}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"The process that runs the tests in {self.folder} ended.")
        code: int = json.loads(answer)
        return None if code == -signal.SIGALRM else code


def _run_in_fork(arguments: Sequence[str], *, output: str, seconds: float) -> int:
    child = os.fork()
    if child == 0:
        code = int(pytest.ExitCode.INTERNAL_ERROR)
        try:
            os.setsid()
            signal.setitimer(signal.ITIMER_REAL, seconds)
            file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((nothing, 0), (file, 1), (file, 2)):
                os.dup2(source, target)
            code = int(pytest.main([*_OPTIONS, *arguments]))
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            # The clean-up of this process, and its other requests, are the parent's.
            os._exit(code)
    _, status = os.waitpid(child, 0)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status)


def main() -> None:
    home = None
    # It sets the Airflow home of the tests, which must precede the import of Airflow, and which lasts as long as this.
    if Path("tests/conftest.py").exists():
        sys.path.insert(0, "tests")
        home = runpy.run_path("tests/conftest.py")
        for name in _HEAVY:
            importlib.import_module(name)
    loaded = {name for name in sys.modules if name.partition(".")[0] == PACKAGE}
    if loaded - _MAY_BE_LOADED:
        raise SystemExit(f"A change would have no effect on modules that are loaded already: {sorted(loaded)}.")
    for line in sys.stdin:
        print(_run_in_fork(**json.loads(line)), flush=True)
    if home is not None:
        home["pytest_unconfigure"]()


if __name__ == "__main__":
    main()
