"""The render jobs that are waited for on an event loop: what is known of each, and when to ask for it next.

Replies and rows of the list come in, turns come out. It sends nothing itself.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import get_args

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import ENDED, Task, TaskStatus
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.queued_jobs import QueuedJobs
from airflow_provider_videoretalk.polling.render_times import RenderTimes
from airflow_provider_videoretalk.polling.watched_job import NEITHER, Agenda, Listed, Waiter, Watched, Way

# A job that has probably ended is asked for before jobs that have been due for fewer seconds than this.
_HEAD_START = 30.0
# By how many seconds the last query of a wait goes before all others.
_LAST_HEAD_START = 3600.0
_SHORTEST_CHECK = 0.01
# How late the list may be: in poll intervals, and in seconds. One that is later by this many seconds stands still.
_LOOKS, _LIST_LAG, _STANDSTILL = 2.5, 10.0, 60.0
# A job that went on so often although the list did not show it is asked for by queries of its own.
_WRONG_ABSENCES = 2
_JITTER = 0.1


class WatchedJobs:
    """
    :param render_times: learns from every task that ends
    :param clock: seconds since the epoch, which limits and submits go by
    :param time: the event loop's time, which turns go by
    """

    def __init__(self, *, render_times: RenderTimes, clock: Callable[[], float], time: Callable[[], float]) -> None:
        self._render_times = render_times
        self._clock = clock
        self._time = time
        self._watched: dict[str, Watched] = {}
        self._counts: Counter[Listed | None] = Counter()
        self._free_at = 0.0
        self._checks = Agenda()
        self.due: dict[Way, Agenda] = {way: Agenda() for way in get_args(Way)}
        self.queue = QueuedJobs()

    def join(self, task_id: str, *, submitted_at: float, waiter: Waiter) -> Watched:
        """Adds a waiter."""
        watched = self._watched.get(task_id)
        if watched is None:
            watched = Watched(task_id=task_id, submitted_at=submitted_at, proven_at=self._time())
            self._watched[task_id] = watched
            self._counts[None] += 1
        watched.submitted_at = watched.submitted_at or submitted_at
        watched.waiters.append(waiter)
        self._plan_check(watched)
        if watched.status is None and submitted_at:
            self.queue.join(task_id, submitted_at=submitted_at)
        due = self._time() + waiter.schedule.before_first(now=self._clock())
        if watched.way is None and not watched.asking:
            self._put(watched, self._way(watched), due)
        elif watched.way is not None and due < self.due[watched.way].time(task_id):
            self._put(watched, watched.way, due)
        return watched

    def leave(self, watched: Watched, waiter: Waiter) -> None:
        """Removes a waiter, and with the last one the job."""
        watched.waiters.remove(waiter)
        if not watched.waiters:
            del self._watched[watched.task_id]
            self._counts[watched.status] -= 1
            self._unplan(watched)
            self._checks.drop(watched.task_id)
            self.queue.leave(watched.task_id)

    def find(self, task_id: str) -> Watched | None:
        """The job, if somebody waits for it."""
        return self._watched.get(task_id)

    def waiters(self) -> list[Waiter]:
        """All waiters."""
        return [waiter for watched in self._watched.values() for waiter in watched.waiters]

    def settled(self, status: Listed) -> range:
        """How many of the jobs may be in a status if nothing unexpected has happened; empty if that is not known."""
        known = self._counts[status]
        if self._counts[None] or (status == "RUNNING" and len(self.queue)):
            return range(0)
        # Each job that renders may just have ended, and the next in the queue may have begun.
        return range(known - self.queue.rendering if status == "PENDING" else known, known + 1)

    # Turns.

    def first(self, way: Way) -> Watched:
        """The job that is due first, of a way that has one."""
        return self._watched[self.due[way].first[1]]

    def policy(self, way: Way) -> PollPolicy:
        """The policy of the job that is due first, or else the default."""
        first = self._watched.get(self.due[way].first[1])
        return PollPolicy() if first is None else first.poll_policy

    def ended_unseen(self, now: float) -> int:
        """How many jobs wait for the query that confirms that they have ended."""
        return self.due["alone"].count(until=now - _HEAD_START)

    def next_in_queue(self) -> Watched | None:
        """The first in the queue that can be asked for now."""
        queued = (self._watched[task_id] for task_id in self.queue)
        return next((each for each in queued if each.way is not None and not each.failing), None)

    def take(self, watched: Watched) -> Way:
        """Takes the turn of a job; returns its way. The job gets no other turn until its reply is noted."""
        way = watched.way
        assert way is not None
        self._unplan(watched)
        watched.asking = True
        return way

    # Limits, which need no reply.

    def check_limits(self) -> float:
        """Ends the waits whose limit has passed, and makes a last query due for those whose limit is reached.

        Returns the seconds until it has to be called again.
        """
        while (first := self._checks.first)[0] <= self._time():
            self._at_limit(self._watched[first[1]])
        return first[0] - self._time()

    def _at_limit(self, watched: Watched) -> None:
        now = self._clock()
        for waiter in watched.open_waiters:
            try:
                waiter.schedule.check(now=now)
            except DashScopeError as error:
                waiter.fail(error)
        if any(waiter.schedule.limit <= now for waiter in watched.open_waiters):
            # A query that is on its way may never be answered.
            self._put(watched, "alone", self._time() - _LAST_HEAD_START)
        self._plan_check(watched)

    def _plan_check(self, watched: Watched) -> None:
        now = self._clock()
        moment = min((waiter.schedule.next_check(now=now) for waiter in watched.open_waiters), default=math.inf)
        if moment == math.inf:
            self._checks.drop(watched.task_id)
        else:
            # The two clocks may differ by a little, and a moment that does not come closer would be checked for ever.
            self._checks.put(watched.task_id, self._time() + max(moment - now, _SHORTEST_CHECK))

    # Replies and rows.

    def note_reply(self, watched: Watched, task: Task) -> bool:
        """Notes the reply to a query. Whether it shows that the list, which did not show that end, stands still."""
        if not watched.waiters:
            return False
        watched.asking = watched.failing = False
        now, stands_still = self._clock(), self._is_overlooked(watched, task)
        watched.proven_at = watched.answered_at = self._time()
        self._judge_absence(watched, task)
        if task.ended:
            self._render_times.learn(task)
        else:
            if not watched.submitted_at and task.submitted_at is not None:
                watched.submitted_at = task.submitted_at.timestamp()
            self._set_status(watched, task.status)
        pauses = []
        for waiter in watched.open_waiters:
            try:
                pause = waiter.schedule.after_query(task, now=now)
            except DashScopeError as error:
                waiter.fail(error)
                continue
            self._report_progress(watched, waiter, task.stage, now)
            if pause is None:
                waiter.succeed(task)
            else:
                pauses.append(pause)
        self._plan(watched, pauses, queued=task.status == "PENDING")
        if task.status == "PENDING":
            self._presume_queued(submitted_after=watched.submitted_at)
        if task.ended and not pauses:
            self._free_at = now
            cancelled = task.status == "CANCELED"
            self.queue.ended(watched.task_id, now=self._time(), policy=watched.poll_policy, cancelled=cancelled)
        return stands_still

    def failed(self, watched: Watched, error: DashScopeError) -> None:
        """Notes that a query failed."""
        watched.asking = False
        watched.failing = True
        pauses = []
        for waiter in watched.open_waiters:
            waiter.report(error)
            try:
                pauses.append(waiter.schedule.after_error(error, now=self._clock()))
            except DashScopeError as final:
                waiter.fail(final)
        self._plan(watched, pauses)

    def note_status(self, watched: Watched, status: TaskStatus, *, cost: float = 1.0) -> None:
        """Notes the status in a row of the list.

        :param cost: the job's part of the reading, in requests
        """
        if watched.way is None:
            return
        if status in ENDED:
            self._suspect(watched)
            return
        now = self._clock()
        watched.suspect = watched.failing = False
        watched.missed, watched.wrong_absences = NEITHER, 0
        self._set_status(watched, status)
        pauses = []
        for waiter in watched.open_waiters:
            try:
                pauses.append(waiter.schedule.after_list(status, now=now, cost=cost))
            except DashScopeError as error:
                waiter.fail(error)
            else:
                self._report_progress(watched, waiter, status, now)
        if watched.submitted_at or watched.answered_at > -math.inf:
            self._plan(watched, pauses, queued=status == "PENDING")
        else:
            # Its first query tells when it was submitted. A list that shows it meanwhile does not put that off.
            self._plan_check(watched)

    def missed(self, watched: Watched, status: Listed) -> None:
        """Notes that no row of a status showed the job. That is no proof, since rows move while the list is read."""
        lag = _list_lag(watched)
        # Rows that move hide more jobs than a list that is late, and the next reading shows those.
        if self._time() - watched.answered_at < lag / 2 or self._clock() - watched.submitted_at < lag:
            return
        watched.missed |= {status}
        if watched.status == status == "RUNNING" or len(watched.missed) == 2:
            self._suspect(watched)
        else:
            self._put(watched, "PENDING" if status == "RUNNING" else "RUNNING", self._time())

    def prove_one(self) -> None:
        """After a reading of RUNNING: makes one job due that only the list has shown for long."""
        listed = [self._watched[task_id] for task_id in self.due["RUNNING"]]
        oldest = min(listed, key=lambda watched: watched.proven_at, default=None)
        if oldest is not None and self._time() - oldest.proven_at > oldest.poll_policy.max_poll_interval:
            oldest.doubted = True
            self._put(oldest, "alone", self._time())

    def _presume_queued(self, *, submitted_after: float) -> None:
        """What is known of no job yet, that those behind a queued one queue, too, is likely."""
        if not self._counts[None]:
            return
        for watched in self._watched.values():
            if watched.status is None and watched.submitted_at > submitted_after and watched.way == "RUNNING":
                self._set_status(watched, "PENDING")
                self._put(watched, "PENDING", self._time())

    def _suspect(self, watched: Watched) -> None:
        watched.suspect = True
        if not watched.failing:
            self._put(watched, "alone", self._time() - _HEAD_START)

    def _judge_absence(self, watched: Watched, task: Task) -> None:
        fresh = self._clock() - watched.submitted_at < 2 * _list_lag(watched)
        if watched.suspect and not fresh and watched.status in (None, task.status):
            watched.wrong_absences += 1
        watched.suspect, watched.missed = False, NEITHER

    def _is_overlooked(self, watched: Watched, task: Task) -> bool:
        """Whether a job that the list showed as running until now has ended long ago."""
        doubted, watched.doubted = watched.doubted, False
        if not doubted or watched.suspect or task.status not in ("SUCCEEDED", "FAILED"):
            return False
        if task.finished_at is None or task.submitted_at is None:
            return True
        ended_at = watched.submitted_at + (task.finished_at - task.submitted_at).total_seconds()
        return self._clock() - ended_at > _STANDSTILL

    def _report_progress(self, watched: Watched, waiter: Waiter, stage: str, now: float) -> None:
        ahead = self.queue.ahead(watched.task_id)
        if ahead is None:
            self._free_at = waiter.schedule.expected_end or self._free_at
        free_at, slots = max(now, self._free_at), self.queue.rendering
        waiter.report(waiter.schedule.progress(stage, now=now, ahead=ahead, free_at=free_at, slots=slots))

    def _set_status(self, watched: Watched, status: TaskStatus) -> None:
        listed: Listed = "PENDING" if status == "PENDING" else "RUNNING"
        self._counts[watched.status] -= 1
        self._counts[listed] += 1
        watched.status = listed
        now, policy = self._time(), watched.poll_policy
        if listed == "RUNNING":
            self.queue.renders(watched.task_id, now=now, policy=policy)
        elif watched.submitted_at:
            self.queue.queues(watched.task_id, submitted_at=watched.submitted_at, now=now, policy=policy)

    def _plan(self, watched: Watched, pauses: Sequence[float], *, queued: bool = False) -> None:
        """Gives the job the earliest turn that one of its waiters asks for."""
        self._plan_check(watched)
        if not pauses:
            self._unplan(watched)
            return
        pause = min(pauses)
        if queued and watched.submitted_at:
            # The queue says when to ask who has begun.
            policy = watched.poll_policy
            pause = policy.bound(policy.max_poll_interval * (1 - _JITTER * random.random()))
        self._put(watched, self._way(watched), self._time() + pause)

    def _way(self, watched: Watched) -> Way:
        if watched.failing:
            return "failing"
        # The list goes back one day. A job without a known submit time may be older.
        if not watched.submitted_at or watched.wrong_absences >= _WRONG_ABSENCES:
            return "alone"
        return "PENDING" if watched.status == "PENDING" else "RUNNING"

    def _put(self, watched: Watched, way: Way, due: float) -> None:
        self._unplan(watched)
        watched.way = way
        self.due[way].put(watched.task_id, due)

    def _unplan(self, watched: Watched) -> None:
        if watched.way is not None:
            self.due[watched.way].drop(watched.task_id)
            watched.way = None


def _list_lag(watched: Watched) -> float:
    return min(_LIST_LAG, _LOOKS * watched.poll_policy.poll_interval)
