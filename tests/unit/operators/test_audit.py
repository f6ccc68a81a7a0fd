"""The audit asks about lost jobs only, and a failure concerns one job or one connection."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from connections import connect
from pytest_httpserver import HTTPServer
from state_store import TaskStateStore

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.airflow_adapters.job_history_writer import open_history
from airflow_provider_videoretalk.job_history.charges import Charged
from airflow_provider_videoretalk.job_history.facts import Submitted
from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.model_catalog.catalog import MODELS
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.operators import audit as audit_module
from airflow_provider_videoretalk.operators.audit import AuditJobsOperator
from airflow_provider_videoretalk.operators.job_audit import JobAudit


class TaskInstance:
    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        # Airflow stores what it is then.
        self.pushed[key] = json.loads(json.dumps(value))


@pytest.fixture
def states(variables: TaskStateStore, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Airflow's states by run id; a run that is not in it was deleted."""
    found: dict[str, str] = {}
    monkeypatch.setattr(variable_store, "HAS_KEYS", True)
    monkeypatch.setattr(
        audit_module,
        "states_of_task",
        lambda dag_id, task_id, run_ids: {(run, -1): found[run] for run in run_ids if run in found},
    )
    monkeypatch.setattr(audit_module, "run_has_ended", lambda dag_id, run_id: True)
    return found


PRICE = {"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"}


def submit(
    job_id: str,
    *,
    ago: float = 600.0,
    connection: str = "dashscope_default",
    model: str = "videoretalk",
    price: dict[str, Any] | None = PRICE,
    task_instance: str | None = None,
) -> None:
    """A job in the history, whose run has the same id by default."""
    now = time.time() - ago
    fact = Submitted(
        task_instance=task_instance or f"dag/{job_id}/retalk/-1",
        connection_id=connection,
        model=model,
        intended_at=now,
        submitted_at=now,
        job_id=job_id,
        label="Ada",
        price=price,
    )
    open_history().note("submitted", fact)


def succeeded(job_id: str) -> dict[str, Any]:
    output = {
        "task_id": job_id,
        "task_status": "SUCCEEDED",
        "video_url": f"https://results.example/{job_id}.mp4?Expires={time.time() + 7200:.0f}&Signature=s",
    }
    return {"request_id": "q", "output": output, "usage": {"video_duration": 10.0}}


