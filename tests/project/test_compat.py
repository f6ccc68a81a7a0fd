"""The matrix of ``make compat``, compared with the metadata."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from compat.cells import PYTHONS, SURROUNDINGS, all_cells, parse_cells
from compat.checks import Outcome, failed_tests, summary_of
from compat.project import ROOT, metadata
from compat.report import Result, table
from compat.resolution import RefusedError, ResolverError, check_allowed, failure_of, reason_of, unmet_floors

PROJECT = metadata()["project"]
REQUIRED = [Requirement(text) for text in PROJECT["dependencies"]]
AIRFLOW = [requirement.specifier for requirement in REQUIRED if requirement.name == "apache-airflow"]


def test_pythons_are_those_of_the_metadata() -> None:
    prefix = "Programming Language :: Python :: 3."
    named = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if text.startswith(prefix)]
    assert tuple(named) == PYTHONS
    supported = SpecifierSet(PROJECT["requires-python"])
    assert [version for version in PYTHONS if version not in supported] == []
    assert f"3.{int(PYTHONS[0].partition('.')[2]) - 1}" not in supported


def test_every_allowed_minor_version_of_airflow_is_tested() -> None:
    tested = {
        f"{version.major}.{version.minor}"
        for surroundings in SURROUNDINGS
        for text in surroundings.requirements
        for requirement in [Requirement(text)]
        if requirement.name == "apache-airflow"
        for version in [Version(next(s.version for s in requirement.specifier if s.operator in ("==", ">=")))]
    }
    # The allowed versions differ by Python.
    lines = {f"3.{minor}" for minor in range(30) for allowed in AIRFLOW if allowed.contains(f"3.{minor}.99")}
    assert lines == tested
    for allowed in AIRFLOW:
        assert not allowed.contains("3.5.0b1", prereleases=True)
        assert not allowed.contains("4.0.0")


def test_every_requirement_has_a_floor() -> None:
    extras = [Requirement(text) for texts in PROJECT["optional-dependencies"].values() for text in texts]
    for requirement in [*REQUIRED, *extras]:
        assert any(part.operator in (">=", "==") for part in requirement.specifier), str(requirement)


@pytest.mark.parametrize(
    ("pins", "unmet"),
    [
        ("aiohttp==3.9.2\nrequests==2.32.0\n", []),
        ("aiohttp==3.9.5\nrequests==2.32.0\n", ["aiohttp>=3.9.2 is installed as 3.9.5"]),
        ("requests==2.32.2\n", ["aiohttp>=3.9.2 is not installed", "requests>=2.32 is installed as 2.32.2"]),
    ],
)
def test_unmet_floors_are_those_that_the_lowest_resolution_does_not_install(
    pins: str, unmet: list[str], tmp_path: Path
) -> None:
    (tmp_path / "pins.txt").write_text(pins)
    declared = ["aiohttp>=3.9.2", "requests>=2.32,<3", "numpy>=9; python_version < '3'"]
    assert unmet_floors(declared, tmp_path / "pins.txt", python="3.12") == unmet


def test_cells_are_parsed() -> None:
    assert [cell.name for cell in parse_cells("3.12:newest 3.10:lowest 3.12:newest")] == ["3.10:lowest", "3.12:newest"]
    assert {cell.surroundings.name for cell in parse_cells("3.13")} == {each.name for each in SURROUNDINGS}
    assert sorted(cell.python for cell in parse_cells("3.4-pre")) == sorted(PYTHONS)
    assert len(all_cells()) == len(set(all_cells())) == len(PYTHONS) * len(SURROUNDINGS)


@pytest.mark.parametrize("text", ["3.9", "3.12:older", "3.12:", ":newest"])
def test_unknown_cells(text: str) -> None:
    with pytest.raises(ValueError, match="names no cell"):
        parse_cells(text)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            "error: No solution found when resolving dependencies\n  cause: Because only a<=1 is available and b "
            "depends on a>=2, we can conclude that your\n   requirements are unsatisfiable.\n\nhint: more",
            "only a<=1 is available and b depends on a>=2",
        ),
        (
            "  × No solution found when resolving dependencies:\n  ╰─▶ Because a needs Python>=3.11\n"
            "      and you have 3.10, we can conclude that it\n",
            "a needs Python>=3.11 and you have 3.10",
        ),
        ("error: Failed to fetch\n  cause: no route", "Failed to fetch no route"),
        ("", "the resolver gave no reason"),
    ],
)
def test_the_resolvers_reason_is_one_line(output: str, reason: str) -> None:
    assert reason_of(output) == reason


NO_SOLUTION = "error: No solution found when resolving dependencies:\n  cause: Because "


def test_only_requirements_on_python_are_refused() -> None:
    """Requirements that exclude each other are an error of the metadata."""
    assert isinstance(failure_of(f"{NO_SOLUTION}a==1 depends on Python>=3.11, we can conclude that"), RefusedError)
    assert isinstance(failure_of(f"{NO_SOLUTION}a==1 depends on b<2 and c depends on b>=2"), ResolverError)
    assert isinstance(failure_of("error: Failed to fetch: `https://index/`\n  cause: no route"), ResolverError)


def test_what_the_metadata_allow_on_other_pythons_only_is_refused() -> None:
    declared = ["apache-airflow>=3.1; python_version < '3.14'", "apache-airflow>=3.2.2,<3.5; python_version >= '3.14'"]
    asked = Requirement("apache-airflow==3.1.8")
    with pytest.raises(RefusedError, match=r"3\.1\.8 is not allowed on Python 3\.14: .* apache-airflow<3\.5,>=3\.2\.2"):
        check_allowed(asked, declared, python="3.14")
    check_allowed(asked, declared, python="3.13")
    check_allowed(Requirement("apache-airflow==3.2.2"), declared, python="3.14")
    # Not a question of the Python: the resolver's failure is an error.
    check_allowed(asked, ["apache-airflow>=3.2"], python="3.13")


def test_the_summary_names_the_failed_tests() -> None:
    failed = "FAILED tests/a.py::b[1 2] - AssertionError\nERROR tests/c.py::d\n"
    output = f"{failed}=========== 2 failed, 1 skipped in 3.21s (0:01:02) ===========\n"
    assert summary_of(output) == "2 failed, 1 skipped; tests/a.py::b[1 2] - AssertionError; tests/c.py::d"
    assert failed_tests(output) == ["tests/a.py::b[1 2]", "tests/c.py::d"]
    assert summary_of("1 passed in 0.01s\n") == "1 passed"
    assert summary_of("Killed") == "no summary: Killed"


def test_the_table_shows_every_cell() -> None:
    results = [
        Result(python="3.12", surroundings="newest", verdict="ok", airflow="3.3.2", seconds=61.4),
        Result(python="3.10", surroundings="3.4-pre", verdict="refused", reason="Airflow 3.4 needs Python>=3.11"),
        Result(python="3.14", surroundings="newest", verdict="not found", reason="no python3.14"),
        Result(python="3.12", surroundings="3.4-pre", verdict="failed", checks={"tests": Outcome(False, "1 failed")}),
    ]
    lines = table(results).splitlines()
    assert [part.strip() for part in lines[2].split("|")[1:-1]] == ["3.10", "", "refused"]
    assert [part.strip() for part in lines[3].split("|")[1:-1]] == ["3.12", "ok (3.3.2, 61 s)", "FAILED: tests"]
    assert [part.strip() for part in lines[4].split("|")[1:-1]] == ["3.14", "not found", ""]
    assert "- 3.10:3.4-pre refused: Airflow 3.4 needs Python>=3.11" in lines
    assert "- 3.12:3.4-pre tests failed: 1 failed" in lines


INTERRUPTED = """
import os, shlex, signal, sys, threading, time
from pathlib import Path
from compat import __main__ as compat, commands
from compat.checks import Outcome
from compat.resolution import Resolution

pins = Path(sys.argv[1]) / "pins.txt"
pins.write_text("apache-airflow==3.3.2")
compat.FOLDER = Path(sys.argv[1])
compat._wheel = lambda: Path("w.whl")
compat.resolve = lambda *_, **__: Resolution(pins=pins, left_out={}, untested_floors=())

def install(environment, **_):
    commands.run(["sh", "-c", "sleep 600 & wait"], log=environment.folder / "sleep.log", timeout=600)
    return Outcome(True, "")

compat.install = install
compat.CHECKS.clear()
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
sys.exit(compat.main(["--jobs", "2", "--cells", "newest lowest", "--pythons", shlex.quote(sys.executable)]))
"""


def test_an_interrupt_ends_all_commands(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, "Interrupted." in done.stderr, "Traceback" in done.stderr) == (130, True, False), done
