"""What the audit makes of one job after another: its words, its pauses and its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, cast

import pytest

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, ThrottledError, TransportError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.job_history.facts import JobReport, Published, Submitted
from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.model_catalog.catalog import MODELS
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.operators.job_audit import UNSAVED, JobAudit

NOW = 1_800_000_000.0
SUBMITTED = Submitted(
    task_instance="dag/run/retalk/2",
    connection_id="c",
    model="videoretalk",
    intended_at=NOW - 600,
    submitted_at=NOW - 600,
    job_id="t1",
    request_id="r1",
    label="Ada",
    price={"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"},
)
RECORD = JobRecord(submitted=SUBMITTED)


class Service:
    """Its clock stands still, but for the pauses."""

    def __init__(self, *answers: Task | DashScopeError) -> None:
        self.answers = list(answers)
        self.now = NOW
        self.pauses: list[float] = []
        self.asked: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def send(self, request: Request[Any]) -> Any:
        self.asked.append(request.path)
        answer = self.answers.pop(0)
        if isinstance(answer, DashScopeError):
            raise answer
        return answer

    def audit(self, *, deadline: float = NOW + 1200) -> JobAudit:
        client_for = cast("Callable[[str], Any]", lambda connection_id: self)
        return JobAudit(client_for=client_for, deadline=deadline, clock=lambda: self.now, sleep=self.sleep)


def job(status: str, *, expires_in: float = 3600.0, seconds: float | None = 10.0, **output: Any) -> Task:
    url = f"https://results.example/t1.mp4?Expires={NOW + expires_in:.0f}&Signature=s"
    result = {"video_url": url} if status == "SUCCEEDED" else {}
    usage = {} if seconds is None else {"video_duration": seconds}
    return Task.parse({"output": {"task_id": "t1", "task_status": status, **result, **output}, "usage": usage})


PUBLISHED = Published(job_id="t1", uri="s3://b/a.mp4", published_at=NOW)
ENDED = JobReport(job_id="t1", status="SUCCEEDED", reported_at=NOW)


@pytest.mark.parametrize(
    ("task", "record", "state", "outcome", "sentence"),
    [
        (
            job("SUCCEEDED"),
            RECORD,
            "failed",
            "savable",
            "is SUCCEEDED: 10 s (0.8 CNY) were billed. Its result is returned, to be published.",
        ),
        (
            job("SUCCEEDED", expires_in=0.0),
            RECORD,
            "failed",
            "expired",
            "is SUCCEEDED: 10 s (0.8 CNY) were billed. Its result is gone: making it again is billed again.",
        ),
        (
            job("SUCCEEDED", video_url="", seconds=None),
            RECORD,
            "failed",
            "expired",
            "is SUCCEEDED: an unknown amount were billed. Its result is gone: making it again is billed again.",
        ),
        (
            job("SUCCEEDED"),
            replace(RECORD, published=PUBLISHED),
            "failed",
            "used",
            "is SUCCEEDED: 10 s (0.8 CNY) were billed. Airflow has its result already.",
        ),
        (
            job("SUCCEEDED"),
            replace(RECORD, ended=ENDED),
            "success",
            "used",
            "is SUCCEEDED: 10 s (0.8 CNY) were billed. Airflow has its result already.",
        ),
        (
            job("SUCCEEDED"),
            replace(RECORD, ended=ENDED),
            "failed",
            "savable",
            "is SUCCEEDED: 10 s (0.8 CNY) were billed. Its result is returned, to be published.",
        ),
        (
            job("SUCCEEDED"),
            RECORD,
            "success",
            "savable",
            "is SUCCEEDED: 10 s (0.8 CNY) were billed. Its result is returned, to be published.",
        ),
        (
            job("PENDING", seconds=None),
            RECORD,
            None,
            "running",
            "is PENDING: it will be billed if it succeeds. The next audit asks again.",
        ),
        (job("FAILED", seconds=None), RECORD, "failed", "free", "is FAILED: 0 s (0 CNY) were billed."),
        (job("CANCELED", seconds=None), RECORD, "failed", "free", "is CANCELED: 0 s (0 CNY) were billed."),
        (
            job("UNKNOWN", seconds=None),
            RECORD,
            "removed",
            "unknown",
            "is UNKNOWN: the service does not know it any more. What it billed is in the vendor's bill only.",
        ),
    ],
)
def test_what_became_of_a_job(task: Task, record: JobRecord, state: str | None, outcome: str, sentence: str) -> None:
    service = Service(task)
    audited = service.audit().ask(record, task_state=state)
    assert (audited.outcome, audited.sentence) == (
        outcome,
        f"Render job t1 of dag/run/retalk/2 (Airflow: {state}) {sentence}",
    )
    assert audited.record is record
    assert (audited.result is not None) is (outcome == "savable")
    assert audited.report is not None
    assert (audited.report.status, audited.report.task_instance, audited.report.task_state) == (
        task.status,
        "dag/run/retalk/2",
        state,
    )
    assert service.asked == ["tasks/t1"]


def test_a_person_looks_at_what_cannot_be_saved() -> None:
    assert sorted(UNSAVED) == ["clearable", "expired", "not_asked", "unknown"]


def test_a_saved_result_is_that_of_its_own_task() -> None:
    task = job("SUCCEEDED")
    result = Service(task).audit().ask(RECORD, task_state="failed").result
    assert result is not None
    assert {name: result[name] for name in ("task_id", "request_id", "billed_seconds", "cost", "currency")} == {
        "task_id": "t1",
        "request_id": "r1",
        "billed_seconds": 10.0,
        "cost": 0.8,
        "currency": "CNY",
    }
    assert {name: result[name] for name in ("task_instance", "label", "connection_id", "video_url")} == {
        "task_instance": "dag/run/retalk/2",
        "label": "Ada",
        "connection_id": "c",
        "video_url": task.result_url,
    }
    assert result["expires_at"] == datetime.fromtimestamp(NOW + 3600, tz=timezone.utc).isoformat()


def test_what_was_billed_is_read_as_the_model_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sibling of VideoRetalk has it in another field."""
    animation = replace(VIDEORETALK, name="animation", billed_seconds_field="seconds")
    monkeypatch.setitem(MODELS, "animation", animation)
    task = Task.parse({**job("SUCCEEDED").payload, "usage": {"video_duration": 10, "seconds": 7}})
    audited = Service(task).audit().ask(JobRecord(submitted=replace(SUBMITTED, model="animation")), task_state=None)
    assert audited.report is not None
    assert audited.result is not None
    assert audited.report.billed_seconds == audited.result["billed_seconds"] == 7.0


