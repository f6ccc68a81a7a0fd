"""The service with several accounts: each renders one job after another, takes one submit a second, and bills."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from unit.polling.virtual import EPOCH, VirtualLoop, moment, refusal, reply

from airflow_provider_videoretalk.dashscope.errors import OutcomeUnknownError
from airflow_provider_videoretalk.dashscope.request import Reply, Request

JOB_SECONDS, RESULT_SECONDS = 3 * 3600.0, 24 * 3600.0
QUERIES_PER_SECOND = 20
RENDER_FACTOR = 9.0
"""Seconds of render a second of output."""

_NUMBERS = itertools.count()


@dataclass(kw_only=True, slots=True)
class Job:
    """A render job. Times are the loop's."""

    job_id: str
    render: float
    fails: bool
    submitted: float
    started: float | None = None
    ended: float | None = None
    status: str = "PENDING"

    @property
    def billed_seconds(self) -> float:
        return self.render / RENDER_FACTOR if self.status == "SUCCEEDED" else 0.0


@dataclass(kw_only=True)
class Account:
    """
    :param failing: share of the jobs that fail
    :param lost: share of the submits whose reply is lost, after the job was created
    :ivar jobs: all that were ever submitted
    :ivar asked: requests by kind, and how many of all were refused
    """

    loop: VirtualLoop
    chance: random.Random
    failing: float
    lost: float
    jobs: dict[str, Job] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    longest_queue: int = 0

    def __post_init__(self) -> None:
        self._queue: deque[Job] = deque()
        self._running: Job | None = None
        # Those that the list still has, the oldest first.
        self._listed: deque[Job] = deque()
        self._passed: dict[str, deque[float]] = {}

    @property
    def billed_seconds(self) -> float:
        return sum(job.billed_seconds for job in self.jobs.values())

    @property
    def waiting(self) -> int:
        return len(self._queue) + (self._running is not None)

    def answer(self, request: Request[Any]) -> Reply:
        """
        :raises OutcomeUnknownError: the reply to a submit is lost
        """
        kind = "submit" if request.creates else "list" if request.path == "tasks" else request.path.split("/")[-1]
        kind = kind if kind in ("submit", "list", "cancel") else "query"
        self.asked[kind] += 1
        if not self._passes(kind, limit=1 if kind == "submit" else QUERIES_PER_SECOND):
            self.asked["refused"] += 1
            return refusal()
        date = formatdate(EPOCH + self.loop.time(), usegmt=True)
        return reply(200, getattr(self, f"_{kind}")(request), date=date)

    def _passes(self, kind: str, *, limit: int) -> bool:
        now, passed = self.loop.time(), self._passed.setdefault(kind, deque())
        while passed and passed[0] <= now - 1.0:
            passed.popleft()
        if len(passed) >= limit:
            return False
        passed.append(now)
        return True

    def _submit(self, request: Request[Any]) -> dict[str, Any]:
        render, fails = 64.0 * self.chance.uniform(0.7, 1.3), self.chance.random() < self.failing
        job = Job(job_id=f"job-{next(_NUMBERS):08}", render=render, fails=fails, submitted=self.loop.time())
        self.jobs[job.job_id] = job
        self._listed.append(job)
        self._queue.append(job)
        self._begin()
        self.longest_queue = max(self.longest_queue, self.waiting)
        if self.chance.random() < self.lost:
            self.asked["lost replies"] += 1
            raise OutcomeUnknownError("the connection broke before the reply")
        return {"request_id": f"request-{job.job_id}", "output": {"task_id": job.job_id, "task_status": "PENDING"}}

    def _cancel(self, request: Request[Any]) -> dict[str, Any]:
        job = self.jobs[request.path.split("/")[1]]
        if job.status != "PENDING":
            return {"request_id": "r", "code": "UnsupportedOperation", "message": "it does not queue"}
        self._queue.remove(job)
        job.status, job.ended = "CANCELED", self.loop.time()
        return {"request_id": "r"}

    def _query(self, request: Request[Any]) -> dict[str, Any]:
        job = self.jobs.get(request.path.rpartition("/")[2])
        if job is None or (job.ended is not None and job.ended < self.loop.time() - RESULT_SECONDS):
            output = {"task_id": request.path.rpartition("/")[2], "task_status": "UNKNOWN"}
            return {"request_id": "r", "output": output}
        output = {"task_id": job.job_id, "task_status": job.status, "submit_time": moment(job.submitted)}
        if job.started is not None:
            output["scheduled_time"] = moment(job.started)
        if job.ended is not None:
            output["end_time"] = moment(job.ended)
        if job.status == "FAILED":
            output |= {"code": "InternalError.Algo", "message": "it went wrong"}
        if job.status != "SUCCEEDED":
            return {"request_id": "r", "output": output}
        expires = EPOCH + self.loop.time() + RESULT_SECONDS
        output["video_url"] = f"https://results.example/{job.job_id}.mp4?Expires={expires:.0f}&Signature=s"
        return {"request_id": "r", "output": output, "usage": {"video_duration": job.billed_seconds}}

    def _list(self, request: Request[Any]) -> dict[str, Any]:
        query = request.query
        size, page = int(query["page_size"]), int(query["page_no"])
        found = list(self._matching(query))
        rows = [_row(job) for job in found[(page - 1) * size : page * size]]
        pages = math.ceil(len(found) / size)
        return {"request_id": "r", "total": len(found), "total_page": pages, "page_no": page, "data": rows}

    def _matching(self, query: Mapping[str, str]) -> Iterator[Job]:
        """The newest first, as the service lists them."""
        status = query.get("status")
        if status == "RUNNING":
            yield from [self._running] if self._running else []
        elif status == "PENDING":
            yield from reversed(self._queue)
        else:
            while self._listed and self._listed[0].submitted < self.loop.time() - RESULT_SECONDS:
                self._listed.popleft()
            yield from (job for job in reversed(self._listed) if status in (None, job.status))

    def _begin(self) -> None:
        if self._running is None and self._queue:
            job = self._running = self._queue.popleft()
            job.started, job.status = self.loop.time(), "RUNNING"
            self.loop.call_later(job.render, self._end, job)

    def _end(self, job: Job) -> None:
        job.ended, self._running = self.loop.time(), None
        in_time = job.ended - job.submitted < JOB_SECONDS
        job.status = "FAILED" if job.fails or not in_time else "SUCCEEDED"
        self.asked["dropped"] += not in_time
        self._begin()


def _row(job: Job) -> dict[str, Any]:
    row: dict[str, Any] = {"task_id": job.job_id, "status": job.status, "model_name": "videoretalk"}
    row |= {"request_id": f"request-{job.job_id}", "api_key_id": "1"}
    times = {"gmt_create": job.submitted, "start_time": job.started, "end_time": job.ended}
    return row | {name: int((EPOCH + at) * 1000) for name, at in times.items() if at is not None}
