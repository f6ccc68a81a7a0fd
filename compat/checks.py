"""The checks of a cell, which run with the interpreter of the cell."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from compat.commands import UV, UV_ENVIRONMENT, Done, run
from compat.project import PACKAGE, ROOT

_NOT_COPIED = (
    ".airflow",
    ".compat",
    ".demo",
    ".git",
    ".mypy_cache",
    ".ruff_cache",
    ".venv*",
    "__pycache__",
    "build",
    "dist",
    PACKAGE,
)


# More failures than this are no accident.
_MOST_REPEATED = 5


@dataclass(frozen=True)
class Outcome:
    """The result of a check.

    :param detail: one line about the findings or the failure
    """

    ok: bool
    detail: str


@dataclass(frozen=True, kw_only=True)
class CellEnvironment:
    """The folder of a cell: a virtual environment with the wheel, and a checkout without the package.

    :param processes: number of processes that run the tests
    """

    folder: Path
    processes: int

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    def run(self, name: str, command: Sequence[str | Path], *, timeout: float) -> Done:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PYTHON"))}
        # If CI is set, a test that lacks a library fails instead of being skipped.
        env = {key: value for key, value in inherited.items() if key != "CI"}
        env["AIRFLOW_HOME"] = str(self.folder / "airflow")
        return run(command, log=self.folder / f"{name}.log", cwd=self.checkout, env=env, timeout=timeout)


Check = Callable[[CellEnvironment], Outcome]


def install(environment: CellEnvironment, *, interpreter: Path, pins: Path, wheel: Path) -> Outcome:
    """Creates the virtual environment of the cell, from wheels only."""
    venv, log = environment.folder / "venv", environment.folder / "install.log"
    commands: list[list[str | Path]] = [
        [*UV, "venv", "--quiet", "--clear", "--python", interpreter, venv],
        [*UV, "pip", "sync", "--quiet", "--python", environment.python, "--only-binary", ":all:", pins],
        [*UV, "pip", "install", "--quiet", "--python", environment.python, "--no-deps", wheel],
        [*UV, "pip", "check", "--quiet", "--python", environment.python],
    ]
    for command in commands:
        done = run(command, log=log, env=UV_ENVIRONMENT, timeout=1200)
        if not done.ok:
            return Outcome(False, _last_line(done))
    shutil.rmtree(environment.checkout, ignore_errors=True)
    shutil.copytree(ROOT, environment.checkout, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    # Tests that read the sources must read those of the wheel.
    (found,) = (venv / "lib").glob(f"python*/site-packages/{PACKAGE}")
    (environment.checkout / PACKAGE).symlink_to(found)
    return Outcome(True, "")


def imports(environment: CellEnvironment) -> Outcome:
    """Every module of the package can be imported, or its error names the Airflow version that it needs."""
    return _run_probe(environment, "imports", timeout=300)


def provider_info(environment: CellEnvironment) -> Outcome:
    """Airflow's provider manager finds the hook, the connection type and the link."""
    return _run_probe(environment, "provider_info", timeout=300)


def running_airflow(environment: CellEnvironment) -> Outcome:
    """A running Airflow serves the board, parses the DAGs without errors, and runs the quickstart."""
    return _run_probe(environment, "running_airflow", timeout=900)


def tests(environment: CellEnvironment) -> Outcome:
    """The unit, contract and UI tests, but for the exhaustive ones.

    Cells run side by side, more processes than cores. A few tests that fail then are run once more, alone: the outcome
    names them either way.
    """
    spread = ["-n", str(environment.processes), "--dist", "loadfile", "-m", "not exhaustive"]
    done = _run_tests(environment, "tests", [*spread, "tests/unit", "tests/contract", "tests/ui"])
    failed = failed_tests(done.output)
    if done.ok or not failed or len(failed) > _MOST_REPEATED:
        return Outcome(done.ok, summary_of(done.output))
    again = _run_tests(environment, "tests-again", failed)
    if not again.ok:
        return Outcome(False, summary_of(again.output))
    return Outcome(True, f"{summary_of(done.output)}; passed when repeated alone")


CHECKS: dict[str, Check] = {
    "imports": imports,
    "provider info": provider_info,
    "running Airflow": running_airflow,
    "tests": tests,
}


def _run_tests(environment: CellEnvironment, name: str, arguments: Sequence[str]) -> Done:
    # Other versions may warn: warnings are errors only with the locked versions.
    options = ["-q", "-p", "no:cacheprovider", "-W", "default", "-o", "faulthandler_timeout=300", "--tb=short"]
    return environment.run(name, [environment.folder / "venv" / "bin" / "pytest", *options, *arguments], timeout=2400)


def failed_tests(output: str) -> list[str]:
    """The ids of the failed tests in pytest's output."""
    return [line.partition(" - ")[0] for line in re.findall(r"^(?:FAILED|ERROR) (tests/\S+.*)$", output, re.MULTILINE)]


def summary_of(output: str) -> str:
    """The counts of pytest, and the failed tests with their reasons."""
    found = re.findall(r"^=*\s*((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s.*$", output, re.MULTILINE)
    if not found:
        return "no summary: " + (output.strip().splitlines() or ["no output"])[-1][:200]
    failed = [line[:300] for line in re.findall(r"^(?:FAILED|ERROR) (tests/\S+.*)$", output, re.MULTILINE)]
    return "; ".join([found[-1], *failed])


def _run_probe(environment: CellEnvironment, name: str, *, timeout: float) -> Outcome:
    probe = ROOT / "compat" / "probes" / f"{name}.py"
    done = environment.run(name, [environment.python, "-B", probe], timeout=timeout)
    return Outcome(done.ok, "" if done.ok else _last_line(done))


def _last_line(done: Done) -> str:
    return (done.output.strip().splitlines() or [f"exit code {done.code}"])[-1][:200]
