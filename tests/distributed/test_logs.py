"""What the pages tell of a log that is on another machine."""

from __future__ import annotations

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


def tells_the_error(cluster: DistributedAirflow) -> bool:
    """A page waits for a log for a bounded time, and shows it for some seconds."""
    page = cluster.page(REASON)
    return NOT_A_VIDEO in page and "<strong>What to do:</strong>" in page


def test_a_page_tells_the_error_that_another_machine_logged(failed: DistributedAirflow) -> None:
    until(partial(tells_the_error, failed), what="the page tells the error", within=WITHIN)


def test_a_page_does_not_call_a_log_empty_that_it_cannot_read(failed: DistributedAirflow) -> None:
    worker = failed.machine_of_task(DAG_ID, "bad", "retalk")
    failed.turn_off(worker)
    try:
        until(lambda: not tells_the_error(failed), what="the page asks for the log again", within=WITHIN)
        assert "contains no error" not in failed.page(REASON)
    finally:
        failed.turn_on(worker)
