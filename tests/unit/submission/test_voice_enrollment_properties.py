"""Random interleavings of parallel runs, kills, lost replies, refusals, late lists and clocks that differ: one voice is
enrolled, and all runs return it.

Each run is a thread that moves only when it is its turn: at each request, before and after the service has carried it
out, at each use of the store that the runs share, and at each pause. Time is the emulator's clock.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from state_store import TaskStateStore
from unit.submission.enrolling import FLASH, VC, CrashError, MovedClock, Voices, action_of

from airflow_provider_videoretalk.dashscope.errors import OutcomeUnknownError, ThrottledError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

RUNS, KILLS = 3, 20
SKEW = 5.0
STEP_SECONDS = (0.0, 0.05, 0.3, 1.0)
_numbers = itertools.count()


class Run:
    """One task with its tries. ``states`` outlives them."""

    def __init__(self, world: World, *, skew: float) -> None:
        self._world = world
        self._turn = threading.Semaphore(0)
        self._moved = threading.Semaphore(0)
        self._killed = False
        self._skew = skew
        self.states = TaskStateStore()
        self.wakes_at = 0.0
        self.result: str | None = None
        self.error: BaseException | None = None
        self._start()

    def _start(self) -> None:
        self._killed = False
        self.wakes_at = 0.0
        self._thread = threading.Thread(target=self._try, daemon=True)
        self._thread.start()

    def _try(self) -> None:
        try:
            self._wait_for_turn()
            enrollment = self._world.voices.enrollment(
                self,
                states=self.states,
                variables=SteppedStore(self._world.variables, self._reach),
                task_instance=f"dag/run-{id(self)}/voice/-1",
                pause=self._pause,
                now=lambda: self._world.clock() + self._skew,
            )
            self.result = enrollment.voice().voice.id
        except ThrottledError:
            # It defers, and sends again.
            self.error = CrashError()
        except BaseException as error:
            self.error = error
        self._moved.release()

    def move(self, *, kill: bool) -> None:
        """Lets the run go on to its next point, or kills it there and starts the next try."""
        self._killed = kill
        self._turn.release()
        assert self._moved.acquire(timeout=20)
        if isinstance(self.error, CrashError):
            self.error = None
            self._start()

    def _wait_for_turn(self) -> None:
        assert self._turn.acquire(timeout=20)
        if self._killed:
            raise CrashError

    def _reach(self) -> None:
        self._moved.release()
        self._wait_for_turn()

    def _pause(self, seconds: float) -> None:
        self.wakes_at = self._world.clock() + seconds
        self._reach()

    def send(self, request: Request[Any]) -> Any:
        self._reach()
        if self._world.refuses():
            raise ThrottledError("the account is throttled")
        answer = self._world.client.send(request)
        self._world.enrolled += action_of(request) == "create"
        self._reach()
        if action_of(request) == "create" and self._world.loses_reply():
            raise OutcomeUnknownError("the reply was lost")
        return answer


class SteppedStore:
    """A store that runs share, each of whose uses is a point of the run."""

    def __init__(self, store: TaskStateStore, reach: Callable[[], None]) -> None:
        self._store, self._reach = store, reach

    def get(self, key: str, default: Any = None) -> Any:
        self._reach()
        return self._store.get(key, default)

    def set(self, key: str, value: Any) -> None:
        self._reach()
        self._store.set(key, value)

    def delete(self, key: str) -> None:
        self._reach()
        self._store.delete(key)

    def names(self, prefix: str) -> list[str]:
        self._reach()
        return self._store.names(prefix)


class World:
    def __init__(self, emulator: Emulator, clock: MovedClock, *, model: str, seed: int) -> None:
        self.clock = clock
        self.voices = Voices(emulator, key=f"sk-{next(_numbers)}", model=model)
        self.client = self.voices.client()
        self.variables = TaskStateStore()
        self.enrolled = 0
        self._random = random.Random(seed)
        self._kills_left = self._random.choice([0, 3, KILLS])
        self._losses_left = self._random.choice([0, 1, 3])
        self._refusals_left = self._random.choice([0, 2, 10])

    def refuses(self) -> bool:
        refused = self._refusals_left > 0 and self._random.random() < 0.2
        self._refusals_left -= refused
        return refused

    def loses_reply(self) -> bool:
        lost = self._losses_left > 0 and self._random.random() < 0.3
        self._losses_left -= lost
        return lost

    def play(self) -> list[str]:
        """Runs the tasks to their ends, in an order that the seed decides; returns the voice of each."""
        runs = [Run(self, skew=self._random.uniform(-SKEW, SKEW)) for _ in range(RUNS)]
        while waiting := [run for run in runs if run.result is None]:
            assert [run.error for run in runs if run.error] == []
            awake = [run for run in waiting if run.wakes_at <= self.clock()]
            if not awake:
                self.clock.now = min(run.wakes_at for run in waiting)
                continue
            kill = self._kills_left > 0 and self._random.random() < 0.25
            self._kills_left -= kill
            self._random.choice(awake).move(kill=kill)
            self.clock.advance(self._random.choice(STEP_SECONDS))
        return [str(run.result) for run in runs]


@pytest.fixture(scope="module")
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(scope="module", params=[0, 30], ids=["list at once", "late list"])
def emulator(request: pytest.FixtureRequest, clock: MovedClock) -> Iterator[Emulator]:
    settings = EmulatorSettings(port=0, list_delay=request.param)
    with Emulator(settings, clock=clock, engine=FakeEngine()) as running:
        yield running


def check(emulator: Emulator, clock: MovedClock, *, model: str, seed: int) -> None:
    begun = clock()
    world = World(emulator, clock, model=model, seed=seed)
    returned = world.play()
    assert len(set(returned)) == 1
    assert world.voices.ids == set(returned)
    assert world.enrolled == 1
    # The searches after losses and kills, and no turn that has expired.
    assert clock() - begun < 600


@given(seed=st.integers(0, 2**32))
@settings(max_examples=12, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("model", [FLASH, VC])
def test_one_voice_is_enrolled(emulator: Emulator, clock: MovedClock, model: str, seed: int) -> None:
    check(emulator, clock, model=model, seed=seed)


@pytest.mark.exhaustive
@given(seed=st.integers(0, 2**32))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("model", [FLASH, VC])
def test_one_voice_is_enrolled_in_many_orders(emulator: Emulator, clock: MovedClock, model: str, seed: int) -> None:
    check(emulator, clock, model=model, seed=seed)
