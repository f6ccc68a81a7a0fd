"""A month on a simulated clock: the books agree with the bill, and what it leaves behind is what docs/sizing.md says.

``make test`` plays 1,000 clips of it, ``make test-month`` all 100,000.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sizing import stated

from airflow_provider_videoretalk.airflow_adapters.variable_store import HAS_KEYS

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(not HAS_KEYS, reason="Airflow 3.1 and 3.2 keep neither a registry nor a job history"),
]

ROOT = Path(__file__).parents[2]
CLIPS = int(os.environ.get("VIDEORETALK_MONTH_CLIPS", "1000"))
DAYS, CONNECTIONS = 30, 8

# Bytes of a stored row at most: of a Variable with its key and description, encrypted.
RECORD_BYTES, FACT_BYTES, STATE_BYTES = 2_000, 900, 2_000
DAY_BYTES_A_JOB = 150
# The largest says why a task failed.
XCOM_BYTES = 9_000
# One of sixteen submits removes old records. That none of so many does, is a fault.
MOST_CLIPS_AFTER = 200
# Rows that one clip adds: the facts "submitted", "ended" and "published", and four XComs.
FACTS, XCOMS = 3, 4


@pytest.fixture(scope="module")
def month() -> dict[str, Any]:
    """What the month left behind, by a process whose time is virtual."""
    command = [sys.executable, "-W", "ignore", "-m", "month", str(CLIPS)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    # Sets of the event loop are in the same order at each run.
    env |= {"PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)]), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    print(json.dumps(found, indent=1))
    return found


STATED = {
    "submission records at once": ("Variables", "submission records"),
    "facts of the job history at once": ("Variables", "history, single facts"),
    "days of the job history": ("Variables", "history, days"),
    "keys of triggerers that hold submits back": ("Variables", "triggerers that hold back"),
    "task state of a month": ("task state", "task state"),
    "XComs of the video tasks of a month": ("XComs", "XComs"),
}


@pytest.mark.parametrize("what", STATED)
def test_it_holds_no_more_than_the_page_says(what: str, month: dict[str, Any]) -> None:
    store, kind = STATED[what]
    # A smaller month may hold no submit back.
    found, (rows, size) = month[store].get(kind, {}), stated(what)
    assert found.get("rows at most", 0) <= rows
    assert found.get("bytes at most", 0) <= size


def test_the_books_agree_with_the_bill(month: dict[str, Any]) -> None:
    assert month["jobs"] >= CLIPS
    in_doubt = month["billed without a book"]
    assert month["billed by the books"] + in_doubt == pytest.approx(month["billed by the service"], abs=1e-3)
    assert month["billed by the books"] > 0
    assert month["jobs with another bill"] == []
    assert month["jobs in the books alone"] == 0


def test_a_job_that_the_books_lack_is_of_a_submit_in_doubt(month: dict[str, Any]) -> None:
    """Two replies that are lost in one minute of one account leave doubt whose job is whose."""
    assert month["jobs not in the books"] <= month["submits of unknown outcome"] <= month["lost replies"] / 10


def test_nothing_is_paid_twice(month: dict[str, Any]) -> None:
    """A clip has a second job only if its first one failed, or was cancelled by a person who ended its task."""
    assert month["bills of a clip at most"] == 1


def test_it_was_a_month_with_faults(month: dict[str, Any]) -> None:
    """Bursts that are refused and held back, jobs that fail, lost replies, killed tasks, a triggerer that restarts."""
    counts = month["counts"]
    assert counts["AdmissionTrigger"] > 0
    assert counts["RetryLaterTrigger"] > 0
    assert counts["TaskFailedError"] > 0
    assert counts["restarted triggers"] > 0
    assert month["lost replies"] > 0
    assert month["outcomes"]["failed"] > 0


def test_nobody_waits_at_its_end(month: dict[str, Any]) -> None:
    assert month["dropped by the service"] == 0
    waiting = ("waiting at the service", "waiting on the triggerer", "held back")
    assert [month[name] for name in waiting] == [0, 0, 0]
    assert "triggerers that hold back" not in month["Variables"] or held_back(month)["rows at the end"] == 0


def held_back(month: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = month["Variables"]["triggerers that hold back"]
    return found


def test_records_are_gone_after_six_hours(month: dict[str, Any]) -> None:
    """One of sixteen submits removes them. Those of the clips after the month are left."""
    records, after = month["Variables"]["submission records"], month["outcomes"]["clips of the next month"]
    assert 0 < records["rows at the end"] <= after <= MOST_CLIPS_AFTER
    assert records["largest"] <= RECORD_BYTES


def test_facts_are_folded_into_days(month: dict[str, Any]) -> None:
    facts, days = month["Variables"]["history, single facts"], month["Variables"]["history, days"]
    assert facts["rows at the end"] <= FACTS * month["outcomes"]["clips of the next month"]
    assert facts["largest"] <= FACT_BYTES
    assert days["rows at most"] <= DAYS + 1
    assert days["bytes at most"] <= DAY_BYTES_A_JOB * month["jobs"]


def test_airflow_removes_the_rest(month: dict[str, Any]) -> None:
    state, xcoms = month["task state"]["task state"], month["XComs"]["XComs"]
    assert state["rows at most"] <= CLIPS + month["outcomes"]["clips of the next month"]
    assert state["largest"] <= STATE_BYTES
    assert xcoms["rows at the end"] <= XCOMS * (CLIPS + month["outcomes"]["clips of the next month"])
    assert xcoms["largest"] <= XCOM_BYTES


def test_no_other_variable_is_written(month: dict[str, Any]) -> None:
    kinds = {"submission records", "history, single facts", "history, days", "triggerers that hold back"}
    assert month["Variables"].keys() <= kinds


def test_a_process_remembers_one_account_for_each_connection(month: dict[str, Any]) -> None:
    assert month["accounts in memory"] <= CONNECTIONS


def test_what_a_clip_asks_of_airflow(month: dict[str, Any]) -> None:
    """Refused submits, lost replies and audits included.

    At 100,000 a month, six hours have 2,500 records, which a submit must not list each time.
    """
    calls, clips = month["calls for Variables"], month["jobs"]
    assert (calls["get"] + calls["set"] + calls["delete"] + calls["list"]) / clips <= 40
    assert calls["keys listed"] / clips <= 400
