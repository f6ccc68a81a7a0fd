"""Measures the tests: makes random small changes to the code that handles money, and counts those that a test notices.

Each mutant is one change of one file, in a copy of the working tree. The tests that run the changed line run, the
quickest first. A mutant is killed if one of them fails or does not end in time. One that survives shows a rule that no
test holds, or a change that changes nothing.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from covering_tests import CoveringTests, measure
from mutations import Mutation, mutations_of
from warm_pytest import WarmPytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "airflow_provider_videoretalk"

FILES = (
    "submission/*.py",
    "polling/time_limits.py",
    "polling/schedule.py",
    "polling/job_end.py",
    "polling/watched_jobs.py",
    "polling/blocking_wait.py",
    "publishing/*.py",
    "dashscope/request.py",
    "dashscope/task.py",
    "dashscope/task_list.py",
    "dashscope/error_codes.py",
    "dashscope/reply_values.py",
    "dashscope/client.py",
    "dashscope/async_client.py",
    "dashscope/client_messages.py",
    "operators/*.py",
    "sensors/*.py",
    "triggers/*.py",
    "outbound/signed_url.py",
    "outbound/signature_expiry.py",
)
"""The mutated files, below the package: what submits, waits, publishes, and reads the service's replies."""

_ELSEWHERE = ("editing", "emulator", "faces", "media")
TESTS = ("tests/unit", *(f"--ignore=tests/unit/{room}" for room in _ELSEWHERE))
"""What pytest runs. The tests that are left out test other code, and take long."""

Outcome = Literal["killed", "timed out", "survived"]

_FIRST_SECONDS = 10.0
"""The first of a mutant's two runs has the quickest tests, up to this sum. It kills most mutants."""

_TIMES_AS_LONG = 5.0
"""A run may take so many times as long as its tests took without a change, besides the least time limit."""

_OPTIONS = ("-x", "-q", "--no-header", "-p", "no:cacheprovider")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A mutation of one file, which is named relative to the root."""

    file: str
    mutation: Mutation

    def __str__(self) -> str:
        return f"{self.file}:{self.mutation.line}  {self.mutation}"


def mutants_of(root: Path, patterns: Collection[str]) -> list[Mutant]:
    """All mutants of the files that match a pattern.

    :raises SystemExit: a pattern matches no file
    """
    found: list[Mutant] = []
    for pattern in patterns:
        paths = sorted((root / PACKAGE).glob(pattern))
        if not paths:
            raise SystemExit(f"No file of {PACKAGE} matches {pattern!r}.")
        for path in paths:
            file = path.relative_to(root).as_posix()
            found += [Mutant(file=file, mutation=mutation) for mutation in mutations_of(path.read_text())]
    return found


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the tests say of a mutant.

    :param reason: the test that failed, or how many passed
    """

    mutant: Mutant
    outcome: Outcome
    reason: str

    def __str__(self) -> str:
        return f"{self.outcome:9}  {self.mutant}  ({self.reason})"


