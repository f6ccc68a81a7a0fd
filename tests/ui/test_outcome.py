"""What became of a video whose tasks have ended without its result: Airflow's states times the service's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from fastapi.testclient import TestClient
from variable_rows import VariableRows
from video_rows import NOW, Row, finished_run, result

from airflow_provider_videoretalk.job_history.facts import JobReport, Published, Submitted
from airflow_provider_videoretalk.job_history.history import JobHistory
from airflow_provider_videoretalk.ui import submitted_job

DAG = "videoretalk_quickstart"
HERE = f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1"
CONTENT = bytes(range(256)) * 64
BEIJING = timezone(timedelta(hours=8))
JOB = "job-1"

Runs = Callable[..., None]
Login = Callable[..., TestClient]


def at(**ago: float) -> str:
    """A time as the service writes it."""
    return (datetime.now(BEIJING) - timedelta(**ago)).strftime("%Y-%m-%d %H:%M:%S.000")


def answers(service: Any, status: str, **output: Any) -> None:
    billed = {"usage": {"video_duration": 7.5}} if status == "SUCCEEDED" else {}
    reply = {"output": {"task_id": JOB, "task_status": status, **output}, "request_id": "r", **billed}
    service.expect_request(f"/api/v1/tasks/{JOB}").respond_with_json(reply)


def made(service: Any, *, hours_ago: float = 1, video: bytes | None = CONTENT) -> None:
    service.expect_request("/v.mp4").respond_with_data(video or b"", content_type="video/mp4")
    url = {"video_url": service.url_for("/v.mp4")} if video is not None else {}
    answers(service, "SUCCEEDED", **url, submit_time=at(hours=hours_ago + 1), end_time=at(hours=hours_ago))


def ended(state: str, *, after: str | None = "upstream_failed", **fields: Any) -> list[Row]:
    xcoms = {"dashscope_task_id": JOB, "videoretalk_watch": "/"}
    return [
        Row(task_id="speech", xcoms={"return_value": {"audio_url": "https://h/a.wav", "seconds": 10.0}}),
        Row(task_id="retalk", state=state, xcoms=xcoms, fields=fields),
        Row(task_id="publish", state=after),
    ]


ENDS = [("failed", "upstream_failed"), ("success", "success"), ("removed", "removed"), ("skipped", "skipped")]


@pytest.mark.parametrize(("state", "after"), ENDS)
@pytest.mark.parametrize("task_id", ["retalk", "publish"])
def test_a_video_that_was_made_is_shown(
    task_id: str, state: str, after: str, runs: Runs, login: Login, service: Any
) -> None:
    made(service)
    runs(DAG, one=ended(state, after=after))
    here = HERE.replace("/retalk/", f"/{task_id}/")
    client = login(DAG)
    assert f'data-load="{here}/outcome"' in client.get(here).text
    page = client.get(f"{here}/outcome").text
    assert "The service has made this video and bills 7.5 s of video." in page
    assert f'src="{here}/media/result"' in page
    assert "which expires 20" in page
    assert 'tasks/retalk">retalk</a> in Airflow before then.' in page
    assert client.get(f"{here}/media/result").content == CONTENT


def test_a_video_that_was_made_and_has_expired(runs: Runs, login: Login, service: Any) -> None:
    made(service, hours_ago=25)
    runs(DAG, one=ended("failed"))
    page = login(DAG).get(f"{HERE}/outcome").text
    assert "The video was made, and has expired" in page
    assert "bills 7.5 s of video" in page
    assert "Making it again is billed again." in page
    assert "<video" not in page


def test_a_video_that_was_made_but_has_no_address(runs: Runs, login: Login, service: Any) -> None:
    made(service, video=None)
    runs(DAG, one=ended("failed"))
    page = login(DAG).get(f"{HERE}/outcome").text
    assert "has no address of the video yet" in page
    assert "<video" not in page
    assert login(DAG).get(f"{HERE}/media/result").status_code == 404


@pytest.mark.parametrize(("state", "after"), ENDS)
def test_a_video_that_is_still_rendered(state: str, after: str, runs: Runs, login: Login, service: Any) -> None:
    answers(service, "RUNNING", submit_time=at(minutes=9), scheduled_time=at(seconds=20))
    runs(DAG, one=ended(state, after=after))
    page = login(DAG).get(f"{HERE}/outcome").text
    assert "The video is still being rendered" in page
    # The speech has 10 s, of which each takes 9 s to render.
    end = datetime.now(timezone.utc) + timedelta(seconds=70)
    assert (
        f", until about {end:%Y-%m-%d %H:%M}" in page
        or f", until about {end - timedelta(seconds=20):%Y-%m-%d %H:%M}" in page
    )
    assert "It is billed when it succeeds." in page
    assert "data-final" not in page, "the page looks again"


@pytest.mark.parametrize(
    ("status", "output", "sentences"),
    [
        ("PENDING", {}, ["The render job is still queued at the service", "It is billed if it renders and succeeds."]),
        ("CANCELED", {}, ["The video was cancelled", "It is not billed."]),
        (
            "FAILED",
            {"code": "InvalidFile.Resolution", "message": "Invalid video resolution."},
            ["Invalid video resolution.", "is not billed", "Scale the video", "<code>InvalidFile.Resolution</code>"],
        ),
        ("FAILED", {}, ["the service gave no reason", "is not billed"]),
        ("UNKNOWN", {}, ["It is unknown whether the video was made", "It keeps jobs for 24 hours"]),
        ("PRE-PROCESSING", {}, ["The video is still being rendered"]),
    ],
)
def test_a_video_that_was_not_made(
    status: str, output: dict[str, str], sentences: list[str], runs: Runs, login: Login, service: Any
) -> None:
    answers(service, status, **output)
    runs(DAG, one=ended("failed"))
    page = login(DAG).get(f"{HERE}/outcome").text
    for sentence in sentences:
        assert sentence in page, sentence
    assert "<video" not in page
    assert "bills" not in page


def test_what_cannot_be_asked_is_unknown_and_says_why(runs: Runs, login: Login, service: Any) -> None:
    refusal = {"code": "InvalidApiKey", "message": "No such key."}
    service.expect_request(f"/api/v1/tasks/{JOB}").respond_with_json(refusal, status=401)
    runs(DAG, one=ended("failed"))
    page = login(DAG).get(f"{HERE}/outcome").text
    assert "It is unknown whether the video was made" in page
    assert "The service refuses the key of the connection" in page
    assert "If the job succeeds, it is billed." in page
    assert "data-final" not in page


def test_a_task_without_a_render_job(runs: Runs, login: Login) -> None:
    runs(DAG, one=[Row(task_id="retalk", state="failed", xcoms={"videoretalk_watch": "/"})])
    page = login(DAG).get(f"{HERE}/outcome").text
    assert "No render job is known" in page
    assert "Nothing was submitted, unless the task&#39;s log says" in page or "unless the task's log says" in page


def test_what_has_a_result_or_still_waits_asks_for_nothing(runs: Runs, login: Login) -> None:
    runs(DAG, one=finished_run("t"), two=ended("deferred", after=None))
    client = login(DAG)
    for run in ("one", "two"):
        here = HERE.replace("/one/", f"/{run}/")
        assert "/outcome" not in client.get(here).text
        assert "data-reload" in client.get(f"{here}/outcome").text


def test_the_job_of_a_failed_sensor_is_asked_for(runs: Runs, login: Login, service: Any) -> None:
    dag = "videoretalk_submit_and_sense"
    answers(service, "RUNNING")
    submission = {"task_id": JOB, "request_id": "r", "status": "PENDING"}
    submitted = Row(task_id="submit", xcoms={"dashscope_task_id": JOB, "return_value": submission})
    runs(dag, one=[submitted, Row(task_id="wait", state="failed", fields={"dashscope_task_id": submission})])
    for task_id in ("submit", "wait"):
        here = f"/videoretalk/dags/{dag}/runs/one/tasks/{task_id}/-1"
        assert "The video is still being rendered" in login(dag).get(f"{here}/outcome").text


def test_an_answer_is_escaped_and_names_no_signature(runs: Runs, login: Login, service: Any) -> None:
    answers(service, "FAILED", code="<b>Code", message="<script>alert(1)</script> https://h/a.wav?Signature=secret")
    runs(DAG, one=ended("failed"))
    page = login(DAG).get(f"{HERE}/outcome").text
    assert "<script>" not in page
    assert "<b>" not in page
    assert "secret" not in page


def test_the_services_copy_is_fetched_from_allowed_addresses_only(
    runs: Runs, login: Login, service: Any, httpserver: Any
) -> None:
    answers(service, "SUCCEEDED", video_url="http://127.0.0.1:1/v.mp4", end_time=at(hours=1))
    runs(DAG, one=ended("failed"))
    reply = login(DAG).get(f"{HERE}/media/result")
    assert reply.status_code == 404
    assert "allowed are public addresses" in reply.text


def test_the_price_of_a_dry_run(runs: Runs, login: Login) -> None:
    report = {
        "estimated_seconds": 7.4,
        "estimated_cost": 0.59,
        "exact": True,
        "price": {"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"},
        "findings": ["audio_url: audio duration is <1 s>"],
        "unchecked": ["video_url: fps"],
        "url_warnings": [],
        "inputs": {},
    }
    rows = [
        Row(task_id="speech", state="success"),
        Row(task_id="retalk", state="skipped", xcoms={"dashscope_dry_run": report, "videoretalk_watch": "/"}),
        Row(task_id="publish", state="skipped"),
    ]
    runs(DAG, one=rows)
    for task_id in ("speech", "retalk", "publish"):
        page = login(DAG).get(HERE.replace("/retalk/", f"/{task_id}/")).text
        assert "The video would cost <strong>0.59 CNY</strong> for 7.4 s of video." in page
        assert "audio duration is &lt;1 s&gt;" in page
        assert "video_url: fps" in page
    runs(DAG, two=[Row(task_id="retalk", state="failed", xcoms={"dashscope_dry_run": report | {"exact": False}})])
    assert "would cost at most <strong>0.59 CNY" in login(DAG).get(HERE.replace("/one/", "/two/")).text


def test_what_airflow_has_cut_is_not_the_script(runs: Runs, login: Login) -> None:
    from airflow.serialization.helpers import serialize_template_field

    stored = str(serialize_template_field("早上好。" * 2000, "text"))
    assert stored.startswith("Truncated. You can change")
    runs(DAG, one=finished_run("t", script=stored))
    client = login(DAG)
    for page in (client.get(HERE).text, client.get("/videoretalk/").text):
        assert "Truncated. You can change" not in page
        assert "videoretalk_quickstart · 早上好。早上好。" in page
    assert "Airflow keeps only the beginning of a long script" in client.get(HERE).text


def test_the_publication_names_the_clip_and_its_file(runs: Runs, login: Login, tmp_path: Any) -> None:
    import hashlib

    path = tmp_path / "0b1c.mp4"
    path.write_bytes(CONTENT)
    publication = {
        "task_id": "t", "request_id": "request-t", "uri": path.as_uri(), "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(), "label": "Frühling, für 安娜", "language": "zh",
    }  # fmt: skip
    path.with_name("0b1c.mp4.json").write_text(json.dumps(publication))
    runs(DAG, one=finished_run("t", published=publication))
    client = login(DAG)
    assert "<h1>Frühling, für 安娜" in client.get(HERE).text
    assert '<span class="name">Frühling, für 安娜</span>' in client.get("/videoretalk/").text
    named = client.get(f"{HERE}/media/result").headers["content-disposition"]
    assert named.startswith('inline; filename="Fr_hling, f_r __.mp4"; ')
    assert named.endswith("filename*=UTF-8''Fr%C3%BChling%2C%20f%C3%BCr%20%E5%AE%89%E5%A8%9C.mp4")


def test_a_mapped_clip_has_the_name_that_its_dag_gives(runs: Runs, login: Login) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    dag = "videoretalk_batch"
    xcoms = {"dashscope_task_id": "t", "return_value": result("t")}
    runs(dag, one=[Row(task_id="video.make", map_index=3, xcoms=xcoms)])
    with create_session(scoped=False) as session:
        session.execute(update(TaskInstance).values(_rendered_map_index="spring-zh"))
    page = login(dag).get(f"/videoretalk/dags/{dag}/runs/one/tasks/video.make/3").text
    assert "<h1>spring-zh" in page


@pytest.fixture
def history(dags: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobHistory]:
    # Airflow 3.1 and 3.2 have the table, too.
    monkeypatch.setattr(submitted_job, "IS_KEPT", True)
    stored = VariableRows()
    yield JobHistory(stored, clock=NOW.timestamp)
    for key in list(stored):
        stored.delete(key)


def submitted(**fields: Any) -> Submitted:
    name = f"{DAG}/one/retalk/-1"
    given = {"connection_id": "dashscope_default", "model": "videoretalk", "intended_at": NOW.timestamp(), **fields}
    return Submitted(task_instance=name, **given)


def test_a_job_that_only_the_history_knows_is_asked_for(
    runs: Runs, login: Login, service: Any, history: JobHistory
) -> None:
    made(service)
    history.note("submitted", submitted(job_id=JOB))
    runs(DAG, one=[Row(task_id="retalk", state="failed")])
    client = login(DAG)
    page = client.get(f"{HERE}/outcome").text
    assert "The service has made this video and bills 7.5 s of video." in page
    assert client.get(f"{HERE}/media/result").content == CONTENT


def test_a_submit_whose_reply_was_lost(runs: Runs, login: Login, history: JobHistory) -> None:
    history.note("submitted", submitted())
    runs(DAG, one=[Row(task_id="retalk", state="failed")])
    page = login(DAG).get(f"{HERE}/outcome").text
    assert "The reply to a submit was lost, so a render job may exist and be billed." in page


def test_a_submit_that_created_nothing(runs: Runs, login: Login, history: JobHistory) -> None:
    history.note("submitted", submitted(nothing_created=True))
    runs(DAG, one=[Row(task_id="retalk", state="failed")])
    assert "The submit created no render job. Nothing is billed." in login(DAG).get(f"{HERE}/outcome").text


def test_the_history_says_what_the_service_has_forgotten(
    runs: Runs, login: Login, service: Any, history: JobHistory
) -> None:
    answers(service, "UNKNOWN")
    history.note("submitted", submitted(job_id=JOB))
    report = JobReport(job_id=JOB, status="SUCCEEDED", reported_at=NOW.timestamp() + 60, billed_seconds=7.5)
    history.note("checked", report)
    history.note("published", Published(job_id=JOB, uri="s3://b/<k>.mp4", published_at=NOW.timestamp() + 90))
    runs(DAG, one=ended("failed"))
    page = login(DAG).get(f"{HERE}/outcome").text
    assert "its last known status is SUCCEEDED, and the service billed 7.5 s of video." in page
    assert "The result was published: s3://b/&lt;k&gt;.mp4" in page


def test_a_result_that_the_audit_has_published(runs: Runs, login: Login, service: Any, history: JobHistory) -> None:
    made(service)
    history.note("submitted", submitted(job_id=JOB))
    history.note("published", Published(job_id=JOB, uri="s3://b/<k>.mp4", published_at=NOW.timestamp() + 90))
    runs(DAG, one=ended("failed"))
    page = login(DAG).get(f"{HERE}/outcome").text
    assert "The task has not taken the result, but it was published: <code>s3://b/&lt;k&gt;.mp4</code>" in page
    assert "nothing, unless other tasks need the result." in page


def test_an_expired_result_that_was_published(runs: Runs, login: Login, service: Any, history: JobHistory) -> None:
    made(service, hours_ago=25)
    history.note("submitted", submitted(job_id=JOB))
    history.note("published", Published(job_id=JOB, uri="s3://b/k.mp4", published_at=NOW.timestamp() + 90))
    runs(DAG, one=ended("failed"))
    page = login(DAG).get(f"{HERE}/outcome").text
    assert "It was published: <code>s3://b/k.mp4</code>" in page
    assert "Making it again is billed again." not in page


def test_the_publication_of_another_job_is_not_shown(
    runs: Runs, login: Login, service: Any, history: JobHistory
) -> None:
    made(service)
    history.note("submitted", submitted(job_id="another"))
    history.note("published", Published(job_id="another", uri="s3://b/k.mp4", published_at=NOW.timestamp() + 90))
    runs(DAG, one=ended("failed"))
    assert "s3://b/k.mp4" not in login(DAG).get(f"{HERE}/outcome").text
