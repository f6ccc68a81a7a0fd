"""The service's memory: accounts, tasks, their queues, and the books a test reads."""

from __future__ import annotations

import hashlib
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.emulator.service.account import Account, Clock, key_id
from airflow_provider_videoretalk.emulator.service.errors import ServiceError, invalid_parameter, throttled
from airflow_provider_videoretalk.emulator.service.storage import Storage
from airflow_provider_videoretalk.emulator.service.task import PlannedFailure, Task, TaskInputs, TaskUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_videoretalk.emulator.faults import Operation
    from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

LOG_LINES = 100_000


class Caller:
    """Who sent a request: an account and the id of the key used."""

    def __init__(self, *, account: Account, api_key_id: str) -> None:
        self.account = account
        self.api_key_id = api_key_id


class EmulatorState:
    """Accounts, tasks and books of one emulator. To be changed on the event loop only; reading is free.

    :param clock: seconds since the epoch; every documented duration is measured by it
    """

    def __init__(self, *, settings: EmulatorSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.storage = Storage(settings=settings, clock=clock)
        self.accounts: dict[str, Account] = {}
        self.tasks: dict[str, Task] = {}
        # All tasks may take equally long: the oldest is due first.
        self._open: deque[Task] = deque()
        self.requests: deque[dict[str, Any]] = deque(maxlen=LOG_LINES)
        self.on_timeout: Callable[[Task], None] = lambda task: None

    def authenticate(self, authorization: str | None) -> Caller:
        """The caller of an ``Authorization: Bearer`` header; 401 ``InvalidApiKey`` without an accepted key."""
        scheme, _, key = (authorization or "").strip().partition(" ")
        key = key.strip()
        if not scheme or not key:
            raise ServiceError(401, "InvalidApiKey", "No API-key provided.")
        known = key.startswith("sk-") if self.settings.api_keys is None else key in self.settings.api_keys
        if scheme.lower() != "bearer" or not known:
            raise ServiceError(401, "InvalidApiKey", "Invalid API-key provided.")
        name = self.settings.accounts.get(key) or f"account-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        return Caller(account=self.account(name), api_key_id=key_id(key))

    def account(self, name: str) -> Account:
        if name not in self.accounts:
            queries = self.settings.queries_per_second
            limits: dict[str, float | None] = {
                "submit": self.settings.submits_per_second,
                "query": queries,
                "list": queries,
                "cancel": queries,
                "speech": self.settings.speech_per_second,
                "policy": self.settings.policies_per_second,
            }
            self.accounts[name] = Account(name=name, limits=limits, clock=self.clock)
        return self.accounts[name]

    def throttle(self, caller: Caller, operation: Operation) -> None:
        """Count a call; 429 ``Throttling.RateQuota`` when it is over the account's rate."""
        if not caller.account.allow(operation):
            raise throttled()

    def submit(
        self,
        *,
        caller: Caller,
        inputs: TaskInputs,
        origin: str,
        resolve_oss: bool = False,
        request_id: str | None = None,
        planned_failure: PlannedFailure | None = None,
    ) -> Task:
        """Take a task into its account's queue."""
        task = Task(
            account=caller.account,
            api_key_id=caller.api_key_id,
            request_id=request_id or str(uuid.uuid4()),
            inputs=inputs,
            origin=origin,
            resolve_oss=resolve_oss,
            submitted=self.clock(),
            planned_failure=planned_failure,
        )
        self.tasks[task.task_id] = task
        self._open.append(task)
        caller.account.task_ids.append(task.task_id)
        caller.account.queue.append(task)
        return task

    def next_task(self, account: Account) -> Task | None:
        """Start the oldest queued task of an account if a slot is free; the caller ends with :meth:`release`."""
        self.sweep()
        if account.running >= self.settings.running or not account.queue:
            return None
        task = account.queue.popleft()
        account.running += 1
        task.scheduled = self.clock()
        task.status = "PRE-PROCESSING"
        return task

    def release(self, task: Task) -> None:
        task.account.running -= 1

    def find(self, *, account: Account, task_id: str) -> Task | None:
        """An account's own task whose record still lives, else ``None``: the service answers UNKNOWN."""
        self.sweep()
        task = self.tasks.get(task_id)
        return task if task is not None and task.account is account and self.lives(task) else None

    def tasks_of(self, account: Account) -> Iterator[Task]:
        """An account's own tasks, newest first."""
        return (self.tasks[task_id] for task_id in reversed(account.task_ids) if task_id in self.tasks)

    def lives(self, task: Task) -> bool:
        """Whether a task's record can still be queried: 24 h after its end."""
        return task.ended is None or self.clock() < task.ended + self.settings.result_seconds

    def cancel(self, *, account: Account, task_id: str) -> None:
        """Cancel a queued task; 400 ``UnsupportedOperation`` for any other, unknown ones included."""
        task = self.find(account=account, task_id=task_id)
        if task is None or task.status != "PENDING":
            message = "Failed to cancel the task, please confirm if the task is in PENDING status."
            raise ServiceError(400, "UnsupportedOperation", message)
        account.queue.remove(task)
        task.finish("CANCELED", at=self.clock())

    def succeed(self, task: Task, *, usage: TaskUsage, result_key: str, seconds: float, face_found: bool) -> None:
        """End a task with a result and bill the seconds that were generated."""
        if task.final:
            return
        task.usage = usage
        task.result_key = result_key
        task.billed_seconds = seconds
        task.face_found = face_found
        task.finish("SUCCEEDED", at=self.clock())

    def fail(self, task: Task, code: str | None, message: str | None) -> None:
        if not task.final:
            task.fail(code, message, at=self.clock())

    def sweep(self) -> None:
        """End every task that has gone 3 h without a result."""
        now = self.clock()
        while self._open:
            task = self._open[0]
            due = task.submitted + self.settings.task_timeout_seconds
            if not task.final:
                if now < due:
                    return
                self._time_out(task, at=due)
            self._open.popleft()

    def books(self) -> list[dict[str, Any]]:
        """Every task ever submitted, oldest first, those whose record has expired included."""
        self.sweep()
        return [task.book() for task in self.tasks.values()]

    def require_part(self, part: str) -> None:
        """404 for what a gateway lacks, by the settings."""
        if part in self.settings.missing:
            raise ServiceError(404, "NotFound", "The requested resource does not exist.")

    def _time_out(self, task: Task, *, at: float) -> None:
        if task.status == "PENDING":
            task.account.queue.remove(task)
        message = (
            "An internal timeout error has occurred during execution, "
            "please try again later or contact service support."
        )
        task.fail("InternalError.Timeout", message, at=at)
        self.on_timeout(task)

    def require_action(self, action: str | None) -> None:
        if action != "getPolicy":
            raise invalid_parameter("action must be getPolicy")