def copy_of_tree(root: Path, copy: Path) -> Path:
    """Copies what git knows or would add."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (root / name).exists() or (root / name).is_symlink():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name, follow_symlinks=False)
    return copy


class Runners:
    """Runs tests in copies of a working tree, one run in each at a time.

    :param tests: the tests of the first copy, of which the others are copies
    :param folder: gets the other copies, and what the runs print
    :param least_seconds: least time limit of a run
    """

    def __init__(self, tree: Path, tests: CoveringTests, *, count: int, folder: Path, least_seconds: float) -> None:
        self._tests = tests
        self._least_seconds = least_seconds
        self._free: queue.Queue[WarmPytest] = queue.Queue()
        self._processes = ExitStack()
        self._folder = folder
        for number in range(count):
            # With its bytecode: a file that is older than a change of it has bytecode of another time.
            copy = shutil.copytree(tree, folder / f"copy-{number}", symlinks=True)
            self._free.put(self._processes.enter_context(WarmPytest(copy)))

    def __enter__(self) -> Runners:
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.close()

    def result_of(self, mutant: Mutant) -> Result:
        """Runs the tests of a mutant."""
        chosen = self._tests.of(mutant.file, mutant.mutation.line)
        quick, spent = 0, 0.0
        while quick < len(chosen) and (not quick or spent < _FIRST_SECONDS):
            spent += self._tests.seconds[chosen[quick]]
            quick += 1
        with self._one() as runner:
            path = runner.folder / mutant.file
            source = path.read_text()
            path.write_text(mutant.mutation.apply(source))
            try:
                for tests in (chosen[:quick], chosen[quick:]):
                    outcome, reason = self._run(runner, tests)
                    if outcome != "survived":
                        return Result(mutant=mutant, outcome=outcome, reason=reason)
                return Result(mutant=mutant, outcome="survived", reason=f"{len(chosen)} tests")
            finally:
                path.write_text(source)

    def check_green(self, mutants: Collection[Mutant]) -> None:
        """Runs the tests of mutants without the mutants.

        :raises SystemExit: they fail
        """
        tests = {test for mutant in mutants for test in self._tests.of(mutant.file, mutant.mutation.line)}
        count = self._free.qsize()
        with ThreadPoolExecutor(count) as pool:
            parts = [sorted(tests, key=self._tests.seconds.__getitem__)[number::count] for number in range(count)]
            for outcome, reason in pool.map(self._check, parts):
                if outcome != "survived":
                    raise SystemExit(f"A test fails without any change when it runs after others: {outcome}, {reason}.")

    def _check(self, tests: Sequence[str]) -> tuple[Outcome, str]:
        with self._one() as runner:
            return self._run(runner, tests)

    def _run(self, runner: WarmPytest, tests: Sequence[str]) -> tuple[Outcome, str]:
        """Runs tests until the first failure, those of a file together."""
        if not tests:
            return "survived", ""
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        ordered = sorted(tests, key=lambda test: files.index(test.partition("::")[0]))
        seconds = self._least_seconds + _TIMES_AS_LONG * sum(map(self._tests.seconds.__getitem__, tests))
        output = self._folder / f"{runner.folder.name}.log"
        code = runner.run([*_OPTIONS, *ordered], output=output, seconds=seconds)
        if code == pytest.ExitCode.USAGE_ERROR:
            # A test's parameters depend on the change, or its file cannot be imported.
            code = runner.run([*_OPTIONS, *files], output=output, seconds=seconds)
        if code is None:
            return "timed out", f"{seconds:.0f} s"
        failed = [line for line in output.read_text().splitlines() if line.startswith(("FAILED ", "ERROR "))]
        reason = failed[0].partition(" - ")[0] if failed else f"pytest ended with {code}"
        return ("survived" if code == 0 else "killed"), reason

    @contextmanager
    def _one(self) -> Iterator[WarmPytest]:
        runner = self._free.get()
        try:
            yield runner
        finally:
            self._free.put(runner)


def table(results: Sequence[Result]) -> str:
    """The score of each file, and the survivors."""
    made = Counter(result.mutant.file for result in results)
    killed = Counter(result.mutant.file for result in results if result.outcome != "survived")
    rows = [(file, made[file], killed[file]) for file in sorted(made)]
    rows.append(("all", made.total(), killed.total()))
    width = max(len(file) for file, _, _ in rows)
    lines = [f"{'file':{width}}  mutants  killed  score"]
    lines += [f"{file:{width}}  {count:7}  {dead:6}  {dead / count:5.0%}" for file, count, dead in rows if count]
    survivors = sorted(str(result.mutant) for result in results if result.outcome == "survived")
    late = sum(result.outcome == "timed out" for result in results)
    lines += ["", f"{late} of the killed did not end in time."] if late else []
    return "\n".join([*lines, "", f"{len(survivors)} survived" + (":" if survivors else "."), *survivors])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="how many mutants; default 300")
    parser.add_argument("--seed", type=int, default=1, help="which mutants; default 1")
    parser.add_argument("--files", nargs="*", default=FILES, help=f"patterns of files below {PACKAGE}/")
    # Tests wait more than they compute.
    jobs = 2 * (os.cpu_count() or 1)
    parser.add_argument("--jobs", type=int, default=jobs, help="how many at once; default: twice the cores")
    parser.add_argument("--seconds", type=float, default=60.0, help="least time limit of a run of tests; default 60")
    options = parser.parse_args(arguments)
    everything = mutants_of(ROOT, options.files)
    chosen = random.Random(options.seed).sample(everything, min(options.count, len(everything)))
    print(f"{len(chosen)} of {len(everything)} mutants, seed {options.seed}", flush=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-")))
        tree = copy_of_tree(ROOT, folder / "tree")
        tests = measure(tree, TESTS, package=PACKAGE, processes=options.jobs, folder=folder)
        runners = stack.enter_context(
            Runners(tree, tests, count=options.jobs, folder=folder, least_seconds=options.seconds)
        )
        runners.check_green(chosen)

        def result_of(mutant: Mutant) -> Result:
            result = runners.result_of(mutant)
            print(result, flush=True)
            return result

        pool = stack.enter_context(ThreadPoolExecutor(options.jobs))
        results = list(pool.map(result_of, chosen))
    print(f"\n{table(results)}")


if __name__ == "__main__":
    main()
