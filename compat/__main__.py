"""``make compat``: builds the wheel, tests it in every cell of the matrix, and prints a table."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from compat import interpreters
from compat.cells import PYTHONS, Cell, all_cells, parse_cells
from compat.checks import CHECKS, CellEnvironment, Check, Outcome, install
from compat.commands import end_all, run
from compat.project import ROOT
from compat.report import Result, table, write
from compat.resolution import RefusedError, Resolution, ResolverError, resolve

FOLDER = ROOT / ".compat"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the matrix.

    :return: 0 if every cell is ok or refused
    """
    options = _parser().parse_args(arguments)
    _selected_checks(options.checks)
    # Raises KeyboardInterrupt, so that the child processes end too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found = interpreters.identify(shlex.split(options.pythons)) if options.pythons else interpreters.find_all(PYTHONS)
    pythons = sorted(found, key=lambda version: int(version.split(".")[1])) if options.pythons else PYTHONS
    try:
        cells = parse_cells(options.cells, pythons) if options.cells else all_cells(pythons)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    wheel = _wheel()
    results: list[Result] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(_run_cell, cell, found.get(cell.python), wheel, options) for cell in cells]
        try:
            for result in (each.result() for each in as_completed(runs)):
                results.append(result)
                write(results, folder=FOLDER)
        except KeyboardInterrupt:
            # Commands have sessions of their own, which the terminal does not interrupt.
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            print("\nInterrupted.", file=sys.stderr)
            return 130
    write(results, folder=FOLDER)
    print(f"\n{table(results)}\n\nDetails: {FOLDER / 'report.json'}")
    return 0 if all(result.verdict in ("ok", "refused") for result in results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make compat", description=__doc__)
    parser.add_argument("--cells", default="", help="such as '3.12:newest 3.10:lowest', '3.12', or 'lowest 3.4-pre'")
    parser.add_argument("--pythons", default="", help="interpreters to use instead of those that are found")
    parser.add_argument(
        "--checks",
        default="",
        help=f"names of checks, separated by commas: {', '.join(map(repr, CHECKS))}; all if empty",
    )
    parser.add_argument("--jobs", type=int, default=1, help="cells that are tested at the same time")
    parser.add_argument("--processes", type=int, default=3, help="processes that run the tests of a cell")
    return parser


def _wheel() -> Path:
    shutil.rmtree(FOLDER / "dist", ignore_errors=True)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(FOLDER / "dist")]
    done = run(command, log=FOLDER / "build.log", cwd=ROOT)
    if not done.ok:
        raise SystemExit(f"The wheel cannot be built:\n{done.output}")
    (wheel,) = (FOLDER / "dist").glob("*.whl")
    return wheel


def _folder(cell: Cell) -> Path:
    folder = FOLDER / "cells" / cell.name.replace(":", "-")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run_cell(cell: Cell, interpreter: Path | None, wheel: Path, options: argparse.Namespace) -> Result:
    result = _result_of(cell, interpreter, wheel, options)
    _print_result(cell, result)
    return result


def _result_of(cell: Cell, interpreter: Path | None, wheel: Path, options: argparse.Namespace) -> Result:
    result = partial(Result, python=cell.python, surroundings=cell.surroundings.name)
    if interpreter is None:
        return result(verdict="not found", reason=f"no python{cell.python} on PATH; name it in PYTHONS")
    try:
        resolution = resolve(cell.surroundings, version=cell.python, python=interpreter, folder=_folder(cell))
    except RefusedError as error:
        return result(verdict="refused", reason=str(error))
    except ResolverError as error:
        return result(verdict="failed", checks={"resolution": Outcome(False, str(error))}, logs=str(_folder(cell)))
    return _test_cell(cell, resolution, interpreter, wheel, options)


def _test_cell(
    cell: Cell, resolution: Resolution, interpreter: Path, wheel: Path, options: argparse.Namespace
) -> Result:
    started = time.monotonic()
    folder = _folder(cell)
    environment = CellEnvironment(folder=folder, processes=options.processes)
    pinned = re.search(r"^apache-airflow==(\S+)", resolution.pins.read_text(), re.MULTILINE)
    result = Result(
        python=cell.python,
        surroundings=cell.surroundings.name,
        verdict="ok",
        airflow=pinned[1] if pinned else "",
        logs=str(folder),
        left_out=resolution.left_out,
    )
    result.checks["install"] = _run_timed(
        cell, "install", partial(install, environment, interpreter=interpreter, pins=resolution.pins, wheel=wheel)
    )
    if cell.surroundings.lowest:
        floors = resolution.untested_floors
        # On newer Pythons some lowest versions have no wheel. On the oldest Python all must have one.
        result.checks["floors"] = Outcome(not floors or cell.python != PYTHONS[0], "; ".join(floors))
    if result.checks["install"].ok:
        for name, check in _selected_checks(options.checks).items():
            result.checks[name] = _run_timed(cell, name, partial(check, environment))
    if not all(outcome.ok for outcome in result.checks.values()):
        result.verdict = "failed"
    result.seconds = time.monotonic() - started
    return result


def _selected_checks(names: str) -> dict[str, Check]:
    wanted = [name.strip() for name in names.split(",") if name.strip()] or list(CHECKS)
    unknown = set(wanted) - set(CHECKS)
    if unknown:
        raise SystemExit(f"unknown checks {sorted(unknown)}; allowed are {list(CHECKS)}")
    return {name: CHECKS[name] for name in wanted}


def _run_timed(cell: Cell, name: str, check: Callable[[], Outcome]) -> Outcome:
    started = time.monotonic()
    outcome = check()
    verdict = "ok" if outcome.ok else "FAILED"
    print(
        f"{cell.name:>13}  {name}: {verdict} ({time.monotonic() - started:.0f} s) {outcome.detail}".rstrip(), flush=True
    )
    return outcome


def _print_result(cell: Cell, result: Result) -> None:
    print(f"{cell.name:>13}  {result.brief}" + (f": {result.reason}" if result.reason else ""), flush=True)


if __name__ == "__main__":
    sys.exit(main())
