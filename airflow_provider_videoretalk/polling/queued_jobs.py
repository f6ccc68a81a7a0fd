"""The account's queue, as far as its jobs have a waiter: who is first, and when to ask who has begun.

After an end, one question is enough to learn which job began: the list of RUNNING, or the first in the queue. So a
queued job need not be asked for itself.

A job that begins and ends between two looks is in no list of RUNNING. So the first in the queue is asked for if a later
one has begun, or if the list shows none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.watched_job import Agenda

# While places are free, or jobs of others may leave them, the question is asked at doubling pauses up to this share of
# max_poll_interval.
_OPEN_SHARE = 1 / 5


class QueuedJobs:
    """Moments are the event loop's.

    ``check_at`` is when to ask who has begun; infinite while nobody queues.
    """

    def __init__(self) -> None:
        self._queued = Agenda()
        self._known: set[str] = set()
        self._rendering: set[str] = set()
        self._free = 0
        self._pause = 0.0
        self._check_at = math.inf
        # Those that were submitted before may have begun unseen.
        self._unseen_before = -math.inf

    @property
    def rendering(self) -> int:
        """How many render."""
        return len(self._rendering)

    @property
    def check_at(self) -> float:
        return self._check_at if self._known else math.inf

    @property
    def asks_first(self) -> bool:
        """Whether to ask for the first in the queue, and not for the list: it is alone, or may have begun unseen."""
        return len(self._queued) == 1 or self._queued.first[0] < self._unseen_before

    def ahead(self, key: str) -> int | None:
        """How many are queued before it; ``None`` for one that is not in the queue."""
        return self._queued.rank(key)

    def __iter__(self) -> Iterator[str]:
        """The queued jobs in the order of their submits. The service does not document in which order they begin."""
        return iter(self._queued)

    def __len__(self) -> int:
        return len(self._queued)

    def join(self, key: str, *, submitted_at: float) -> None:
        """Takes in a job of which no more is known: that it is queued is likely."""
        self._queued.put(key, submitted_at)

    def leave(self, key: str) -> None:
        """Forgets a job."""
        self._queued.drop(key)
        self._known.discard(key)
        self._rendering.discard(key)

    def queues(self, key: str, *, submitted_at: float, now: float, policy: PollPolicy) -> None:
        """Notes that a job is known to queue."""
        self._rendering.discard(key)
        self._queued.put(key, submitted_at)
        if self._queued.first[1] == key:
            self._unseen_before = -math.inf
        if key not in self._known:
            self._known.add(key)
            if self._check_at == math.inf:
                self.asked(now=now, policy=policy)

    def renders(self, key: str, *, now: float, policy: PollPolicy) -> None:
        """Notes that a job renders."""
        begins = key in self._known
        if self._unseen_before == math.inf:
            self._unseen_before = -math.inf
        self._began(key)
        self.leave(key)
        self._rendering.add(key)
        if not begins:
            return
        if not self._free:
            # It began although no other is known to have ended. Others may have begun too.
            self._check_soon(now + policy.poll_interval)
            return
        self._free -= 1
        self._check_at = now if self._free else now + self._next_pause(policy)

    def ended(self, key: str, *, now: float, policy: PollPolicy, cancelled: bool) -> None:
        """Notes that a job ended. If it rendered, the next one begins."""
        if cancelled and key not in self._rendering:
            self.leave(key)
            return
        is_unseen = key not in self._rendering
        if is_unseen and key in self._known:
            # It had taken a place, of those that are free.
            self._free = max(0, self._free - 1)
        self._began(key)
        self.leave(key)
        self._free = min(self._free + 1, len(self._queued))
        # The next one may have begun unseen, too.
        self._check_soon(now if is_unseen else now + policy.poll_interval)

    def none_renders(self) -> None:
        """Notes that the list of RUNNING shows none."""
        self._unseen_before = math.inf

    def asked(self, *, now: float, policy: PollPolicy) -> None:
        """Notes that it is asked who has begun. Without a begin, it is asked again after a longer pause."""
        self._pause = policy.bound(2 * self._pause, share=_OPEN_SHARE)
        if self._pause == policy.bound(policy.max_poll_interval, share=_OPEN_SHARE):
            # Jobs of others have taken the places.
            self._free = 0
        self._check_at = now + self._next_pause(policy)

    def _began(self, key: str) -> None:
        if self._queued.rank(key) is not None:
            self._unseen_before = max(self._unseen_before, self._queued.time(key))

    def _check_soon(self, moment: float) -> None:
        self._pause, self._check_at = 0.0, min(self._check_at, moment)

    def _next_pause(self, policy: PollPolicy) -> float:
        if self._rendering and not self._free:
            # The end of one that renders is going to be seen.
            return policy.bound(policy.max_poll_interval)
        return policy.bound(self._pause, share=_OPEN_SHARE)
