"""Whether a submit would be finished in time, or is better held back.

The service runs the tasks of an account one after another and drops what has no result three hours after its submit. A
task beyond that wastes its place in the queue, and the hours until somebody notices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from statistics import median

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import TaskStatus, list_tasks
from airflow_provider_videoretalk.limits import RENDER_FACTOR, TASK_SECONDS
from airflow_provider_videoretalk.waiting.forecast import Forecast
from airflow_provider_videoretalk.waiting.record import Intent, Record
from airflow_provider_videoretalk.waiting.register import Register
from airflow_provider_videoretalk.waiting.waitlist import Waitlist

# Renders vary; what is expected to end within nine tenths of the time is let in.
_SAFE_SHARE = 0.9

# How long to hold back between two looks, in seconds: a queue may empty sooner than expected.
_SHORTEST_HOLD, _LONGEST_HOLD = 60.0, 3600.0

# So few tasks are done within three hours, however long their renders.
_ALWAYS_IN_TIME = 3


class HeldBackError(Exception):
    """A submit is held back until ``moment``; ``expected_start`` of its render; both in seconds since the epoch."""

    def __init__(self, message: str, *, moment: float, expected_start: float) -> None:
        super().__init__(message)
        self.moment = moment
        self.expected_start = expected_start


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What an account has to do before a submit's turn.

    :param ahead: tasks that queue or render
    :param side_by_side: how many of them render at once
    """

    ahead: int
    side_by_side: int = 1


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """In how many seconds a render would begin, how many would be in time, and how long one render takes."""

    seconds: float
    room: float
    render: float


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Decides by the account's queue and by how long its last renders took.

    :param limit: seconds after a submit within which its task must begin; that it must end within three hours holds
        besides
    """

    client: Client
    register: Register
    waitlist: Waitlist
    model: str
    limit: float

    def check(self, intent: Intent, *, now: float) -> None:
        """Returns where the submit may be sent.

        :raises HeldBackError: it would not be finished in time
        """
        held, queue = self.waitlist.ahead_of(intent.owner), self._queue(intent, now)
        # Whoever is held back may never come: a queue that is nearly empty lets in who asks.
        turn = self._turn(intent, queue, held, now) if queue.ahead > _ALWAYS_IN_TIME else None
        if turn is None or turn.seconds <= turn.room:
            self.waitlist.drop(intent.owner)
            return
        moment = now + min(max(turn.seconds - turn.room, _SHORTEST_HOLD), _LONGEST_HOLD)
        self.waitlist.put(intent.owner, until=moment)
        raise HeldBackError(
            f"{queue.ahead} tasks are ahead in the account's queue and {held} held back, at about {turn.render:.0f} s "
            f"each: submitted now, it would not begin in time. Expected to begin: {_utc(now + turn.seconds)}",
            moment=moment,
            expected_start=now + turn.seconds,
        )

    def _turn(self, intent: Intent, queue: Queue, held: int, now: float) -> _Turn | None:
        """When a submit's render would begin; ``None`` where nothing tells how long renders take."""
        records = self._known(intent, now)
        typical = render_seconds(records, expected_seconds=None)
        own = render_seconds(records, expected_seconds=intent.expected_seconds)
        if typical is None or own is None:
            return None
        # What alone takes longer than the limit is not better off later.
        room = max(min(self.limit, TASK_SECONDS - own) * _SAFE_SHARE, 0.0)
        return _Turn(seconds=(queue.ahead + held) * typical / max(queue.side_by_side, 1), room=room, render=typical)

    def _queue(self, intent: Intent, now: float) -> Queue:
        """By the service's list; where there is none, by what this Airflow knows."""
        try:
            rendering, waiting = self._count("RUNNING", now), self._count("PENDING", now)
        except DashScopeError:
            return Queue(ahead=sum(bool(r.task_id) and not r.over for r in self._known(intent, now)))
        return Queue(ahead=rendering + waiting, side_by_side=rendering)

    def _known(self, intent: Intent, now: float) -> list[Record]:
        """What this Airflow submitted on the connection, of which some may still queue."""
        records = self.register.records(since=now - TASK_SECONDS)
        ours = (intent.connection, intent.model)
        return [record for record in records if (record.intent.connection, record.intent.model) == ours]

    def _count(self, status: TaskStatus, now: float) -> int:
        since = datetime.fromtimestamp(now, tz=timezone.utc) - timedelta(seconds=TASK_SECONDS)
        return self.client.send(list_tasks(model=self.model, status=status, since=since, page_size=1)).total


def render_seconds(records: Sequence[Record], *, expected_seconds: float | None) -> float | None:
    """How long a render should take, by the latest ones and else by the vendor's sample; ``None`` where nothing tells.

    :param expected_seconds: of output; without, any render's
    """
    forecast = Forecast()
    for record in records:
        if record.render_seconds is not None:
            forecast.note(record.render_seconds, output_seconds=record.billed_seconds)
    learned = forecast.expected(expected_seconds)
    if learned is not None:
        return learned
    if expected_seconds is not None:
        return expected_seconds * RENDER_FACTOR
    expected = [r.intent.expected_seconds for r in records if r.intent.expected_seconds is not None]
    return median(expected) * RENDER_FACTOR if expected else None


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, tz=timezone.utc).strftime("%H:%M UTC")