@pytest.mark.parametrize("price", [None, {"per_second": "much"}, {"currency": "CNY"}])
def test_a_result_without_a_readable_price_is_saved(price: dict[str, Any] | None) -> None:
    record = JobRecord(submitted=replace(SUBMITTED, price=price, label=None))
    audited = Service(job("SUCCEEDED")).audit().ask(record, task_state="failed")
    assert "10 s were billed" in audited.sentence
    assert audited.result is not None
    assert "cost" not in audited.result
    assert "label" not in audited.result


def test_a_throttled_query_is_repeated_at_doubling_pauses() -> None:
    throttled = [ThrottledError("slow down") for _ in range(4)]
    service = Service(*throttled, job("SUCCEEDED"))
    assert service.audit().ask(RECORD, task_state=None).outcome == "savable"
    assert service.pauses == [1.0, 2.0, 4.0, 8.0]


def test_a_query_that_is_throttled_five_times_fails() -> None:
    service = Service(*[ThrottledError("slow down", retry_after=12) for _ in range(9)])
    audited = service.audit().ask(RECORD, task_state=None)
    assert (audited.outcome, audited.report, service.pauses) == ("not_asked", None, [12.0] * 4)
    assert audited.sentence == ("Render job t1 of dag/run/retalk/2 (Airflow: None) could not be asked about: slow down")


@pytest.mark.parametrize(("seconds", "pauses"), [(30.0, []), (30.001, [30.0])])
def test_no_pause_reaches_the_deadline(seconds: float, pauses: list[float]) -> None:
    """It is half a minute at most."""
    service = Service(ThrottledError("slow down", retry_after=1e9), job("SUCCEEDED"))
    outcome = service.audit(deadline=NOW + seconds).ask(RECORD, task_state=None).outcome
    assert (outcome, service.pauses) == ("savable" if pauses else "not_asked", pauses)


@pytest.mark.parametrize(("deadline", "is_asked"), [(NOW, False), (NOW + 0.001, True)])
def test_nothing_is_asked_from_the_deadline_on(deadline: float, is_asked: bool) -> None:
    service = Service(job("SUCCEEDED"))
    audited = service.audit(deadline=deadline).ask(RECORD, task_state=None)
    assert bool(service.asked) is is_asked
    assert audited.sentence.endswith("was not asked about: the audit's time is over.") is not is_asked


def test_a_connection_that_failed_three_times_in_a_row_is_used_no_more() -> None:
    error = TransportError("away")
    service = Service(error, error, job("FAILED"), error, error, error, job("FAILED"))
    audit = service.audit()
    outcomes = [audit.ask(RECORD, task_state=None) for _ in range(7)]
    assert [each.outcome for each in outcomes] == ["not_asked"] * 2 + ["free"] + ["not_asked"] * 4
    assert outcomes[-1].sentence.endswith("was not asked about: c fails.")
    assert len(service.asked) == 6
    other = JobRecord(submitted=replace(SUBMITTED, connection_id="d"))
    assert audit.ask(other, task_state=None).outcome == "free"


@pytest.mark.parametrize(
    ("model", "usage"), [("qwen3-asr-flash-filetrans", {"seconds": 7}), ("unlisted-asr", {"duration": 7})]
)
def test_a_lost_transcript_cannot_be_published_but_got_by_a_clear(model: str, usage: dict[str, float]) -> None:
    url = f"https://r.example/t.json?Expires={NOW + 3600:.0f}&Signature=s"
    output = {"task_id": "t1", "task_status": "SUCCEEDED", "result": {"transcription_url": url}}
    task = Task.parse({"output": output, "usage": usage})
    record = JobRecord(submitted=replace(SUBMITTED, model=model))
    audited = Service(task).audit().ask(record, task_state="failed")
    assert (audited.outcome, audited.result) == ("clearable", None)
    assert audited.sentence.endswith(
        "is SUCCEEDED: 7 s (0.56 CNY) were billed. Its result is no video: clear its task, which costs nothing."
    )
    late = Service(task)
    late.now = NOW + 7200
    assert late.audit(deadline=NOW + 9000).ask(record, task_state="failed").outcome == "expired"
