"""Whatever becomes of a task on a real Airflow, page, spend, job history and the service's account book agree."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from system.cluster import Cluster
from system.ending_table import ENDINGS
from system.endings import Ending, Said, page_of, play, spend_of
from system.reports import REPORTS
from system.service import content
from system.waiting import until

from airflow_provider_videoretalk.job_history.fact_keys import FactKey
from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.job_history.stored_history import StoredHistory

ABREAST = 20
AUDIT = Path(__file__).parents[2] / "dags" / "videoretalk_audit.py"
# Many tasks start at once: a process that waits for a core is not dead.
PATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "600",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "10",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    "AIRFLOW__CORE__PARALLELISM": "8",
}
SHOWN_WITHIN = 60.0
AUDITED_WITHIN = 300.0


@dataclass(kw_only=True)
class Found:
    """What is seen of an ending.

    :param trouble: what kept it from being played
    :param page: before the audit
    :param spend: what the board counts for its DAG, after the audit
    :param book: the account book of the service: billed seconds by job, the oldest first
    :param history: billed seconds of its jobs in the job history, by job
    :param doubts: how many submits of unknown outcome the history has
    :param published: the addresses of all its videos that were published
    :param saved: those of them that the audit has published
    :param wrong: those of them at which another file is
    :param page_after: the page after the audit
    """

    trouble: str = ""
    page: Said = field(default_factory=Said)
    spend: str = ""
    book: dict[str, float] = field(default_factory=dict)
    history: dict[str, float | None] = field(default_factory=dict)
    doubts: int = 0
    published: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    page_after: Said = field(default_factory=Said)


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest) -> Iterator[dict[str, Found]]:
    """What became of the endings that were asked for."""
    wanted: list[Ending] = [
        item.callspec.params["ending"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and hasattr(item, "callspec")
    ]
    # Those that last longest come first.
    wanted.sort(key=lambda ending: ending.pace == "quick")
    failed_before = request.session.testsfailed
    # Not below pytest's own folder: that one is closed to the user whom the database runs as.
    home = Path(tempfile.mkdtemp(prefix="videoretalk-system-"))
    steps = home / "airflow" / "steps"
    services = {ending.service_name: ending.service_settings(steps=steps) for ending in wanted}
    runs = {"VIDEORETALK_ENDINGS": json.dumps({ending.dag_id: [ending.path, ending.shape] for ending in wanted})}
    with Cluster(home=home / "airflow", services=services, settings=PATIENT | runs, dags=[AUDIT]) as cluster:
        for dag_id in ("videoretalk_audit", *(ending.dag_id for ending in wanted)):
            until(partial(cluster.is_parsed, dag_id), what=f"{dag_id} is parsed", within=AUDITED_WITHIN)
        with ThreadPoolExecutor(ABREAST) as pool:
            troubles = list(pool.map(partial(play, cluster), wanted))
        seen = {ending.name: Found(trouble=trouble) for ending, trouble in zip(wanted, troubles, strict=True)}
        for ending in wanted:
            seen[ending.name].page = _page(cluster, ending, within=0.0 if seen[ending.name].trouble else SHOWN_WITHIN)
        _audit(cluster)
        records = _records(cluster)
        for ending in wanted:
            _look(cluster, ending, records, found=seen[ending.name])
    yield seen
    if request.session.testsfailed == failed_before:
        shutil.rmtree(home)
    request.config.stash[REPORTS].append(
        f"{len(wanted)} endings, {sum(sum(each.book.values()) for each in seen.values()):g} s billed\n"
        f"logs: {home if home.exists() else 'removed'}"
    )


def _page(cluster: Cluster, ending: Ending, *, within: float, saved: Sequence[str] = ()) -> Said:
    """Its page, once it says what it should, or after a while: the service or the history may be slow to answer."""

    def said() -> Said | None:
        found = page_of(cluster, ending)
        return found if found.is_of(ending) and all(uri in found.text for uri in saved) else None

    try:
        return until(said, what="the page", within=within)
    except TimeoutError:
        return page_of(cluster, ending)


def _audit(cluster: Cluster) -> None:
    """An owner turns the example audit on: its first scheduled run begins at once."""
    folder = f"{(cluster.home / 'published').as_uri()}/"
    cluster.ensure("/variables", {"key": "videoretalk_folder", "value": folder})
    cluster.call("PATCH", "/dags/videoretalk_audit", json={"is_paused": False})
    state = until(
        lambda: [state for state in cluster.run_states("videoretalk_audit").values() if state in ("success", "failed")],
        what="the audit ends",
        within=AUDITED_WITHIN,
    )
    assert state == ["success"]


def _records(cluster: Cluster) -> list[JobRecord]:
    """The job history."""
    values = ((FactKey.parse(key), value) for key, value in cluster.variables("dashscope_history_").items())
    history = StoredHistory(values=[(key, value) for key, value in values if key])
    records = list(history.records())
    assert history.unreadable == []
    return records


def _look(cluster: Cluster, ending: Ending, records: Sequence[JobRecord], *, found: Found) -> None:
    found.book = {job["task_id"]: job["billed_seconds"] for job in ending.clip(cluster).tasks()}
    own = [record for record in records if record.dag_id == ending.dag_id]
    by_id = {record.job_id: record for record in own if record.job_id}
    found.history = {job_id: by_id[job_id].billed_seconds for job_id in (*found.book, *by_id) if job_id in by_id}
    found.doubts = sum(record.job_id is None and record.billed_seconds is None for record in own)
    found.published = [record.published.uri for record in own if record.published]
    found.saved = [uri for uri in found.published if "/audit/" in uri]
    found.wrong = [uri for uri in found.published if _bytes_at(uri) != content(f"{ending.name}.mp4")]
    found.spend = spend_of(cluster, ending)
    within = SHOWN_WITHIN if found.page.is_of(ending) else 0.0
    found.page_after = _page(cluster, ending, within=within, saved=found.saved if ending.page else ())


def _bytes_at(uri: str) -> bytes:
    path = Path(uri.removeprefix("file://"))
    return path.read_bytes() if path.exists() else b""


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_all_tell_the_same(found: dict[str, Found], ending: Ending) -> None:
    seen = found[ending.name]
    assert not seen.trouble
    assert seen.page.is_of(ending), seen.page
    assert seen.page_after.is_of(ending), seen.page_after
    assert list(seen.book.values()) == [3.0 if status == "SUCCEEDED" else 0.0 for status in ending.jobs]
    assert list(seen.history.values()) == list(ending.book)
    assert all(billed in (None, seen.book[job]) for job, billed in seen.history.items())
    assert seen.spend == ending.spend
    # An unknown bill is that of a job, or of a submit that may have created one.
    assert seen.doubts == (ending.spend == "unknown" and not ending.book)
    assert len(seen.saved) == ending.is_saved
    # The page of a deleted run is gone, and that of a video that was made again is about the later one.
    assert ending.page == "" or all(uri in seen.page_after.text for uri in seen.saved), seen.page_after.text
    assert seen.wrong == []
