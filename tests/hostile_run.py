"""Many clips against a hostile service: who pays twice, what is in doubt, and does anything still succeed?

Prints a table for each policy. With the default arguments it takes some minutes:

    PYTHONPATH=tests python tests/hostile_run.py

What counts is what the service has made and bills, by its own books, never what the client says.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from hostile_service import LIES, MODEL, HostileService, InProcessClient, SubmitFault, VirtualTime
from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import (
    DashScopeError,
    OutcomeUnknownError,
    TaskUnknownError,
    ThrottledError,
)
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Submission, get_task, submit_task
from airflow_provider_videoretalk.submission.ledger import Ledger
from airflow_provider_videoretalk.submission.record import ClearCount, Intent
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry
from airflow_provider_videoretalk.submission.resume import OnUnknownSubmit, ResumePolicy
from airflow_provider_videoretalk.submission.submitter import Submitter, WaitUntilError

Disturbance = Literal[
    "none",
    "lost replies",
    "kills",
    "skewed clocks",
    "late list",
    "lying list",
    "failing stores",
    "no Date",
    "two connections",
    "quiet account",
    "failing queries",
    "shared account",
    "everything",
]
DISTURBANCES: tuple[Disturbance, ...] = get_args(Disturbance)
POLICIES: tuple[OnUnknownSubmit, ...] = get_args(OnUnknownSubmit)

_LOST: tuple[SubmitFault, ...] = ("lost_before", "lost_after", "lost_late", "no_id", "html", "conflict")
_OTHER: tuple[SubmitFault, ...] = ("refused", "throttled")

# Seconds between the first submits of two clips.
_PACE, _QUIET_PACE = 20.0, 1500.0

# Tries of a clip: after a kill or an error that passes, and after a person's clears.
_MOST_TRIES = 400


class KilledError(BaseException):
    """The worker's process ends."""


class FlakyStore(TaskStateStore):
    """A store whose next writes can fail, or at which the process is killed, before or after the write."""

    def __init__(self, data: TaskStateStore | None = None) -> None:
        super().__init__()
        self.data = data.data if data is not None else self.data
        self.ends_at: Callable[[], BaseException | None] = lambda: None

    def set(self, key: str, value: Any) -> None:
        self._pass_point()
        super().set(key, value)
        self._pass_point()

    def delete(self, key: str) -> None:
        self._pass_point()
        super().delete(key)
        self._pass_point()

    def _pass_point(self) -> None:
        error = self.ends_at()
        if error is not None:
            raise error


@dataclass
class Clip:
    name: str
    connection: str
    store: TaskStateStore = field(default_factory=TaskStateStore)
    max_tries: int = 1
    tries: int = 0
    disturbed: int = 0
    lost_at: float = 0.0
    job: str | None = None
    end: Literal["", "video", "video by hand", "failed"] = ""

    def prepare(self, intent: Intent) -> Intent:
        return intent

    def submission(self) -> Request[Submission]:
        return submit_task(path="services/x", model=MODEL, inputs={"video_url": self.name}, parameters={})


