"""What a piece of work may cost in counts that no machine changes, such as requests, log lines and files.

``make bench`` measures seconds, on one machine. Counts are the same on every machine, so CI compares them: a test
measures the counts of a piece of work, and :func:`check` fails where one has grown. To keep a gain, lower its ceiling.
To allow more, raise it, and say in the commit why.

What waiting costs in requests is counted by ``tests/unit/polling/test_scenarios.py``, case by case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Count = Literal[
    "requests", "look-ups", "requests to Airflow", "log lines", "files opened", "kB", "worker starts", "modules"
]
Counts = Mapping[Count, float]

CEILINGS: Mapping[str, Counts] = {
    # Lines in the task's log for each job that ended.
    "10 jobs, one after another": {"log lines": 2.5},
    # All requests to the service, look-ups of the connection, and calls for task state and Variables.
    "a submit without preflight": {"requests": 4, "look-ups": 2, "requests to Airflow": 8},
    # One of sixteen. It lists its records, and the facts of a day and of a month.
    "a submit that deletes old records": {"requests": 4, "look-ups": 2, "requests to Airflow": 11},
    # Calls for Variables from the submit to the result. Each write asks the secrets backend, too.
    "the Variables of a clip": {"requests to Airflow": 7},
    "100 triggers of ended jobs": {"requests": 100, "look-ups": 1},
    # Workers that a clip starts before its submit, at most, and requests to Airflow for each look at the queue.
    "1000 clips held back": {"worker starts": 2, "requests to Airflow": 5},
    "5000 clips held back": {"worker starts": 2, "requests to Airflow": 5},
    # Ranged reads of one input over HTTP, in requests and in the kB that they ask for.
    "a probe of mp4, index at the end": {"requests": 2, "kB": 34},
    "a probe of mp4, index in front": {"requests": 1, "kB": 33},
    "a probe of mp4, fragmented": {"requests": 2, "kB": 279},
    "a probe of mov": {"requests": 2, "kB": 34},
    "a probe of wav": {"requests": 1, "kB": 33},
    "a probe of aac": {"requests": 7, "kB": 2630},
    "a probe of mp3, variable rate, no index": {"requests": 6, "kB": 1840},
    # One result of 2 MB to one store, with the file of its metadata: requests to its source, files of the store.
    "a publication": {"requests": 1, "files opened": 2},
}


def check(name: str, found: Counts) -> None:
    """Fails when a count of this piece of work has grown.

    :param found: all counts that have a ceiling
    :raises AssertionError: names the count, what was found and its ceiling
    """
    ceilings = CEILINGS[name]
    assert found.keys() == ceilings.keys(), f"{name}: {sorted(found)} were counted, {sorted(ceilings)} have a ceiling"
    for count, ceiling in ceilings.items():
        print(name, count, found[count])
        assert found[count] <= ceiling, (
            f"{name}: {found[count]:g} {count}, at most {ceiling:g} by tests/count_ceilings.py"
        )
