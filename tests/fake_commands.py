"""Replaces commands of the documentation in tests: ``python fake_commands.py NAME ARGUMENTS...``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import metadata

import airflow_commands
from packaging.requirements import Requirement

PACKAGE = "airflow-provider-videoretalk"
EMULATOR = "airflow_provider_videoretalk.emulator"


def pip(arguments: Sequence[str]) -> int:
    """Checks the requirements, and installs nothing."""
    command, *rest = arguments
    assert command in ("install", "wheel", "uninstall"), command
    values = {"--constraint", "--wheel-dir"}
    wanted = [
        word
        for before, word in zip(["", *rest], rest, strict=False)
        if not word.startswith("-") and before not in values
    ]
    assert wanted, arguments
    for word in wanted:
        path, _, extras = word.partition("[")
        if "/" in path or path == ".":
            # A checkout or a wheel of this project.
            word = f"{PACKAGE}[{extras}" if extras else PACKAGE
        requirement = Requirement(word)
        if requirement.name == PACKAGE:
            assert requirement.extras <= set(metadata(PACKAGE).get_all("Provides-Extra") or []), word
    return 0


def python(arguments: Sequence[str]) -> int:
    """Runs Python. The emulator is started on a free port, and stopped after it has printed its address."""
    if arguments[:2] != ["-m", EMULATOR]:
        return subprocess.call([sys.executable, *arguments])
    with subprocess.Popen([sys.executable, *arguments, "--port", "0"], stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout is not None
        first_line = emulator.stdout.readline()
        emulator.send_signal(signal.SIGINT)
        emulator.stdout.read()
    assert first_line.startswith("DashScope emulator on http://"), first_line
    return emulator.returncode


def kubectl(arguments: Sequence[str]) -> int:
    """Runs locally the command for a container."""
    return subprocess.call(arguments[arguments.index("--") + 1 :]) if "--" in arguments else 0


def make(arguments: Sequence[str]) -> int:
    return subprocess.call(["/usr/bin/make", "-n", "-C", os.environ["DOCUMENTED_ROOT"], *arguments])


def airflow(arguments: Sequence[str]) -> int:
    """Runs Airflow's command line."""
    return airflow_commands.send(os.environ["DOCUMENTED_AIRFLOW"], arguments)


def main(name: str, *arguments: str) -> int:
    command = {"pip": pip, "python": python, "airflow": airflow, "kubectl": kubectl, "make": make}.get(name)
    return command(list(arguments)) if command else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