@dataclass
class Tally:
    """What came of the clips of one policy and one disturbance."""

    clips: int = 0
    lost: int = 0
    resolved: int = 0
    doubts: int = 0
    unnamed: int = 0
    videos: int = 0
    by_hand: int = 0
    failed: int = 0
    twice: int = 0
    wrong: int = 0
    calm: int = 0
    calm_videos: int = 0

    def add(self, other: Tally) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class World:
    """Airflow with several workers, and the service.

    :param clips: how many, one after another
    """

    def __init__(self, *, policy: OnUnknownSubmit, disturbance: Disturbance, clips: int, seed: str) -> None:
        self.random = random.Random(seed)
        self.time = VirtualTime()
        self.policy = ResumePolicy(on_unknown_submit=policy)
        self.has = lambda name: disturbance in ("everything", name)
        self.quiet = disturbance == "quiet account"
        offset = self.random.uniform(-300, 300) if self.has("skewed clocks") else 0.0
        self.service = HostileService(self.time, self.random, offset=offset, has_date=disturbance != "no Date")
        if self.has("late list"):
            self.service.lag = lambda: self.random.uniform(30, 90)
        if self.has("failing queries"):
            self.service.query_fails = 0.1
        self.skews = [self.random.uniform(-120, 120) if self.has("skewed clocks") else 0.0 for _ in range(4)]
        self.variables = TaskStateStore()
        connections = ["a", "b"] if self.has("two connections") else ["a"]
        self.clips = [Clip(f"clip{i}", self.random.choice(connections)) for i in range(clips)]
        self.calm, self.shared = disturbance == "none", disturbance == "shared account"
        self.loss = 0.0 if self.calm else 0.5 if disturbance in ("lost replies", "quiet account") else 0.15
        self.tally = Tally(clips=clips)
        self._events: list[tuple[float, int, int]] = []
        self._order = iter(range(10**9))

    def run(self) -> Tally:
        pace = _QUIET_PACE if self.quiet else _PACE
        for number in range(len(self.clips)):
            self._at(self.time() + number * pace * self.random.uniform(0.5, 1.5), number)
        while self._events:
            moment, _, number = heapq.heappop(self._events)
            self.time.now = max(self.time.now, moment)
            if self.shared and self.random.random() < 0.1:
                self.service.create(None)
            if self.has("no Date"):
                self.service.has_date = self.random.random() < 0.3
            self._try(number)
        return self._audit()

    def _at(self, moment: float, number: int) -> None:
        heapq.heappush(self._events, (moment, next(self._order), number))

    def _try(self, number: int) -> None:
        clip = self.clips[number]
        clip.tries += 1
        if clip.tries > _MOST_TRIES:
            clip.end = "failed"
            return
        try:
            again = self._attempt(clip)
        except KilledError:
            again = self.time() + 10
        except (OutcomeUnknownError, TaskUnknownError) as error:
            again = self._ask_person(clip, error)
        except DashScopeError as error:
            again = self.time() + 30 if error.retryable or isinstance(error, ThrottledError) else self._mend(clip)
        except RuntimeError:
            again = self.time() + 30
        if again is not None:
            self._at(max(again, self.time() + 1), number)

    def _attempt(self, clip: Clip) -> float | None:
        """One try on some worker; when the next one is due, ``None`` if the clip has ended."""
        skew = self.random.choice(self.skews)
        clock = lambda: self.time() + skew  # noqa: E731
        faults = self._disturb()
        submitter, ledger = self._submitter(clip, clock)
        clears = ClearCount(max_tries=clip.max_tries, clear_number=0)
        intent = Intent(
            task_instance=clip.name,
            connection_id=clip.connection,
            fingerprint=clip.name,
            clear_count=clears,
            model=MODEL,
            account_id="of both",
        )
        known = ledger.load(intent)
        is_lost = known is not None and known.task_id is None and known.intent.clear_count == clears
        if known is not None and is_lost and known.intended_at != clip.lost_at:
            clip.lost_at = known.intended_at
            self.tally.lost += 1
        try:
            record = submitter.submit_or_resume(clip, intent)
        except WaitUntilError as later:
            return later.moment - skew
        finally:
            clip.disturbed += len(faults) > len(self.service.submit_faults)
        self.tally.resolved += is_lost
        task = submitter.client_for(clip.connection).send(get_task(str(record.task_id)))
        if not task.ended:
            return self.time() + 30
        task.raise_for_status()
        clip.job, clip.end = task.task_id, "video"
        ledger.record_result(task.result())
        return None

    def _submitter(self, clip: Clip, clock: Callable[[], float]) -> tuple[Submitter, Ledger]:
        endpoint = Endpoint(api_key="sk-x", base_url="https://service.example/api/v1")
        client = InProcessClient(self.service, endpoint, clock=clock)
        store, variables = FlakyStore(clip.store), FlakyStore(self.variables)
        store.ends_at = variables.ends_at = ends_at = self._end_of_try(clip)
        # The process can also end between the service's work and its reply.
        self.service.on_submitted = lambda: _raise(ends_at() if self.has("kills") else None)
        ledger = Ledger(store, SubmissionRegistry(variables, clock=clock))
        submitter = Submitter(
            client_for=lambda connection: cast("Client", client),
            ledger=ledger,
            policy=self.policy,
            record_spend=lambda *_: None,
            check_can_wait=lambda _: None,
            admission=None,
            clock=clock,
            sleep=self.time.sleep,
        )
        return submitter, ledger

    def _disturb(self) -> tuple[SubmitFault, ...]:
        """The faults of the next try."""
        lies = self.has("lying list") and self.random.random() < 0.5
        self.service.lie = self.random.choice(LIES) if lies else None
        faults: tuple[SubmitFault, ...] = ()
        if self.random.random() < self.loss:
            faults = (self.random.choice(_LOST if self.random.random() < 0.8 else _OTHER),)
        self.service.submit_faults = list(faults)
        return faults

    def _end_of_try(self, clip: Clip) -> Callable[[], BaseException | None]:
        """What ends this try at one of the points that it passes: a kill, or a store that fails."""
        kinds: list[type[BaseException]] = []
        kinds += [KilledError] if self.has("kills") else []
        kinds += [RuntimeError] if self.has("failing stores") else []
        if not kinds or self.random.random() > 0.35:
            return lambda: None
        error, left = self.random.choice(kinds), self.random.randint(1, 9)

        def ends_at() -> BaseException | None:
            nonlocal left
            left -= 1
            if left:
                return None
            clip.disturbed += 1
            return error()

        return ends_at

    def _mend(self, clip: Clip) -> float:
        """A refused submit is corrected by a person, and tried again."""
        clip.max_tries += 2
        return self.time() + 300

    def _ask_person(self, clip: Clip, error: DashScopeError) -> float | None:
        """A person who sees the truth waits for the job that exists, or clears the task."""
        clip.disturbed += 1
        self.tally.doubts += 1
        self.tally.unnamed += not self._is_named(clip, error)
        jobs = self.service.of(clip.name)
        if any(job.created > self.time() for job in jobs):
            return self.time() + 120
        if jobs:
            clip.job, clip.end = jobs[0].task_id, "video by hand"
            return None
        clip.max_tries += 2
        return self.time() + 300

    def _is_named(self, clip: Clip, error: DashScopeError) -> bool:
        """Whether the error says what is in doubt, and what to do. The job that the list showed must be named."""
        text = str(error)
        if isinstance(error, TaskUnknownError):
            return any(job.task_id in text for job in self.service.of(clip.name))
        if not all(word in text for word in ("list", "lear the task", "DashScopeTaskSensor")):
            return False
        looked = self.policy.on_unknown_submit == "reconcile" and "list" in error.message
        if not looked or self.service.lie is not None:
            return True
        # The reading took some seconds.
        shown = [job for job in self.service.of(clip.name) if job.listed < self.time() - 30]
        return all(job.task_id in text for job in shown)

    def _audit(self) -> Tally:
        """By the service's books alone."""
        tally = self.tally
        for clip in self.clips:
            made = self.service.of(clip.name)
            tally.twice += max(len(made) - 1, 0)
            tally.wrong += clip.job is not None and clip.job not in {job.task_id for job in made}
            tally.videos += clip.end == "video"
            tally.by_hand += clip.end == "video by hand"
            tally.failed += clip.end in ("", "failed")
            tally.calm += clip.disturbed == 0
            tally.calm_videos += clip.disturbed == 0 and clip.end == "video"
        return tally


