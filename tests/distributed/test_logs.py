"""What the pages tell of a failure on another machine, which the task notes and logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from distributed.cluster import WITHIN, DistributedAirflow
from system.waiting import until

DAG_ID = "refused_clip"
NOT_A_VIDEO = "http://127.0.0.1:9/none.mp4"
REASON = f"/dags/{DAG_ID}/runs/bad/tasks/retalk/-1/failure"


@pytest.fixture(scope="module")
def failed(cluster: DistributedAirflow) -> DistributedAirflow:
    """The cluster, with a run whose presenter cannot be had."""
    cluster.open_account("refused", cluster.service)
    cluster.trigger(DAG_ID, "bad", {"connection": "refused"})
    assert cluster.wait_run(DAG_ID, "bad", within=WITHIN) == "failed"
    return cluster


@pytest.fixture(scope="module")
def logged(failed: DistributedAirflow) -> DistributedAirflow:
    """The same without the note, as of a task that was killed."""
    failed.call("DELETE", f"/dags/{DAG_ID}/dagRuns/bad/taskInstances/retalk/xcomEntries/videoretalk_error")
    return failed


def tells_the_error(cluster: DistributedAirflow) -> bool:
    """A page waits for a log for a bounded time, and shows it for some seconds."""
    page = cluster.page(REASON)
    return NOT_A_VIDEO in page and "<strong>What to do:</strong>" in page


@contextmanager
def without_its_machine(cluster: DistributedAirflow) -> Iterator[None]:
    """The machine of the task is off meanwhile."""
    worker = cluster.machine_of_task(DAG_ID, "bad", "retalk")
    cluster.turn_off(worker)
    try:
        yield
    finally:
        cluster.turn_on(worker)


def test_a_page_tells_the_error_that_a_task_noted_without_its_machine(failed: DistributedAirflow) -> None:
    with without_its_machine(failed):
        assert tells_the_error(failed)


def test_a_page_tells_the_error_that_another_machine_logged(logged: DistributedAirflow) -> None:
    until(partial(tells_the_error, logged), what="the page tells the error", within=WITHIN)


def test_a_page_does_not_call_a_log_empty_that_it_cannot_read(logged: DistributedAirflow) -> None:
    with without_its_machine(logged):
        until(lambda: not tells_the_error(logged), what="the page asks for the log again", within=WITHIN)
        assert "contains no error" not in logged.page(REASON)
