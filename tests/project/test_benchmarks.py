"""The page of benchmarks is made of the stored results, and disturbed measurements are not kept."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name

import pytest

from benchmarks import machine, probing
from benchmarks.document import DOCUMENT, PICTURE, TEMPLATE, UNEXPLAINED, document, section_text
from benchmarks.machine import DISTURBED, TRIES, DisturbedError, Usage, others_share, undisturbed
from benchmarks.reasons import REASONS
from benchmarks.results import Goal, Result, Table, read_results, write_results
from benchmarks.sections import ALL, SECTIONS
from benchmarks.waiting.clients import HTTP
from benchmarks.waiting.figures import best_lags
from benchmarks.waiting.picture import picture
from benchmarks.waiting.scenarios import MANY_CLIENTS, QUEUES, SIZES, many_runs, queue_runs


def test_the_page_is_made_of_the_results() -> None:
    """If this fails, run ``python -m benchmarks.document``."""
    results = read_results()
    assert document(TEMPLATE.read_text(), results) == DOCUMENT.read_text()
    assert picture(results["many-running"].chart) == PICTURE.read_text()


def test_every_section_is_on_the_page() -> None:
    assert re.findall(r"<!-- section (\S+) -->", TEMPLATE.read_text()) == [section.name for section in ALL]
    assert read_results().keys() <= SECTIONS.keys()


@pytest.mark.parametrize("name", [section.measured_by for section in ALL if section.measured_by])
def test_what_measures_a_section_exists(name: str) -> None:
    assert callable(resolve_name(name))


def test_goals_that_are_not_met_have_a_reason() -> None:
    assert UNEXPLAINED not in DOCUMENT.read_text()


def test_reasons_have_no_measured_figures() -> None:
    assert [reason for reason in REASONS.values() if re.search(r"\d[\d.,]* ?(ms|s|MB|kB|GB|%)(\W|$)", reason)] == []


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    table = Table(title="t", header=["a", "b"], rows=[["1", "2"]], note="n")
    goals = [Goal(what="w", wanted="<= 1", found="2", met=False)]
    result = Result(setting="today", commit="c0ffee", goals=goals, tables=[table], chart={"this package": [[10, 4.8]]})
    write_results({"pool": result}, tmp_path / "results.json")
    assert read_results(tmp_path / "results.json") == {"pool": result}


def test_a_section() -> None:
    section = SECTIONS["no-list"]
    goal = Goal(what="w", wanted="<= 1", found="2", met=False)
    table = Table(header=["a", "b"], rows=[["1", "2"]])
    text = section_text(section, Result(setting="today", commit="c0ffee", goals=[goal], tables=[table]))
    assert "today. Commit c0ffee." in text
    assert f"- **w**: {UNEXPLAINED}" in text
    assert "| a | b |\n| --- | --- |\n| 1 | 2 |" in text
    assert f"| {section.goals[0].what} | <= 10.0 | not measured yet |  |" in text


def test_a_section_that_was_never_measured() -> None:
    text = document("<!-- section no-list -->", {})
    assert "Not measured yet: `python -m benchmarks no-list` measures it." in text
    assert "<= 10.0 | not measured yet" in text


# Disturbance.


def usages(*shares: float) -> Iterator[Usage]:
    """Before and after measurements of ten seconds on two cores, in which others had these shares of the cores."""
    for share in shares:
        yield Usage(total=100.0, work=50.0, own=20.0)
        yield Usage(total=120.0, work=58.0 + 20 * share, own=28.0)


def test_a_disturbed_measurement_is_repeated() -> None:
    read, runs = usages(0.5, 0.06, 0.04), iter("abc")
    found, share = undisturbed(lambda: next(runs), what="it", usage=lambda: next(read))
    assert (found, round(share, 3)) == ("c", 0.04)


def test_what_stays_disturbed_is_not_kept() -> None:
    read = usages(*[DISTURBED + 0.01] * TRIES)
    with pytest.raises(DisturbedError, match="it: disturbed in 4 runs; measure on an idle machine"):
        undisturbed(lambda: "a", what="it", usage=lambda: next(read))
    assert list(read) == []


def test_own_processes_disturb_nothing() -> None:
    before, after = usages(0.0)
    assert others_share(before, after) == 0.0


def test_the_peak_memory_of_a_program_is_not_that_of_its_parent() -> None:
    command = [sys.executable, "-c", "from benchmarks.machine import peak_megabytes; print(peak_megabytes())"]
    ballast = b"x" * 150_000_000
    own = machine.peak_megabytes()
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(machine.__file__).parents[1])
    assert own > len(ballast) / 1024**2 > float(told.stdout) > 5


def test_a_child_process_is_one_of_them() -> None:
    before = machine._usage()
    if not (child := os.fork()):
        os._exit(0 if sum(number * number for number in range(500_000)) else 1)
    _, status, used = os.wait4(child, 0)
    assert status == 0
    # The kernel counts in hundredths of a second.
    assert machine._usage().own - before.own >= used.ru_utime + used.ru_stime - 0.03


# Waiting.


def test_all_clients_of_a_size_have_the_same_clock() -> None:
    for run_of in (many_runs(SIZES, MANY_CLIENTS), queue_runs(QUEUES)):
        speeds: dict[int, set[float]] = {}
        for run in run_of:
            speeds.setdefault(run.size, set()).add(run.speed)
        assert all(len(found) == 1 for found in speeds.values())
    assert {run.speed for run in many_runs([1000], [HTTP])} == {1.0}


def test_the_limit_by_arithmetic() -> None:
    assert best_lags([0.0, 10.0], latency=0.5) == [0.5, 0.5]
    assert best_lags([0.0] * 3, latency=0.0, per_second=2.0) == [0.0, 0.5, 1.0]


# Probing.


def test_what_is_not_read_is_not_sent(tmp_path: Path) -> None:
    """A client that reads the head of a large file is sent little more than the buffers of the connection."""
    (tmp_path / "input").write_bytes(bytes(50_000_000))
    with probing.served(tmp_path) as (base, line):
        with socket.create_connection(("127.0.0.1", int(base.rpartition(":")[2]))) as client:
            client.sendall(b"GET /near/input HTTP/1.1\r\nHost: h\r\n\r\n")
            assert client.recv(1000)
        line.send("count")
        sent, requests = line.recv()
    assert requests == 1
    assert sent < 400_000
