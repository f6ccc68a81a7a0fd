"""Each step of a try fails once, at each point and under each policy: nothing is paid twice, and the video is made.

The operator runs with the real rooms behind it, and the emulator answers over HTTP. A fault happens once, as an API
server that restarts. Then the task goes on as Airflow would let it: it retries, and it comes back from its deferrals.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from connections import connect
from state_store import TaskStateStore
from unit.operators.world import AUDIO, World

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.submission import lost_submit, submitter
from airflow_provider_videoretalk.submission.cancel import cancel
from airflow_provider_videoretalk.submission.resume import OnUnknownSubmit

pytestmark = pytest.mark.exhaustive

Moment = Literal["before", "after"]
"""Whether the store fails before it does what it is asked, or after it: its reply is lost."""

NEW_AUDIO, OTHER_AUDIO = f"{AUDIO}?v=2", f"{AUDIO}?v=0"

_accounts = itertools.count()


class AirflowIsAwayError(Exception):
    """What a store of Airflow raises."""


class FailingSteps:
    """Counts the steps of all stores, and fails one of them."""

    def __init__(self) -> None:
        self.moment: Moment = "before"
        self.failed: list[tuple[str, str, Any, Moment]] = []
        self.disarm()

    def arm(self, number: int, moment: Moment) -> None:
        """The step ``number`` from now on fails, counted from 0."""
        self.left, self.moment = number, moment

    def disarm(self) -> None:
        self.left = -1
        self.failed.clear()

    def read(self, store: str, name: str, step: Callable[[], Any]) -> Any:
        # A lost answer is no answer.
        return self.write(store, name, step) if self.moment == "before" else step()

    def write(self, store: str, name: str, step: Callable[[], Any], value: Any = None) -> Any:
        fails, self.left = self.left == 0, self.left - 1
        done = step() if not fails or self.moment == "after" else None
        if fails:
            self.failed.append((store, name, value, self.moment))
            raise AirflowIsAwayError
        return done


class SteppedStore(TaskStateStore):
    """A store whose steps are counted."""

    def __init__(self, name: str, steps: FailingSteps) -> None:
        super().__init__()
        self.name, self.steps = name, steps

    def get(self, key: str, default: Any = None) -> Any:
        return self.steps.read(self.name, "get", lambda: self.data.get(key, default))

    def set(self, key: str, value: Any) -> None:
        self.steps.write(self.name, "set", lambda: self.data.update({key: value}), value)

    def delete(self, key: str) -> None:
        self.steps.write(self.name, "delete", lambda: self.data.pop(key, None))

    def names(self, prefix: str) -> list[str]:
        return self.steps.read(self.name, "names", lambda: [key for key in self.data if key.startswith(prefix)])


class Life:
    """A task instance of a new account, which has the job of another task instance already."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, policy: OnUnknownSubmit) -> None:
        monkeypatch.setattr(submitter, "_PAUSE", 0.0)
        # Each look at the list is one after the ten minutes in which a missing job proves nothing.
        monkeypatch.setattr(lost_submit, "ABSENCE_SECONDS", 0.0)
        monkeypatch.setattr(lost_submit, "_READING_PAUSE", 0.0)
        monkeypatch.setattr(lost_submit._Search, "_age", lambda search: 1000.0)
        monkeypatch.setitem(cancel.__kwdefaults__, "pauses", (0.0, 0.0, 0.0))
        self.patch, self.world = monkeypatch, world
        self.steps = FailingSteps()
        self.variables = SteppedStore("variables", self.steps)
        monkeypatch.setattr(variable_store, "VariableStore", lambda: self.variables)
        self.arguments = {"on_unknown_submit": policy, "reconcile_after": 0}
        self.awaited = ""

    def begin(self) -> None:
        connect(self.patch, host=self.world.emulator.base_url, password=f"sk-{next(_accounts)}", queries_per_second=1e6)
        self.world.emulator.state.jobs.clear()
        self.world.emulator.faults.clear()
        self.steps.disarm()
        self.variables.data.clear()
        self.world.audio, self.world.max_tries, self.world.clear_number = OTHER_AUDIO, 1, 0
        self.world.run_id, self.world.store = "another", SteppedStore("state", self.steps)
        assert self.run() == "waits"
        self.world.audio, self.world.run_id = AUDIO, "run"
        self.world.store = SteppedStore("state", self.steps)

    def run(self, **arguments: Any) -> Literal["waits", "fails"]:
        """Runs the task with three retries until it waits for a job, or fails for good."""
        for _ in range(4):
            operator = self.world.operator(**self.arguments | arguments)
            event: dict[str, Any] | None = None
            for _ in range(5):
                try:
                    operator.execute_again(self.world.context, event) if event else operator.execute(self.world.context)
                except TaskDeferred as deferred:
                    if deferred.method_name == "execute_complete":
                        self.awaited = deferred.trigger.dashscope_task_id
                        return "waits"
                    event = deferred.trigger.note
                except AirflowFailException:
                    return "fails"
                except (AirflowIsAwayError, DashScopeError):
                    break
            else:
                raise AssertionError("it defers again and again")
        raise AssertionError("three retries did not help")

    def jobs(self, audio: str = AUDIO) -> dict[str, str]:
        """Ids and statuses of the jobs that were submitted for an input."""
        return {job["task_id"]: job["status"] for job in self.world.tasks if job["inputs"]["audio_url"] == audio}

    @property
    def is_in_doubt(self) -> bool:
        """Whether an intent was stored, and its POST was not sent: nobody can tell that from a lost reply."""
        return any(
            (store, name) == ("state", "set") and value["task_id"] is None and moment == "after"
            for store, name, value, moment in self.steps.failed
        )


