"""All tasks that are waited for on an event loop: what is known of them, and whose turn it is to be asked for.

News come in, turns come out; it sends nothing itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, ThrottledError
from airflow_provider_videoretalk.dashscope.task import ENDED, Task, TaskStatus
from airflow_provider_videoretalk.waiting.agenda import Agenda
from airflow_provider_videoretalk.waiting.forecast import Forecast
from airflow_provider_videoretalk.waiting.line import Line
from airflow_provider_videoretalk.waiting.schedule import Place, Schedule
from airflow_provider_videoretalk.waiting.waiter import Waiter, Watched, Way

# By how many seconds a task that has probably ended goes before one whose look is due: promptness first, but for those
# that have waited longer than this.
_HEAD_START = 30.0
# What happened a few looks ago the list need not show yet, or so many seconds.
_LOOKS, _LIST_LAG = 2.5, 10.0

Turn = tuple[Watched, Way, float]
"""Who is to be asked for, by which way, and since when that is due."""


class Roster:
    """
    :param forecast: learns from every task that ends
    :param clock: seconds since the epoch, which limits and submits go by
    :param time: the event loop's time, which turns go by
    """

    def __init__(self, *, forecast: Forecast, clock: Callable[[], float], time: Callable[[], float]) -> None:
        self._forecast = forecast
        self._clock = clock
        self._time = time
        self._watched: dict[str, Watched] = {}
        self._believed: Counter[TaskStatus | None] = Counter()
        self._line = Line()
        self._head: tuple[str | None, Place] = None, "open"
        self._free_at = 0.0
        self.due: dict[Way, Agenda] = {"alone": Agenda(), "PENDING": Agenda(), "RUNNING": Agenda()}

    def join(self, task_id: str, *, submitted_at: float, waiter: Waiter) -> Watched:
        """Takes in somebody who waits."""
        watched = self._watched.get(task_id)
        if watched is None:
            watched = Watched(task_id=task_id, submitted_at=submitted_at, joined_at=self._time())
            self._watched[task_id] = watched
            self._believed[None] += 1
        watched.submitted_at = watched.submitted_at or submitted_at
        watched.waiters.append(waiter)
        self._hasten(watched, waiter.schedule.before_first(now=self._clock()))
        if watched.status is None and submitted_at:
            self._line.join(task_id, submitted_at=submitted_at)
            self._mind_head()
        return watched

    def leave(self, watched: Watched, waiter: Waiter) -> None:
        """Forgets them, and with the last one the task."""
        watched.waiters.remove(waiter)
        if not watched.waiters:
            del self._watched[watched.task_id]
            self._believed[watched.status] -= 1
            self._unplan(watched)
            self._line.leave(watched.task_id)
            self._mind_head()

    def find(self, task_id: str) -> Watched | None:
        """The task, if somebody waits for it."""
        return self._watched.get(task_id)

    def waiters(self) -> list[Waiter]:
        """All who wait."""
        return [waiter for watched in self._watched.values() for waiter in watched.waiters]

    def settled(self, status: TaskStatus) -> range:
        """How many of them may be in a status if nothing unforeseen has happened; none where some may come unseen."""
        known = self._believed[status]
        if self._believed[None] or (status == "RUNNING" and len(self._line)):
            return range(0)
        # Each one that renders may have ended just now, and been followed by the next in line.
        return range(known - self._line.rendering if status == "PENDING" else known, known + 1)

    # Turns.

    def first(self, way: Way) -> Watched:
        """Who is due first on a way that has a turn."""
        first = self.due[way].first
        assert first is not None
        return self._watched[first[1]]

    def take(self, way: Way) -> Turn:
        """Takes the first turn of a way: the task is being asked for until news of it come in."""
        watched = self.first(way)
        due = self.due[way].time(watched.task_id)
        self._unplan(watched)
        watched.asking = True
        return watched, way, due

    # News.

    def told(self, watched: Watched, task: Task) -> bool | None:
        """After a query for the task. Whether the list was right not to show it, ``None`` where it need not be."""
        if not watched.waiters:
            return None
        watched.asking = False
        watched.asked_at = self._time()
        now, judgement = self._clock(), self._judgement(watched, task)
        self._hear(watched)
        if task.ended:
            self._forecast.learn(task)
        else:
            if not watched.submitted_at and task.submitted_at is not None:
                watched.submitted_at = task.submitted_at.timestamp()
            self._stands(watched, task.status)
        place = self._line.place(watched.task_id, now=now)
        pauses = []
        for waiter in watched.open_waiters:
            try:
                pause = waiter.schedule.after_news(task, now=now, place=place)
            except DashScopeError as error:
                waiter.fail(error)
                continue
            self._narrate(watched, waiter, task.stage, now)
            if pause is None:
                waiter.succeed(task)
            else:
                pauses.append(pause)
        self._plan(watched, pauses)
        if task.ended and not pauses:
            self._ended(watched, task)
        return judgement

    def failed(self, watched: Watched, error: DashScopeError) -> None:
        """After a query for the task that failed."""
        watched.asking = False
        self._plan(
            watched, self._after(watched, error, lambda schedule: schedule.after_error(error, now=self._clock()))
        )

    def throttled(self, turn: Turn, error: ThrottledError) -> None:
        """After a query that was refused as one too many: it keeps its turn, as that says nothing about its task."""
        watched, way, due = turn
        watched.asking = False
        if self._after(watched, error, lambda schedule: schedule.check(now=self._clock())):
            self._put(watched, way, due)

    def sighted(self, watched: Watched, status: TaskStatus) -> None:
        """After a row that shows the task."""
        if watched.way is None:
            return
        if status in ENDED:
            self._suspect(watched)
            return
        now = self._clock()
        self._hear(watched)
        self._stands(watched, status)
        place = self._line.place(watched.task_id, now=now)
        pauses = []
        for waiter in watched.open_waiters:
            try:
                pauses.append(waiter.schedule.after_sight(status, now=now, place=place))
            except DashScopeError as error:
                waiter.fail(error)
            else:
                self._narrate(watched, waiter, status, now)
        self._plan(watched, pauses)

    def missed(self, watched: Watched, status: TaskStatus) -> None:
        """After a reading of all rows of a status, none of which showed the task: no proof, as rows move meanwhile."""
        lag = _list_lag(watched)
        # Rows that move hide more tasks than a list that is late, and the next reading shows those.
        if self._time() - watched.asked_at < lag / 2 or self._clock() - watched.submitted_at < lag:
            return
        watched.missed |= {status}
        if watched.status == status == "RUNNING" or len(watched.missed) == 2:
            self._suspect(watched)
        else:
            self._put(watched, "PENDING" if status == "RUNNING" else "RUNNING", self._time())

    def _hear(self, watched: Watched) -> None:
        watched.suspect = False
        watched.missed = frozenset()

    def _suspect(self, watched: Watched) -> None:
        watched.suspect = True
        self._put(watched, "alone", self._time() - _HEAD_START)

    def _judgement(self, watched: Watched, task: Task) -> bool | None:
        if not watched.suspect:
            return None
        if task.ended or watched.status not in (None, task.status):
            return True
        return None if self._clock() - watched.submitted_at < 2 * _list_lag(watched) else False

    def _after(self, watched: Watched, error: DashScopeError, pause: Callable[[Schedule], float | None]) -> list[float]:
        """Tells an error to all who wait; the pauses of those who go on."""
        pauses = []
        for waiter in watched.open_waiters:
            waiter.tell(error)
            try:
                pauses.append(pause(waiter.schedule) or 0.0)
            except DashScopeError as final:
                waiter.fail(final)
        return pauses

    def _narrate(self, watched: Watched, waiter: Waiter, stage: str, now: float) -> None:
        ahead = self._line.ahead(watched.task_id)
        if ahead is None:
            self._free_at = waiter.schedule.expected_end or self._free_at
        waiter.tell(
            waiter.schedule.progress(
                stage, now=now, ahead=ahead, free_at=max(now, self._free_at), slots=self._line.rendering
            )
        )

    # What news of one task mean for others.

    def _stands(self, watched: Watched, status: TaskStatus) -> None:
        before, watched.status = watched.status, status
        self._believed[before] -= 1
        self._believed[status] += 1
        called = self._line.called(watched.task_id)
        broken = self._line.seen(watched.task_id, status, submitted_at=watched.submitted_at, now=self._clock())
        if before == "PENDING" and status == "RUNNING" and not called:
            # It began though nothing is known to have ended; so may others have.
            self._summon(self._line.head)
        if broken:
            for task_id in self._line:
                self._moved(self._watched[task_id], "open")
        self._mind_head()

    def _ended(self, watched: Watched, task: Task) -> None:
        self._free_at = self._clock()
        self._line.leave(watched.task_id)
        if task.status != "CANCELED":
            self._summon(self._line.call())
        self._mind_head()

    def _summon(self, task_id: str | None) -> None:
        """Asks soon for one that should have begun."""
        if task_id is not None:
            watched = self._watched[task_id]
            self._hasten(watched, watched.patience.poll_interval, alone=True)

    def _mind_head(self) -> None:
        """Looks after the first in line as such, once it is."""
        task_id = self._line.head
        place: Place = self._line.place(task_id, now=self._clock()) if task_id else "open"
        if task_id is not None and (task_id, place) != self._head:
            self._moved(self._watched[task_id], place)
        self._head = task_id, place

    def _moved(self, watched: Watched, place: Place) -> None:
        now = self._clock()
        pauses = [waiter.schedule.after_moving(place, now=now) for waiter in watched.open_waiters]
        if pauses:
            self._hasten(watched, min(pauses))

    def _plan(self, watched: Watched, pauses: Sequence[float]) -> None:
        """Gives the task the turn that the most eager of those who wait asks for."""
        if not pauses:
            self._unplan(watched)
            return
        # The list's window is a day, and one that is not dated may be older.
        way: Way = "alone"
        if watched.submitted_at and not self._is_unproven(watched):
            way = "PENDING" if watched.status == "PENDING" else "RUNNING"
        self._put(watched, way, self._time() + min(pauses))

    def _is_unproven(self, watched: Watched) -> bool:
        """Whether only a list has shown it as running for long: one that stands still must not hide an end for ever."""
        proven_at = max(watched.asked_at, watched.joined_at)
        return watched.status == "RUNNING" and self._time() - proven_at > watched.patience.max_poll_interval

    def _hasten(self, watched: Watched, pause: float, *, alone: bool = False) -> None:
        """Gives the task a turn that is no later than so."""
        due = self._time() + pause
        if watched.asking:
            return
        if watched.way is None:
            self._plan(watched, [pause])
        elif due < self.due[watched.way].time(watched.task_id):
            self._put(watched, "alone" if alone else watched.way, due)

    def _put(self, watched: Watched, way: Way, due: float) -> None:
        self._unplan(watched)
        watched.way = way
        self.due[way].put(watched.task_id, due)

    def _unplan(self, watched: Watched) -> None:
        if watched.way is not None:
            self.due[watched.way].drop(watched.task_id)
            watched.way = None


def _list_lag(watched: Watched) -> float:
    return min(_LIST_LAG, _LOOKS * watched.patience.poll_interval)