def audit(**arguments: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The results, and the summary."""
    ti = TaskInstance()
    results = AuditJobsOperator(task_id="audit", **arguments).execute({"ti": ti})  # type: ignore[typeddict-item]
    return results, ti.pushed["dashscope_audit"]


def test_jobs_of_failed_and_deleted_tasks_are_asked_about(states: dict[str, str], service: HTTPServer) -> None:
    for job_id in ("failed", "deleted", "deferred", "running"):
        submit(job_id)
    states |= {"failed": "failed", "deferred": "deferred", "running": "running"}
    service.expect_request("/api/v1/tasks/failed").respond_with_json(succeeded("failed"))
    service.expect_request("/api/v1/tasks/deleted").respond_with_json(
        {"output": {"task_id": "deleted", "task_status": "FAILED", "code": "InternalError", "message": "m"}}
    )
    [result], summary = audit()
    assert (result["task_id"], result["task_instance"], result["label"]) == ("failed", "dag/failed/retalk/-1", "Ada")
    assert result["connection_id"] == "dashscope_default"
    assert (result["billed_seconds"], result["cost"], result["currency"]) == (10.0, 0.8, "CNY")
    assert summary == {
        "outcomes": {"savable": 1, "free": 1},
        "billed_seconds": 10.0,
        "unsaved": [],
        "left": 0,
        "submits_of_unknown_outcome": 0,
        "charges": [],
    }
    asked = [request.path for request, _ in service.log]
    assert sorted(asked) == ["/api/v1/tasks/deleted", "/api/v1/tasks/failed"]
    service.clear_log()
    # The failed job is known to be free. The result is still not published.
    assert [result["task_id"] for result in audit()[0]] == ["failed"]
    assert [request.path for request, _ in service.log] == ["/api/v1/tasks/failed"]


def test_a_throttled_query_is_repeated(
    states: dict[str, str], service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(audit_module, "JobAudit", partial(JobAudit, sleep=pauses.append))
    submit("t1")
    for _ in range(2):
        service.expect_ordered_request("/api/v1/tasks/t1").respond_with_json(
            {"code": "Throttling", "message": "m"}, status=429, headers={"Retry-After": "1000000000"}
        )
    service.expect_ordered_request("/api/v1/tasks/t1").respond_with_json(succeeded("t1"))
    assert len(audit()[0]) == 1
    assert pauses == [30.0, 30.0]


def test_a_throttled_query_is_not_repeated_after_the_deadline(
    states: dict[str, str], service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(audit_module, "JobAudit", partial(JobAudit, sleep=pauses.append))
    submit("t1")
    service.expect_request("/api/v1/tasks/t1").respond_with_json(
        {"code": "Throttling", "message": "m"}, status=429, headers={"Retry-After": "1000000000"}
    )
    # The longest pause is half a minute.
    assert audit(timeout=20)[1]["outcomes"] == {"not_asked": 1}
    assert not pauses
    assert len(service.log) == 1


def test_a_task_that_succeeded_has_lost_its_job_only_when_its_run_has_ended(
    states: dict[str, str], service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "run_has_ended", lambda dag_id, run_id: run_id == "ended")
    for job_id in ("ended", "goes-on", "running"):
        submit(job_id)
        service.expect_request(f"/api/v1/tasks/{job_id}").respond_with_json(succeeded(job_id))
    states |= {"ended": "success", "goes-on": "success", "running": "running"}
    assert [result["task_id"] for result in audit()[0]] == ["ended"]


def test_the_log_says_what_was_billed(
    states: dict[str, str], service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    log = SimpleNamespace(**dict.fromkeys(("info", "warning"), lambda message, *args: said.append(message % args)))
    monkeypatch.setattr(AuditJobsOperator, "log", log)
    submit("priced")
    submit("unpriced", price=None)
    submit("unbilled")
    for job_id in ("priced", "unpriced"):
        service.expect_request(f"/api/v1/tasks/{job_id}").respond_with_json(succeeded(job_id))
    service.expect_request("/api/v1/tasks/unbilled").respond_with_json(succeeded("unbilled") | {"usage": {}})
    audit()
    name = "Render job {0} of dag/{0}/retalk/-1 (Airflow: removed) is SUCCEEDED: "
    saved = " were billed. Its result is returned, to be published."
    assert f"{name.format('priced')}10 s (0.8 CNY){saved}" in said
    assert f"{name.format('unpriced')}10 s{saved}" in said
    assert f"{name.format('unbilled')}an unknown amount{saved}" in said


def test_results_are_read_as_their_model_has_them(
    states: dict[str, str], service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sibling of VideoRetalk has its URL in another field. A model that is not listed has it in a usual one."""
    monkeypatch.setitem(MODELS, "animation", replace(VIDEORETALK, name="animation", result_url_field="animation_url"))
    for model in ("animation", "unlisted"):
        submit(model, model=model)
        service.expect_request(f"/api/v1/tasks/{model}").respond_with_json(
            succeeded(model) | {"output": succeeded(model)["output"] | {"animation_url": "https://results.example/a"}}
        )
    found = {result["task_id"]: result["video_url"].partition("?")[0] for result in audit()[0]}
    assert found == {"animation": "https://results.example/a", "unlisted": "https://results.example/unlisted.mp4"}


def test_limits() -> None:
    assert audit_module.MAX_JOBS == 500
    assert AuditJobsOperator(task_id="audit").timeout == 1200.0


def test_a_connection_that_fails_delays_no_other(
    states: dict[str, str], service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, name="broken", host=service.url_for("/broken"))
    for number in range(5):
        submit(f"b{number}", ago=1000 - number, connection="broken")
    submit("gone", ago=900, connection="no_such_connection")
    submit("good", ago=800)
    service.expect_request("/api/v1/tasks/good").respond_with_json(succeeded("good"))
    results, summary = audit()
    assert [result["task_id"] for result in results] == ["good"]
    assert summary["outcomes"] == {"not_asked": 6, "savable": 1}
    assert len([request for request, _ in service.log if request.path.startswith("/broken")]) == 3
    assert {job["job_id"] for job in summary["unsaved"]} == {"b0", "b1", "b2", "b3", "b4", "gone"}


def test_the_rest_is_left_to_the_next_audit(
    states: dict[str, str], service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "MAX_JOBS", 2)
    for number in range(3):
        submit(f"t{number}", ago=1000 - number)
        service.expect_request(f"/api/v1/tasks/t{number}").respond_with_json(succeeded(f"t{number}"))
    results, summary = audit()
    assert [result["task_id"] for result in results] == ["t0", "t1"], "the oldest result expires first"
    assert summary["left"] == 1
    assert audit(timeout=timedelta(0))[1]["outcomes"] == {"not_asked": 2}


def test_fifty_jobs_that_cannot_be_saved_are_named(states: dict[str, str], service: HTTPServer) -> None:
    """The log names all."""
    for number in range(51):
        submit(f"t{number}", ago=1000 - number, connection="no_such_connection")
    summary = audit()[1]
    assert summary["outcomes"] == {"not_asked": 51}
    assert [job["job_id"] for job in summary["unsaved"]] == [f"t{number}" for number in range(50)]
    assert summary["unsaved"][0] == {"job_id": "t0", "task_instance": "dag/t0/retalk/-1", "outcome": "not_asked"}


def test_what_was_billed_is_added_up_as_far_as_it_is_known(states: dict[str, str], service: HTTPServer) -> None:
    for job_id, usage in (("a", {"video_duration": 10.0}), ("b", {}), ("c", {"video_duration": 2.5})):
        submit(job_id)
        service.expect_request(f"/api/v1/tasks/{job_id}").respond_with_json(succeeded(job_id) | {"usage": usage})
    assert audit()[1]["billed_seconds"] == 12.5


def test_a_mapped_task_is_asked_for_its_own_job(
    states: dict[str, str], service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of three failed, and the second runs."""
    found = {("run", 0): "failed", ("run", 1): "running", ("run", 2): "success"}
    monkeypatch.setattr(audit_module, "states_of_task", lambda dag_id, task_id, run_ids: found)
    monkeypatch.setattr(audit_module, "run_has_ended", lambda dag_id, run_id: False)
    for number in range(3):
        submit(f"t{number}", task_instance=f"dag/run/retalk/{number}")
        service.expect_request(f"/api/v1/tasks/t{number}").respond_with_json(succeeded(f"t{number}"))
    assert [result["task_instance"] for result in audit()[0]] == ["dag/run/retalk/0"]


def test_the_signatures_of_results_are_masked(states: dict[str, str], service: HTTPServer, masked: list[str]) -> None:
    submit("t1")
    reply = succeeded("t1")
    reply["output"]["video_url"] += "-of-the-result"
    service.expect_request("/api/v1/tasks/t1").respond_with_json(reply)
    audit()
    assert "s-of-the-result" in masked


def test_the_submits_of_which_nothing_is_known_are_counted(states: dict[str, str], service: HTTPServer) -> None:
    """Not those that created a job, or nothing for sure."""
    for job_id in ("lost", "known"):
        submit(job_id)
    service.expect_request("/api/v1/tasks/known").respond_with_json(succeeded("known"))
    for ago, nothing_created in ((70, False), (60, False), (50, True)):
        fact = Submitted(
            task_instance=f"dag/{ago}/retalk/-1",
            connection_id="c",
            model="videoretalk",
            intended_at=time.time() - ago,
            nothing_created=nothing_created,
        )
        open_history().note("submitted", fact)
    assert audit()[1]["submits_of_unknown_outcome"] == 2


def test_what_was_paid_without_a_job_is_added_up(states: dict[str, str], service: HTTPServer) -> None:
    now = time.time()
    for number, cost in enumerate((0.25, 0.5)):
        fact = Charged(
            task_instance=f"dag/{number}/speak/-1",
            connection_id="c",
            paid_for="speech",
            model="cosyvoice-v3-flash",
            first_at=now,
            requests=2,
            cost=cost,
            currency="CNY",
        )
        open_history().note("charged", fact)
    _, summary = audit()
    assert summary["charges"] == [{"paid_for": "speech", "currency": "CNY", "requests": 4, "unpriced": 0, "cost": 0.75}]
    assert summary["submits_of_unknown_outcome"] == 0


def test_an_airflow_without_history_is_told(states: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variable_store, "HAS_KEYS", False)
    with pytest.raises(AirflowSkipException, match="keeps no job history"):
        audit()


def test_those_come_first_whose_results_expire_first() -> None:
    """A job has three hours to end, and its result lives for a day. What may have expired can wait."""
    now, day = 1_800_000_000.0, 27 * 3600.0

    def submitted(ago: float) -> JobRecord:
        fact = Submitted(
            task_instance="dag/run/retalk/-1",
            connection_id="c",
            model="videoretalk",
            intended_at=now - ago,
            submitted_at=now - ago,
            job_id="t",
        )
        return JobRecord(submitted=fact)

    ages = [10.0, day + 5, day, 600.0, day + 0.001]
    ordered = sorted(ages, key=lambda ago: audit_module._urgency(submitted(ago), now=now))
    assert ordered == [day, 600.0, 10.0, day + 5, day + 0.001]
