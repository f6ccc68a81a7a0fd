"""Random interleavings of crash, retry, clear, lost reply, end and changed input: never more tasks than wishes."""

from __future__ import annotations

import itertools
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from connections import connect
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from state_store import TaskStateStore

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.operators import base, job
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.submission import submitter
from airflow_provider_videoretalk.submission.resume import OnUnknownSubmit, ResumePolicy

pytestmark = pytest.mark.exhaustive

KEY = "dashscope_submission"
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
        self.patch.setattr(base, "SHORTEST_DEFERRAL", 0.0)
        self.patch.setattr(job, "fault_point", self._reached)
        self.patch.setattr(submitter, "fault_point", self._reached)
        self.variables = TaskStateStore()
        self.patch.setattr(variable_store, "VariableStore", lambda: self.variables)
        self.patch.setattr(VideoRetalkOperator, "record_spend", lambda *_: None)
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
        return [task for task in self.emulator.state.jobs.values() if task.account is self.account]

    @property
    def record(self) -> dict[str, Any]:
        return self.store.get(KEY) or {}

    def attempt(self) -> None:
        operator = VideoRetalkOperator(
            task_id="t", video_url="http://127.0.0.1:9/v.mp4", audio_url=f"http://127.0.0.1:9/{self.input}.wav",
            preflight="off", deferrable=True,
            resume=ResumePolicy(on_unknown_submit=self.policy, reconcile_after=0),
        )  # fmt: skip
        ti = SimpleNamespace(
            dag_id="dag", run_id="run", task_id="t", map_index=-1,
            max_tries=self.max_tries, xcom_push=lambda key, value: None,
        )  # fmt: skip
        context = {"ti": ti, "dag_run": SimpleNamespace(clear_number=0), "task_state_store": self.store}
        with suppress(TaskDeferred, AirflowFailException, CrashError, errors.DashScopeError):
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

    @precondition(lambda self: self.record.get("task_id"))
    @rule(effect=st.sampled_from(["drop_before", "error_before", "html", "throttle"]))
    def lose_a_query(self, effect: Any) -> None:
        """A status that cannot be queried is no reason to submit."""
        made = len(self.tasks)
        self.emulator.faults.arm(FaultRule(operation="query", effect=effect))
        self.attempt()
        self.emulator.faults.clear()
        assert len(self.tasks) == made

    @precondition(lambda self: self.record and not self.record.get("task_id"))
    @rule(effect=st.sampled_from(["drop_before", "drop_after", "error_before", "html", "throttle"]))
    def lose_the_list(self, effect: Any) -> None:
        """A list that cannot be read is no proof that a lost submit created nothing."""
        made = len(self.tasks)
        self.emulator.faults.arm(FaultRule(operation="list", effect=effect))
        self.attempt()
        self.emulator.faults.clear()
        assert len(self.tasks) == made

    @rule()
    def clear_and_retry(self) -> None:
        """Wishes for a fresh task, unless one is known that has not ended."""
        known = self.emulator.state.jobs.get(self.record.get("task_id") or "")
        self.wishes += known is None or known.final
        self.max_tries += 2
        self.attempt()
        assert self.record.get("task_id"), "with a service that answers, a clear ends in a job"

    @rule(policy=st.just(None))
    def clear_that_discards_the_store(self, policy: None) -> None:
        """As Airflow 3.4's does."""
        self.store = TaskStateStore()
        self.clear_and_retry()

    @rule(cancels=st.booleans())
    def change_the_input(self, cancels: bool) -> None:
        """Also where the earlier job cannot be cancelled."""
        self.input += 1
        self.wishes += 1
        if not cancels:
            refusal = FaultRule(operation="cancel", effect="error_before", status=404, code="NotFound", message="m")
            self.emulator.faults.arm(refusal)
        self.attempt()
        self.emulator.faults.clear()

    @precondition(lambda self: self.record.get("task_id"))
    @rule(code=st.sampled_from(["InvalidFile.FPS", "InternalError.Algo"]))
    def fail(self, code: str) -> None:
        """A failure that another task can mend is a wish for one: failures cost nothing."""
        task = self.emulator.state.jobs[self.record["task_id"]]
        queue = self.emulator.state.queue_of(task.account)
        if task in queue:
            queue.remove(task)
            task.fail(code, "because", at=self.emulator.state.clock())
            self.wishes += code == "InternalError.Algo"

    @invariant()
    def never_more_tasks_than_wishes(self) -> None:
        assert len(self.tasks) <= self.wishes, f"{len(self.tasks)} tasks for {self.wishes} wishes"

    @invariant()
    def what_it_waits_for_is_what_it_wants(self) -> None:
        task = self.emulator.state.jobs.get(self.record.get("task_id") or "")
        if task is not None:
            assert task.inputs.audio_url.endswith(f"/{self.input}.wav")


@pytest.mark.parametrize("policy", ["fail", "reconcile"])
def test_never_pays_twice(policy: OnUnknownSubmit) -> None:
    # Nothing is rendered: what is submitted queues until a rule ends it.
    with Emulator(
        EmulatorSettings(port=0, submits_per_second=1e6, queries_per_second=1e6), engine=FakeEngine()
    ) as emulator:
        emulator.app.state.components.runner.start = lambda account: None
        PaidOnce.emulator, PaidOnce.policy = emulator, policy
        machine = PaidOnce.TestCase
        machine.settings = settings(
            max_examples=60,
            stateful_step_count=25,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        machine("runTest").runTest()
