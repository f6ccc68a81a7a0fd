"""DashScope in this process, on a virtual clock, with a list that may lie. It answers the client's own requests."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any, Literal, TypeVar

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.dashscope.request import Reply, Request
from airflow_provider_videoretalk.dashscope.service_clock import ServiceClock

T = TypeVar("T")

MODEL = "videoretalk"

SubmitFault = Literal["lost_before", "lost_after", "lost_late", "refused", "throttled", "no_id", "html", "conflict"]
ListLie = Literal[
    "empty", "stale", "drops_rows", "no_totals", "huge_totals", "one_page", "oldest_first", "bad_ids", "whole_seconds",
    "no_times", "no_models", "away", "shifted_times",
]  # fmt: skip
LIES: tuple[ListLie, ...] = (
    "empty", "stale", "drops_rows", "no_totals", "huge_totals", "one_page", "oldest_first", "bad_ids", "whole_seconds",
    "no_times", "no_models", "away", "shifted_times",
)  # fmt: skip

# How long a job queues, and renders.
QUEUE_SECONDS, RENDER_SECONDS = 60.0, 120.0


class NoReplyError(Exception):
    """The request arrived or did not; no reply comes."""


@dataclass
class VirtualTime:
    """The true time, in seconds since the epoch."""

    now: float = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Job:
    """A job of the service. Times are the true ones.

    :param clip: what its inputs name; ``None`` for a job of another program
    """

    task_id: str
    clip: str | None
    created: float
    listed: float
    canceled: bool = False

    def status(self, now: float) -> str:
        if self.canceled:
            return "CANCELED"
        age = now - self.created
        return "PENDING" if age < QUEUE_SECONDS else "RUNNING" if age < QUEUE_SECONDS + RENDER_SECONDS else "SUCCEEDED"


@dataclass
class HostileService:
    """One account of the service, whichever key is used.

    :param offset: seconds by which its clock is ahead
    :param lag: seconds until the list shows a new job
    :param has_date: whether replies have a ``Date``
    :param lie: what is wrong with the list
    :param submit_faults: of the next submits
    :param query_fails: share of the status queries that are answered by an error, or by UNKNOWN
    :param on_submitted: is called when a job was created, before the reply
    """

    time: VirtualTime
    random: random.Random
    offset: float = 0.0
    lag: Callable[[], float] = lambda: 0.0
    has_date: bool = True
    lie: ListLie | None = None
    jobs: list[Job] = field(default_factory=list)
    submit_faults: list[SubmitFault] = field(default_factory=list)
    query_fails: float = 0.0
    on_submitted: Callable[[], None] = lambda: None
    requests: int = 0

    def answer(self, request: Request[Any]) -> Reply:
        """
        :raises NoReplyError: there is none
        """
        self.requests += 1
        self.time.sleep(self.random.uniform(0.02, 0.4))
        if request.method == "POST" and not request.path.endswith("/cancel"):
            return self._submit(request)
        if request.path == "tasks":
            return self._list(request)
        task_id = request.path.split("/")[1]
        job = next((job for job in self.jobs if job.task_id == task_id and job.created <= self.time()), None)
        if request.method == "POST":
            return self._cancel(job)
        failure = self.random.random() / self.query_fails if self.query_fails else 1.0
        if failure < 0.8:
            return self._reply(503, {"code": "ServiceUnavailable", "message": "away"})
        status = "UNKNOWN" if job is None or failure < 1.0 else job.status(self.time())
        output: dict[str, Any] = {"task_id": task_id, "task_status": status}
        if status == "SUCCEEDED":
            output["video_url"] = f"http://results.example/{task_id}.mp4"
        return self._reply(200, {"request_id": "q", "output": output})

    def create(self, clip: str | None, *, at: float | None = None) -> Job:
        created = self.time() if at is None else at
        job = Job(f"t{len(self.jobs)}-{clip or 'other'}", clip, created, created + self.lag())
        self.jobs.append(job)
        return job

    def of(self, clip: str) -> list[Job]:
        """The jobs that were made of a clip, and are billed."""
        return [job for job in self.jobs if job.clip == clip and not job.canceled]

    def _submit(self, request: Request[Any]) -> Reply:
        assert isinstance(request.body, dict)
        clip = str(request.body["input"]["video_url"])
        fault = self.submit_faults.pop(0) if self.submit_faults else None
        if fault == "lost_before":
            raise NoReplyError
        if fault == "refused":
            return self._reply(400, {"code": "InvalidParameter", "message": "no"})
        if fault == "throttled":
            return self._reply(429, {"code": "Throttling.RateQuota", "message": "slow down"})
        if fault == "lost_late":
            # A gateway delivers it while the client gives up.
            latest = 55.0 if self.random.random() < 0.8 else 550.0
            self.create(clip, at=self.time() + self.random.uniform(0, latest))
            self.time.sleep(60)
            raise NoReplyError
        job = self.create(clip)
        self.on_submitted()
        if fault == "lost_after":
            self.time.sleep(self.random.choice([0.0, 30.0]))
            raise NoReplyError
        if fault == "no_id":
            return self._reply(200, {"code": "InvalidParameter", "message": "looks refused", "request_id": "s"})
        if fault == "html":
            return Reply(status=502, headers={"content-type": "text/html"}, content=b"<html>bad gateway</html>")
        if fault == "conflict":
            return self._reply(409, {"code": "Conflict", "message": "a gateway sent it twice"})
        return self._reply(200, {"request_id": "s", "output": {"task_id": job.task_id, "task_status": "PENDING"}})

    def _cancel(self, job: Job | None) -> Reply:
        if job is None or job.status(self.time()) != "PENDING":
            return self._reply(400, {"code": "UnsupportedOperation", "message": "not PENDING"})
        job.canceled = True
        return self._reply(200, {"request_id": "c"})

    def _list(self, request: Request[Any]) -> Reply:
        lie = self.lie
        if lie == "away":
            return self._reply(503, {"code": "ServiceUnavailable", "message": "away"})
        rows = [
            self._row(job, lie) for job in sorted(self.jobs, key=_created, reverse=True) if self._is_listed(job, lie)
        ]
        if lie == "oldest_first":
            rows.reverse()
        # Nobody has verified the zone of the time filter. Here it is UTC, eight hours from what the client may write.
        if start := request.query.get("start_time"):
            begin = datetime.strptime(start, "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc).timestamp()
            rows = [row for row in rows if row.get("gmt_create", 0) / 1000 >= begin]
        page, size = int(request.query["page_no"]), int(request.query["page_size"])
        first = 0 if lie == "one_page" else (page - 1) * size
        body: dict[str, Any] = {"request_id": "l", "data": rows[first : first + size]}
        if lie not in ("no_totals", "drops_rows", "stale", "empty"):
            body |= {"total": len(rows), "total_page": -(-len(rows) // size)}
        if lie == "huge_totals":
            body |= {"total": 10**9, "total_page": 10**9}
        return self._reply(200, body)

    def _is_listed(self, job: Job, lie: ListLie | None) -> bool:
        now = self.time()
        if now < max(job.listed, job.created) or lie == "empty" or (lie == "stale" and job.created > now - 900):
            return False
        return not (lie == "drops_rows" and self.random.random() < 0.25)

    def _row(self, job: Job, lie: ListLie | None) -> dict[str, Any]:
        created = job.created + self.offset + (90.0 if lie == "shifted_times" else 0.0)
        milliseconds = int(created) * 1000 if lie == "whole_seconds" else int(created * 1000)
        row: dict[str, Any] = {
            "task_id": job.task_id,
            "request_id": f"r-{job.task_id}",
            "status": job.status(self.time()),
            "model_name": MODEL,
            "gmt_create": milliseconds,
        }
        if lie == "bad_ids" and self.random.random() < 0.3:
            row["task_id"] = "../" + job.task_id
        if lie == "no_times":
            del row["gmt_create"]
        if lie == "no_models":
            del row["model_name"]
        return row

    def _reply(self, status: int, body: dict[str, Any]) -> Reply:
        headers = {"content-type": "application/json"}
        if self.has_date:
            moment = datetime.fromtimestamp(int(self.time() + self.offset), tz=timezone.utc)
            headers["date"] = format_datetime(moment, usegmt=True)
        return Reply(status=status, headers=headers, content=json.dumps(body).encode())


def _created(job: Job) -> float:
    return job.created


class InProcessClient:
    """Replies and errors are those of :class:`~airflow_provider_videoretalk.dashscope.client.Client`.

    :param clock: of the worker, which may differ from the true time
    """

    def __init__(self, service: HostileService, endpoint: Endpoint, *, clock: Callable[[], float]) -> None:
        self.endpoint, self.service_clock = endpoint, ServiceClock()
        self._service, self._clock = service, clock

    def send(self, request: Request[T]) -> T:
        sent_at = self._clock()
        try:
            reply = self._service.answer(request)
        except NoReplyError:
            raise request.lost(TransportError("got no reply")) from None
        self.service_clock.observe(reply.headers, sent_at=sent_at, received_at=self._clock())
        return request.read(reply)