def _raise(error: BaseException | None) -> None:
    if error is not None:
        raise error


_COLUMNS = {
    "clips": "clips",
    "lost": "lost submits",
    "resolved": "... resolved",
    "doubts": "doubts",
    "unnamed": "... not named",
    "videos": "videos",
    "by_hand": "... by hand",
    "failed": "without video",
    "twice": "paid twice",
    "wrong": "wrong video",
    "calm": "undisturbed",
    "calm_videos": "... videos",
}


def run(*, policy: OnUnknownSubmit, clips: int, rounds: int) -> dict[Disturbance, Tally]:
    """The tallies by disturbance. Each round has one of them, in turn, and a seed of its own."""
    tallies = {disturbance: Tally() for disturbance in DISTURBANCES}
    for number in range(rounds):
        disturbance = DISTURBANCES[number % len(DISTURBANCES)]
        world = World(policy=policy, disturbance=disturbance, clips=clips, seed=f"{disturbance} {number}")
        tallies[disturbance].add(world.run())
    return tallies


def table(policy: OnUnknownSubmit, tallies: dict[Disturbance, Tally]) -> str:
    """The tallies as text."""
    total = Tally()
    for tally in tallies.values():
        total.add(tally)
    lines = [f"on_unknown_submit={policy!r}", "".join([f"{'':18}", *(f"{title:>15}" for title in _COLUMNS.values())])]
    for name, tally in [*tallies.items(), ("all", total)]:
        lines.append("".join([f"{name:18}", *(f"{getattr(tally, column):15}" for column in _COLUMNS)]))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--policy", choices=POLICIES, nargs="*", default=POLICIES)
    arguments = parser.parse_args()
    for policy in arguments.policy:
        print(table(policy, run(policy=policy, clips=arguments.clips, rounds=arguments.rounds)), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
