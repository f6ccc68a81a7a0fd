"""The state of one emulator: accounts, render jobs, their queues, stored files and the request log."""

from __future__ import annotations

import hashlib
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.emulator.service.account import Account, key_id
from airflow_provider_videoretalk.emulator.service.errors import ServiceError, throttled
from airflow_provider_videoretalk.emulator.service.render_job import JobOutcome, PlannedFailure, RenderJob
from airflow_provider_videoretalk.emulator.service.spoken_text import SpokenText
from airflow_provider_videoretalk.emulator.service.storage import Storage
from airflow_provider_videoretalk.emulator.settings import PHOTOS_PER_SECOND
from airflow_provider_videoretalk.model_catalog.videoretalk import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_videoretalk.emulator.service.clock import Clock
    from airflow_provider_videoretalk.emulator.service.job_inputs import JobInputs
    from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

MAX_LOGGED_REQUESTS = 100_000
MAX_SPOKEN_TEXTS = 500


class Caller:
    """The sender of a request: its account, and the id of the API key it used."""

    def __init__(self, *, account: Account, api_key_id: str) -> None:
        self.account = account
        self.api_key_id = api_key_id


class EmulatorState:
    """The state of one emulator. Change it on the event loop only; any thread may read it.

    :param clock: seconds since the epoch; measures every documented duration
    """

    def __init__(self, *, settings: EmulatorSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.storage = Storage(settings=settings, clock=clock)
        self.accounts: dict[str, Account] = {}
        self.jobs: dict[str, RenderJob] = {}
        self._queues: dict[tuple[str, str], deque[RenderJob]] = {}
        # The time limit is the same for all render jobs, so the oldest one reaches it first.
        self._unfinished: deque[RenderJob] = deque()
        self.requests: deque[dict[str, Any]] = deque(maxlen=MAX_LOGGED_REQUESTS)
        self.spoken: deque[SpokenText] = deque(maxlen=MAX_SPOKEN_TEXTS)
        self.on_timeout: Callable[[RenderJob], None] = lambda job: None

    def authenticate(self, authorization: str | None) -> Caller:
        """The caller of an ``Authorization: Bearer`` header; 401 ``InvalidApiKey`` without an accepted key."""
        scheme, _, key = (authorization or "").strip().partition(" ")
        key = key.strip()
        if not scheme or not key:
            raise ServiceError(401, "InvalidApiKey", "No API-key provided.")
        known = key.startswith("sk-") if self.settings.api_keys is None else key in self.settings.api_keys
        if scheme.lower() != "bearer" or not known:
            raise ServiceError(401, "InvalidApiKey", "Invalid API-key provided.")
        return Caller(account=self.account(self.account_name(key)), api_key_id=key_id(key))

    def account_name(self, key: str) -> str:
        """The name of the account of an API key."""
        return self.settings.accounts.get(key) or f"account-{hashlib.sha256(key.encode()).hexdigest()[:12]}"

    def account(self, name: str) -> Account:
        """The account of this name; creates it on first use."""
        if name not in self.accounts:
            queries = self.settings.queries_per_second
            limits: dict[str, float | None] = {
                "submit": self.settings.submits_per_second,
                "photo": PHOTOS_PER_SECOND,
                "detect": PHOTOS_PER_SECOND,
                "transcription": self.settings.transcriptions_per_second,
                "query": queries,
                "list": queries,
                "cancel": queries,
                "speech": self.settings.speech_per_second,
                "voices": self.settings.voices_per_second,
                "policy": self.settings.policies_per_second,
            }
            by_minute = {"translation": self.settings.translations_per_minute}
            self.accounts[name] = Account(name=name, limits=limits, minute_limits=by_minute, clock=self.clock)
        return self.accounts[name]

    def count_call(self, caller: Caller, limit: str) -> None:
        """Count a call; 429 ``Throttling.RateQuota`` above the account's rate."""
        if not caller.account.allow(limit):
            raise throttled()

    def queue_of(self, account: Account, *, model: str = MODEL) -> deque[RenderJob]:
        """The account's queued render jobs of a model, oldest first."""
        return self._queues.setdefault((account.name, model), deque())

    def clear_queues(self) -> None:
        self._queues.clear()

    def submit(
        self,
        *,
        caller: Caller,
        inputs: JobInputs,
        origin: str,
        resolve_oss: bool = False,
        request_id: str | None = None,
        planned_failure: PlannedFailure | None = None,
    ) -> RenderJob:
        """Create a render job and append it to its account's queue."""
        job = RenderJob(
            account=caller.account,
            api_key_id=caller.api_key_id,
            request_id=request_id or str(uuid.uuid4()),
            inputs=inputs,
            origin=origin,
            resolve_oss=resolve_oss,
            submitted=self.clock(),
            planned_failure=planned_failure,
        )
        self.jobs[job.task_id] = job
        self._unfinished.append(job)
        caller.account.task_ids.append(job.task_id)
        self.queue_of(caller.account, model=job.model).append(job)
        return job

    def start_next_job(self, account: Account) -> RenderJob | None:
        """Start the oldest queued job of a model with a free slot. The caller ends with :meth:`release_slot`."""
        self.end_overdue_jobs()
        for (name, model), queue in self._queues.items():
            if name == account.name and queue and account.running_jobs[model] < self.settings.running_of(model):
                job = queue.popleft()
                account.running_jobs[model] += 1
                job.scheduled = self.clock()
                job.status = "PRE-PROCESSING"
                return job
        return None

    def release_slot(self, job: RenderJob) -> None:
        job.account.running_jobs[job.model] -= 1

    def find_job(self, *, account: Account, task_id: str) -> RenderJob | None:
        """The account's render job while its record is kept, else ``None``: the service answers UNKNOWN."""
        self.end_overdue_jobs()
        job = self.jobs.get(task_id)
        return job if job is not None and job.account is account and self.is_record_kept(job) else None

    def jobs_of(self, account: Account) -> Iterator[RenderJob]:
        """The account's render jobs, newest first."""
        return (self.jobs[task_id] for task_id in reversed(account.task_ids) if task_id in self.jobs)

    def is_record_kept(self, job: RenderJob) -> bool:
        """Whether a render job can be queried: until 24 h after its end."""
        return job.ended is None or self.clock() < job.ended + self.settings.result_seconds

    def cancel(self, *, account: Account, task_id: str) -> None:
        """Cancel a queued render job; 400 ``UnsupportedOperation`` for any other, unknown ones included."""
        job = self.find_job(account=account, task_id=task_id)
        if job is None or job.status != "PENDING":
            message = "Failed to cancel the task, please confirm if the task is in PENDING status."
            raise ServiceError(400, "UnsupportedOperation", message)
        self.queue_of(account, model=job.model).remove(job)
        job.finish("CANCELED", at=self.clock())

    def succeed(self, job: RenderJob, outcome: JobOutcome) -> None:
        """End a render job with its outcome, and bill it."""
        if job.final:
            return
        job.outcome = outcome
        job.billed_seconds = outcome.billed_seconds
        job.finish("SUCCEEDED", at=self.clock())

    def fail(self, job: RenderJob, code: str | None, message: str | None) -> None:
        if not job.final:
            job.fail(code, message, at=self.clock())

    def end_overdue_jobs(self) -> None:
        """End every render job that has no result 3 h after its submission."""
        now = self.clock()
        while self._unfinished:
            job = self._unfinished[0]
            due = job.submitted + self.settings.task_timeout_seconds
            if not job.final:
                if now < due:
                    return
                self._time_out(job, at=due)
            self._unfinished.popleft()

    def spoken_texts(self) -> tuple[SpokenText, ...]:
        """The last speeches that were made, which a transcription recognises."""
        return tuple(self.spoken)

    def job_reports(self) -> list[dict[str, Any]]:
        """Every render job ever submitted, oldest first, including those whose record has expired."""
        self.end_overdue_jobs()
        return [job.report() for job in self.jobs.values()]

    def require_part(self, part: str) -> None:
        """404 for a part of the API that the settings declare missing."""
        if part in self.settings.missing:
            raise ServiceError(404, "NotFound", "The requested resource does not exist.")

    def _time_out(self, job: RenderJob, *, at: float) -> None:
        if job.status == "PENDING":
            self.queue_of(job.account, model=job.model).remove(job)
        message = (
            "An internal timeout error has occurred during execution, "
            "please try again later or contact service support."
        )
        job.fail("InternalError.Timeout", message, at=at)
        self.on_timeout(job)
