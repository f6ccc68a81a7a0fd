from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import ThrottledError, TransportError
from airflow_provider_videoretalk.polling.progress_log import Progress, ProgressLog

NOW = 1_795_176_300.0


class Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str, /, *args: Any) -> None:
        self.lines.append(message % args)

    warning = info


def progress(stage: str, *, now: float = NOW, since: float = NOW - 40, **known: Any) -> Progress:
    return Progress(task_id="t1", stage=stage, now=now, since=since, **known)


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (progress("PENDING"), "Render job t1 is PENDING"),
        (progress("PENDING", ahead=3), "Render job t1 is PENDING: 3 known ahead of it"),
        (
            progress("PENDING", ahead=0, begins_at=NOW + 600, expected_seconds=64.0),
            "Render job t1 is PENDING: 0 known ahead of it, expected to begin at 12:15 UTC",
        ),
        (progress("RUNNING"), "Render job t1 is RUNNING: 40 s so far"),
        (progress("POST-PROCESSING", expected_seconds=64.2), "Render job t1 is POST-PROCESSING: 40 s of about 64 s"),
        (progress("RUNNING", since=NOW + 5), "Render job t1 is RUNNING: 0 s so far"),
        (progress("SUCCEEDED", expected_seconds=64.0), "Render job t1 is SUCCEEDED"),
    ],
)
def test_words(told: Progress, line: str) -> None:
    assert str(told) == line


def test_tells_changes_at_once_and_what_lasts_seldom() -> None:
    log = Lines()
    narrator = ProgressLog(log)
    for second in range(0, 14_000, 4):
        narrator(progress("PENDING", now=NOW + second, ahead=second))
    narrator(progress("RUNNING", now=NOW + 14_000))
    told = [int(line.split(": ")[1].split()[0]) for line in log.lines[:-1]]
    assert told == [0, 600, 1800, 4200, 7800, 11400]
    assert log.lines[-1].startswith("Render job t1 is RUNNING")


@pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED", "CANCELED"])
def test_a_job_has_two_lines(end: str) -> None:
    """The task that resumes logs the end."""
    log = Lines()
    narrator = ProgressLog(log)
    for stage, seconds in (("PENDING", 300), ("RUNNING", 500)):
        for second in range(0, seconds, 4):
            narrator(progress(stage, now=NOW + second))
    narrator(progress(end))
    assert [line.split()[4].strip(":") for line in log.lines] == ["PENDING", "RUNNING"]


def test_tells_each_kind_of_error_once_in_a_row() -> None:
    log = Lines()
    narrator = ProgressLog(log)
    for error in (TransportError("a"), TransportError("b"), ThrottledError("c"), TransportError("d")):
        narrator(error)
    narrator(progress("RUNNING"))
    narrator(TransportError("e"))
    assert [line.rpartition(" ")[2] for line in log.lines] == ["a", "c", "d", "far", "e"]
