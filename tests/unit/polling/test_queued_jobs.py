from __future__ import annotations

import math

import pytest

from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.queued_jobs import QueuedJobs

POLICY = PollPolicy()
NOW = 1_000.0


def queue_of(*keys: str) -> QueuedJobs:
    """Known to queue in this order."""
    queue = QueuedJobs()
    for place, key in enumerate(keys):
        queue.queues(key, submitted_at=float(place), now=NOW, policy=POLICY)
    return queue


def ended(queue: QueuedJobs, key: str, *, now: float, cancelled: bool = False) -> None:
    queue.ended(key, now=now, policy=POLICY, cancelled=cancelled)


def test_the_order_is_that_of_the_submits() -> None:
    queue = queue_of("a", "b", "c")
    queue.join("first", submitted_at=-1.0)
    assert list(queue) == ["first", "a", "b", "c"]
    assert [queue.ahead(key) for key in ("first", "c", "x")] == [0, 3, None]
    queue.renders("first", now=NOW, policy=POLICY)
    assert (len(queue), queue.rendering) == (3, 1)
    queue.leave("first")
    assert queue.rendering == 0


def test_without_a_queue_nothing_is_asked() -> None:
    queue = QueuedJobs()
    queue.join("a", submitted_at=1.0)
    assert queue.check_at == math.inf
    ended(queue, "a", now=NOW)
    assert queue.check_at == math.inf


def test_jobs_of_others_may_leave_places_at_any_time() -> None:
    queue, now, pauses = queue_of("a", "b"), NOW, []
    for _ in range(6):
        pauses.append(queue.check_at - now)
        now = queue.check_at
        queue.asked(now=now, policy=POLICY)
    assert pauses == [4, 8, 16, 32, 60, 60]


def test_while_one_of_ours_renders_its_end_is_waited_for() -> None:
    queue = QueuedJobs()
    queue.renders("a", now=NOW, policy=POLICY)
    queue.queues("b", submitted_at=1.0, now=NOW, policy=POLICY)
    queue.queues("c", submitted_at=2.0, now=NOW, policy=POLICY)
    assert queue.check_at == NOW + 300
    ended(queue, "a", now=NOW + 64)
    assert queue.check_at == NOW + 68
    queue.asked(now=NOW + 68, policy=POLICY)
    assert queue.check_at == NOW + 72
    queue.renders("b", now=NOW + 72, policy=POLICY)
    assert queue.check_at == NOW + 372


def test_two_ends_are_two_begins() -> None:
    queue = QueuedJobs()
    for key in ("a", "b"):
        queue.renders(key, now=NOW, policy=POLICY)
    for place, key in enumerate(("c", "d", "e")):
        queue.queues(key, submitted_at=float(place), now=NOW, policy=POLICY)
    ended(queue, "a", now=NOW + 10)
    ended(queue, "b", now=NOW + 11)
    queue.renders("c", now=NOW + 14, policy=POLICY)
    assert queue.check_at == NOW + 14
    queue.renders("d", now=NOW + 15, policy=POLICY)
    assert queue.check_at == NOW + 315


def test_a_begin_without_an_end_may_be_one_of_several() -> None:
    queue = QueuedJobs()
    queue.renders("a", now=NOW, policy=POLICY)
    for place, key in enumerate(("b", "c")):
        queue.queues(key, submitted_at=float(place), now=NOW, policy=POLICY)
    queue.renders("b", now=NOW + 50, policy=POLICY)
    assert queue.check_at == NOW + 54
    queue.asked(now=NOW + 54, policy=POLICY)
    assert queue.check_at == NOW + 354


@pytest.mark.parametrize(("cancelled", "check_at"), [(True, 300), (False, 10)])
def test_a_job_that_is_cancelled_while_it_queues_leaves_no_place(cancelled: bool, check_at: float) -> None:
    queue = QueuedJobs()
    queue.renders("a", now=NOW, policy=POLICY)
    for place, key in enumerate(("b", "c")):
        queue.queues(key, submitted_at=float(place), now=NOW, policy=POLICY)
    ended(queue, "b", now=NOW + 10, cancelled=cancelled)
    assert queue.check_at == NOW + check_at


def test_a_place_that_a_job_of_others_has_taken_is_looked_for_at_growing_pauses() -> None:
    queue = QueuedJobs()
    for key in ("a", "b"):
        queue.renders(key, now=NOW, policy=POLICY)
    for place, key in enumerate(("c", "d", "e")):
        queue.queues(key, submitted_at=float(place), now=NOW, policy=POLICY)
    ended(queue, "a", now=NOW)
    pauses = []
    for _ in range(5):
        queue.asked(now=NOW, policy=POLICY)
        pauses.append(queue.check_at - NOW)
    # The end of the one that renders comes next.
    assert pauses == [4, 8, 16, 32, 300]


def test_the_first_is_doubted_after_a_later_one_has_begun() -> None:
    queue = queue_of("a", "b", "c")
    assert not queue.asks_first
    queue.renders("b", now=NOW, policy=POLICY)
    assert queue.asks_first
    queue.queues("d", submitted_at=3.0, now=NOW, policy=POLICY)
    ended(queue, "a", now=NOW)
    assert not queue.asks_first


def test_the_first_is_doubted_after_a_later_one_has_ended() -> None:
    queue = queue_of("a", "b", "c")
    ended(queue, "b", now=NOW)
    assert queue.asks_first
    queue.queues("a", submitted_at=0.0, now=NOW, policy=POLICY)
    assert not queue.asks_first


def test_the_first_is_doubted_while_none_renders() -> None:
    queue = queue_of("a", "b", "c")
    queue.queues("d", submitted_at=3.0, now=NOW, policy=POLICY)
    queue.none_renders()
    assert queue.asks_first
    ended(queue, "a", now=NOW)
    assert queue.asks_first
    queue.renders("b", now=NOW, policy=POLICY)
    assert not queue.asks_first


def test_a_job_that_began_unseen_leaves_no_place_but_its_own() -> None:
    queue = QueuedJobs()
    queue.renders("a", now=NOW, policy=POLICY)
    for place, key in enumerate(("b", "c", "d", "e")):
        queue.queues(key, submitted_at=float(place), now=NOW, policy=POLICY)
    ended(queue, "a", now=NOW)
    ended(queue, "b", now=NOW)
    queue.renders("c", now=NOW + 1, policy=POLICY)
    assert queue.check_at > NOW + 1