@pytest.fixture(params=get_args(OnUnknownSubmit))
def life(world: World, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Life:
    return Life(world, monkeypatch, request.param)


def each_failing_step(life: Life, prepare: Callable[[], object], act: Callable[[], object]) -> Iterator[str]:
    """Lives through ``act`` once for each of its steps, and for both moments; yields what failed."""
    for moment in get_args(Moment):
        for number in itertools.count():
            life.begin()
            prepare()
            life.steps.arm(number, moment)
            act()
            if not life.steps.failed:
                assert number > 1, "the stores are not used"
                break
            ((store, name, _, _),) = life.steps.failed
            yield f"{store} {name}, step {number}, {moment}"


def submit(life: Life) -> None:
    assert life.run() == "waits"


def test_a_submit(life: Life) -> None:
    ends: list[str] = []
    for failed in each_failing_step(life, lambda: None, lambda: ends.append(life.run())):
        if life.arguments["on_unknown_submit"] == "fail" and life.is_in_doubt:
            assert (ends[-1], life.jobs()) == ("fails", {}), failed
            life.world.clear()
            submit(life)
        else:
            assert ends[-1] == "waits", failed
        assert list(life.jobs()) == [life.awaited], failed


def test_a_retry(life: Life) -> None:
    for failed in each_failing_step(life, lambda: submit(life), lambda: submit(life)):
        assert list(life.jobs()) == [life.awaited], failed


def test_a_lost_reply(life: Life) -> None:
    policy, ends = life.arguments["on_unknown_submit"], list[str]()

    def lose() -> None:
        life.world.emulator.faults.arm(FaultRule(operation="submit", effect="drop_after"))

    for failed in each_failing_step(life, lose, lambda: ends.append(life.run())):
        if policy == "reconcile":
            assert (ends[-1], list(life.jobs())) == ("waits", [life.awaited]), failed
        elif policy == "fail":
            assert (ends[-1], len(life.jobs())) == ("fails", not life.is_in_doubt), failed
        else:
            # Two intents are the most, also if only one of them was sent.
            assert ends[-1] == ("fails" if life.is_in_doubt else "waits"), failed
            assert len(life.jobs()) == 1 + (ends[-1] == "waits"), failed


@pytest.mark.parametrize("change", ["input", "fresh"])
def test_a_new_job_that_replaces_a_queued_one(life: Life, change: str) -> None:
    arguments: dict[str, Any] = {"on_clear": "fresh"} if change == "fresh" else {}
    old, ends = "", list[str]()

    def queue_and_change() -> None:
        nonlocal old
        submit(life)
        old = life.awaited
        if change == "fresh":
            life.world.clear()
        else:
            life.world.audio = NEW_AUDIO

    for failed in each_failing_step(life, queue_and_change, lambda: ends.append(life.run(**arguments))):
        assert life.jobs()[old] == "CANCELED", failed
        new = (life.jobs() | life.jobs(NEW_AUDIO)).keys() - {old}
        if life.arguments["on_unknown_submit"] == "fail" and life.is_in_doubt:
            assert (ends[-1], new) == ("fails", set()), failed
        else:
            assert (ends[-1], new) == ("waits", {life.awaited}), failed


def test_a_clear_that_discards_the_store(life: Life) -> None:
    def submit_and_clear() -> None:
        submit(life)
        life.world.clear()
        life.world.store = SteppedStore("state", life.steps)

    for failed in each_failing_step(life, submit_and_clear, lambda: submit(life)):
        assert list(life.jobs()) == [life.awaited], failed


def test_a_refusal(life: Life) -> None:
    """A refused submit is no lost one: neither for its own task, nor for others."""
    ends: list[str] = []

    def refuse() -> None:
        refusal = FaultRule(operation="submit", effect="error_before", status=400, code="InvalidParameter", message="m")
        life.world.emulator.faults.arm(refusal)

    for failed in each_failing_step(life, refuse, lambda: ends.append(life.run())):
        if ends[-1] == "waits":
            assert list(life.jobs()) == [life.awaited], failed
        else:
            assert life.arguments["on_unknown_submit"] == "fail", failed
            assert life.is_in_doubt or "state delete" in failed, failed
    assert ends.count("waits") > len(ends) / 2
    copies = [life.variables.data[key] for key in life.variables.data if key.startswith("dashscope_submission_")]
    ours = [record for record in copies if record["intent"]["task_instance"].startswith("dag/run/")]
    assert [record["task_id"] for record in ours] == [life.awaited]


@pytest.mark.parametrize("effect", ["drop_before", "drop_after", "error_before", "html", "throttle"])
@pytest.mark.parametrize("operation", ["query", "list", "cancel"])
def test_a_request_of_the_service_fails(life: Life, operation: Any, effect: Any) -> None:
    """The first, the second or the third: of a retry, of a lost reply, and of a change of the input."""
    for after in range(3):
        life.begin()
        life.world.emulator.faults.arm(
            FaultRule(operation="submit", effect="drop_after"),
            FaultRule(operation=operation, effect=effect, after=after),
        )
        first = life.run()
        made = len(life.jobs())
        if first == "fails":
            assert (life.arguments["on_unknown_submit"], made) == ("fail", 1)
            continue
        assert made == (2 if life.arguments["on_unknown_submit"] == "resubmit" else 1)
        awaited = life.awaited
        submit(life)
        assert (life.awaited, len(life.jobs())) == (awaited, made), "a retry pays nothing"
        life.world.audio = NEW_AUDIO
        submit(life)
        assert list(life.jobs(NEW_AUDIO)) == [life.awaited]
        assert life.jobs()[awaited] == "CANCELED"
