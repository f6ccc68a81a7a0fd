"""Which tests run a line of the package, and how long each takes: by one run of the tests under coverage."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path

from coverage import CoverageData

_DURATION = re.compile(r"(\d+\.\d+)s (?:setup|call|teardown) +(\S.*)")


class CoveringTests:
    """The tests of a working tree, by the lines that they run.

    :param package: name of the package, which is a folder of the root
    :param seconds: how long each test takes, by its id
    """

    def __init__(self, root: Path, *, package: str, data: CoverageData, seconds: dict[str, float]) -> None:
        self._root = root
        self.seconds = seconds
        self._contexts = cache(lambda file: data.contexts_by_lineno(str(root / file)))
        self._related = cache(self._related_to)
        files = [path.relative_to(root).as_posix() for path in sorted((root / package).rglob("*.py"))]
        tests = {test.partition("::")[0] for test in seconds}
        self._importers: dict[str, set[str]] = defaultdict(set)
        for file in {*files, *tests}:
            for imported in _imports_of(root, file):
                self._importers[imported].add(file)

    def of(self, file: str, line: int) -> list[str]:
        """The tests of a line, the quickest first.

        A line of a function has the tests that run it. Any other line runs at import, and so do the lines of a function
        that no test runs, as far as this can see: they have the tests that run a function of the file or of a file that
        imports it, and those of the test files that import it.
        """
        lines = _statement_lines(ast.parse((self._root / file).read_text()), line)
        found = self._running(file, lines) or self._related(file)
        return sorted(found, key=lambda test: (self.seconds[test], test))

    def _running(self, file: str, lines: Collection[int]) -> set[str]:
        contexts = self._contexts(file)
        found = {context.rpartition("|")[0] for line in lines for context in contexts.get(line, ())}
        return found & self.seconds.keys()

    def _related_to(self, file: str) -> set[str]:
        importers = self._importers[file]
        found = {test for test in self.seconds if test.partition("::")[0] in importers}
        for one in {file, *importers}:
            tree = ast.parse((self._root / one).read_text())
            found |= self._running(one, {line for body in _function_bodies(tree) for line in body})
        return found


def measure(root: Path, paths: Sequence[str], *, package: str, processes: int, folder: Path) -> CoveringTests:
    """Runs tests.

    :param paths: files and folders of tests
    :param folder: gets the measurements
    :raises SystemExit: they fail
    """
    # With bytecode, which the runs of the mutants use, too.
    environment = {**os.environ, "PYTHONPATH": str(root), "COVERAGE_FILE": str(folder / "coverage")}
    command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", "--durations=0"]
    command += ["-n", str(processes), "--dist=loadfile", f"--cov={package}", "--cov-context=test"]
    command += ["--cov-report=", "--cov-fail-under=0"]
    done = subprocess.run([*command, *paths], cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        # The failures stand before thousands of durations.
        failures, _, _ = done.stdout.partition(" slowest durations ")
        last = "\n".join([*failures.splitlines()[-100:], done.stderr])
        raise SystemExit(f"{last}\nThe tests fail without any change, so a failure would say nothing about a mutant.")
    seconds: dict[str, float] = defaultdict(float)
    for line in done.stdout.splitlines():
        if found := _DURATION.fullmatch(line):
            seconds[found[2]] += float(found[1])
    data = CoverageData(str(folder / "coverage"))
    data.read()
    return CoveringTests(root, package=package, data=data, seconds=dict(seconds))


def _function_bodies(tree: ast.AST) -> Iterator[range]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)


def _statement_lines(tree: ast.AST, line: int) -> Collection[int]:
    """The lines of the innermost statement of a function, without the statements in it; none outside functions."""
    if not any(line in body for body in _function_bodies(tree)):
        return ()
    spans = [_span(node) for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    # A line such as "except" belongs to no statement alone.
    return min((span for span in spans if line in span), key=len, default=(line,))


def _span(statement: ast.stmt) -> range:
    body = getattr(statement, "body", None)
    end = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return range(statement.lineno, max(statement.lineno, end) + 1)


def _imports_of(root: Path, importer: str) -> set[str]:
    """The files below the root that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((root / importer).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
    files = {f"{name.replace('.', '/')}.py" for name in names}
    return {file for file in files if (root / file).exists()}
