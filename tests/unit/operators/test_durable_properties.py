"""Random interleavings of crash, retry, clear, lost reply, end and changed input: never more tasks than wishes."""

from __future__ import annotations

import itertools
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from connections import connect
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from state_store import TaskStateStore

from airflow_provider_videoretalk import variable_store
from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.emulator.work.stand_in import StandInEngine
from airflow_provider_videoretalk.operators import job
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.waiting import submitter
from airflow_provider_videoretalk.waiting.ledger import KEY, OnUnknownSubmit

STEPS = ["before_intent", "after_intent", "after_post", "after_id"]
_numbers = itertools.count()


class CrashError(BaseException):
    """The process dies."""


class PaidOnce(RuleBasedStateMachine):
    """One task instance through its lives. A wish is what a person asked for: a run, another input, a clear."""

    emulator: Emulator
    policy: OnUnknownSubmit

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.key = f"sk-property-{next(_numbers)}"
        connect(self.patch, host=self.emulator.base_url, password=self.key, queries_per_second=1e6)
        self.patch.setattr(job, "reached", self._reached)
        self.patch.setattr(submitter, "reached", self._reached)
        self.variables = TaskStateStore()
        self.patch.setattr(variable_store, "VariableStore", lambda: self.variables)
        self.patch.setattr(VideoRetalkOperator, "audit", lambda *_: None)
        self.account = self.emulator.state.authenticate(f"Bearer {self.key}").account
        self.emulator.faults.clear()
        self.store = TaskStateStore()
        self.max_tries = 1
        self.input = 0
        self.wishes = 1
        self.dies_at: str | None = None

    def teardown(self) -> None:
        self.patch.undo()

    def _reached(self, step: str) -> None:
        if step == self.dies_at:
            raise CrashError

    @property
    def tasks(self) -> list[Any]:
        return [task for task in self.emulator.state.tasks.values() if task.account is self.account]

    @property
    def record(self) -> dict[str, Any]:
        return self.store.get(KEY) or {}

    def attempt(self) -> None:
        operator = VideoRetalkOperator(
            task_id="t", video_url="http://127.0.0.1:9/v.mp4", audio_url=f"http://127.0.0.1:9/{self.input}.wav",
            preflight="off", deferrable=True,
            on_unknown_submit=self.policy,
            reconcile_after=0,
        )  # fmt: skip
        ti = SimpleNamespace(
            dag_id="dag", run_id="run", task_id="t", map_index=-1,
            max_tries=self.max_tries, xcom_push=lambda key, value: None,
        )  # fmt: skip
        context = {"ti": ti, "dag_run": SimpleNamespace(clear_number=0), "task_state_store": self.store}
        with suppress(TaskDeferred, AirflowFailException, CrashError, errors.TaskFailedError):
            operator.execute(context)

    @rule()
    def retry(self) -> None:
        self.attempt()

    @rule(step=st.sampled_from(STEPS))
    def crash(self, step: str) -> None:
        self.dies_at = step
        self.attempt()
        self.dies_at = None

    @rule(
        effect=st.sampled_from(["drop_before", "drop_after", "error_before", "error_after", "html_after", "throttle"])
    )
    def lose_the_reply(self, effect: Any) -> None:
        self.emulator.faults.arm(FaultRule(operation="submit", effect=effect))
        self.attempt()
        self.emulator.faults.clear()

    @rule()
    def clear_and_retry(self) -> None:
        """Wishes for a fresh task, unless one is known that has not ended."""
        known = self.emulator.state.tasks.get(self.record.get("task_id") or "")
        self.wishes += known is None or known.final
        self.max_tries += 2
        self.attempt()

    @rule(policy=st.just(None))
    def clear_that_discards_the_store(self, policy: None) -> None:
        """As Airflow 3.4's does."""
        self.store = TaskStateStore()
        self.clear_and_retry()

    @rule()
    def change_the_input(self) -> None:
        self.input += 1
        self.wishes += 1
        self.attempt()

    @precondition(lambda self: self.record.get("task_id"))
    @rule(code=st.sampled_from(["InvalidFile.FPS", "InternalError.Algo"]))
    def fail(self, code: str) -> None:
        """A failure that another task can mend is a wish for one: failures cost nothing."""
        task = self.emulator.state.tasks[self.record["task_id"]]
        if task in task.account.queue:
            task.account.queue.remove(task)
            task.fail(code, "because", at=self.emulator.state.clock())
            self.wishes += code == "InternalError.Algo"

    @invariant()
    def never_more_tasks_than_wishes(self) -> None:
        assert len(self.tasks) <= self.wishes, f"{len(self.tasks)} tasks for {self.wishes} wishes"

    @invariant()
    def what_it_waits_for_is_what_it_wants(self) -> None:
        task = self.emulator.state.tasks.get(self.record.get("task_id") or "")
        if task is not None:
            assert task.inputs.audio_url.endswith(f"/{self.input}.wav")


@pytest.mark.parametrize("policy", ["fail", "reconcile"])
def test_never_pays_twice(policy: OnUnknownSubmit) -> None:
    # Nothing is rendered: what is submitted queues until a rule ends it.
    with Emulator(
        EmulatorSettings(port=0, submits_per_second=1e6, queries_per_second=1e6), engine=StandInEngine()
    ) as emulator:
        emulator.app.state.services.runner.start = lambda account: None
        PaidOnce.emulator, PaidOnce.policy = emulator, policy
        machine = PaidOnce.TestCase
        machine.settings = settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        machine("runTest").runTest()
