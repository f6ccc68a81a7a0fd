"""The result page of a video, and how its media play."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from video_rows import NOW, Row, finished_run, result

from airflow_provider_videoretalk.ui.failure_reason import find_failure_reason, parse_error

DAG = "videoretalk_quickstart"
CONTENT = bytes(range(256)) * 4096

Runs = Callable[..., None]
Publish = Callable[[str, bytes], dict[str, Any]]
Login = Callable[..., TestClient]


def here(task_id: str = "retalk", *, dag: str = DAG, run: str = "one", map_index: int = -1) -> str:
    return f"/videoretalk/dags/{dag}/runs/{run}/tasks/{task_id}/{map_index}"


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, None),
        ({"aigc": "claimed", "content_credentials": ["x"]}, None),
        ({"aigc": {"ContentProducer": "<b>me</b>"}}, "AIGC label of &lt;b&gt;me&lt;/b&gt;"),
        (
            {"aigc": {}, "content_credentials": {"signer": "CN=Signer"}},
            "AIGC label of an unknown producer; content credentials (C2PA) signed by CN=Signer",
        ),
    ],
)
def test_a_line_about_the_marks(
    fields: dict[str, Any], shown: str | None, runs: Runs, published: Publish, login: Login
) -> None:
    runs(DAG, one=finished_run("t-1", published=published("t-1", CONTENT) | fields))
    page = login(DAG).get(here("retalk")).text
    assert ("Marked as made by AI" in page) == (shown is not None)
    assert f"<dd>{shown}</dd>" in page or shown is None


@pytest.mark.parametrize(
    ("lips", "shown"),
    [
        (None, None),
        ("<b>", None),
        (
            {"changed": True, "share": 0.5, "frames": 24},
            "changed: they differ from the presenter&#39;s in 50% of 24",
        ),
        ({"changed": False, "share": 0, "frames": 24}, "NOT changed: they differ from the presenter&#39;s in 0% of 24"),
        ({"changed": None, "share": None, "frames": 0}, "not known: they could not be compared with the presenter"),
    ],
)
def test_a_line_about_the_lips(lips: Any, shown: str | None, runs: Runs, published: Publish, login: Login) -> None:
    runs(DAG, one=finished_run("t-1", published=published("t-1", CONTENT) | {"lips": lips}))
    page = login(DAG).get(here("retalk")).text
    assert ("<dt>Lips</dt>" in page) == (shown is not None)
    assert f"<dt>Lips</dt><dd>{shown}" in page or shown is None


@pytest.mark.parametrize("task_id", ["speech", "retalk", "publish"])
def test_each_task_of_a_run_shows_the_same_video(task_id: str, runs: Runs, published: Publish, login: Login) -> None:
    publication = published("t-1", CONTENT)
    runs(DAG, one=finished_run("t-1", published=publication))
    page = login(DAG).get(here(task_id)).text
    for fact in (
        "t-1",
        "request-t-1",
        "12 s",
        "1 min 2 s",
        "7.5 s of video",
        publication["uri"],
        "Good morning.",
        "expired 20",
    ):
        assert fact in page, fact
    for part in ("source", "result"):
        # The result's URL has expired, but it was published. The source has no expiry.
        assert f'src="{here(task_id)}/media/{part}"' in page


def test_costs_where_the_run_knows_them(runs: Runs, login: Login) -> None:
    bill = {"cost": 2.25, "estimated_cost": 2.4, "currency": "CNY", "estimated_seconds": 8.0}
    runs(DAG, one=[Row(task_id="retalk", xcoms={"dashscope_task_id": "t", "return_value": result("t", **bill)})])
    page = login(DAG).get(here()).text
    assert "2.25 CNY" in page
    assert "8 s, 2.40 CNY" in page


def test_a_script_is_escaped(runs: Runs, login: Login) -> None:
    runs(DAG, one=finished_run("t", script="<script>alert(1)</script>"))
    page = login(DAG).get(here()).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_sensor_shows_what_another_task_submitted(runs: Runs, login: Login) -> None:
    dag = "videoretalk_submit_and_sense"
    submission = {"task_id": "t-2", "request_id": "r", "status": "PENDING"}
    runs(
        dag,
        one=[
            Row(task_id="submit", xcoms={"dashscope_task_id": "t-2", "return_value": submission}),
            Row(task_id="wait", xcoms={"return_value": result("t-2")}),
        ],
        two=[
            Row(task_id="submit", xcoms={"dashscope_task_id": "t-3", "return_value": submission}),
            Row(task_id="wait", state="deferred"),
        ],
    )
    for task_id in ("submit", "wait"):
        assert "7.5 s of video" in login(dag).get(here(task_id, dag=dag)).text
    waiting = login(dag).get(here("wait", dag=dag, run="two")).text
    assert f'data-load="{here("wait", dag=dag, run="two")}/status"' in waiting
    assert "t-3" in waiting


def test_the_clips_of_a_mapped_task_are_not_mixed(runs: Runs, login: Login) -> None:
    dag = "videoretalk_batch"
    rows = []
    for index, language in enumerate(("en", "zh")):
        task_id = f"t-{language}"
        value = {"return_value": result(task_id) | {"uri": "s3://b/k.mp4", "sha256": "0", "language": language}}
        rows += [
            Row(
                task_id="video.make",
                map_index=index,
                xcoms={"dashscope_task_id": task_id, "return_value": result(task_id)},
            ),
            Row(task_id="video.publish", map_index=index, xcoms=value),
        ]
    runs(dag, one=rows)
    client = login(dag)
    page = client.get(here("video.make", dag=dag, map_index=1)).text
    assert "t-zh" in page
    assert "t-en" not in page
    assert "<h1>videoretalk_batch · zh · video.make · [1]" in page


def test_from_a_task_that_is_not_mapped_its_mapped_clips_are_seen(runs: Runs, login: Login) -> None:
    dag = "videoretalk_on_new_script"
    for run, state, badge in (("one", "deferred", "Waiting"), ("two", "failed", "Failed in Airflow")):
        clips = [Row(task_id="video.retalk", map_index=at, state=one) for at, one in enumerate(("success", state))]
        runs(dag, **{run: [Row(task_id="video.speech"), *clips]})
        page = login(dag).get(here("video.speech", dag=dag, run=run)).text
        assert f">{badge}</span>" in page
        clip = here("video.retalk", dag=dag, run=run, map_index=1)
        assert f'<a href="{clip}">video.retalk [1]</a>' in page


def test_a_waiting_video_shows_its_times_and_limits(runs: Runs, login: Login) -> None:
    runs(
        DAG,
        queued=[Row(task_id="retalk", state="deferred", xcoms={"dashscope_task_id": "t-4"})],
        held=[Row(task_id="retalk", state="deferred", xcoms={"dashscope_expected_start": NOW.timestamp()})],
        done=finished_run("t-5"),
    )
    client = login(DAG)
    queued = client.get(f"{here(run='queued')}/status").text
    assert "<strong>Queued</strong>" in queued
    assert "3 h 0 min" in queued
    held = client.get(f"{here(run='held')}/status").text
    assert f"expected to start {NOW:%Y-%m-%d} 12:00 UTC or later. The task's log" in held
    assert "data-reload" in client.get(f"{here(run='done')}/status").text


@pytest.mark.parametrize(
    ("status", "state", "text", "cancellable"),
    [
        ("PENDING", "deferred", "<strong>Queued</strong>", True),
        ("RUNNING", "deferred", "<strong>Rendering</strong>", False),
        ("SUCCEEDED", "deferred", "Airflow has not fetched the result yet", False),
        ("FAILED", "up_for_retry", "Airflow will retry the task", False),
        ("UNKNOWN", "up_for_retry", "Airflow will retry the task", False),
        ("CANCELED", "deferred", "Airflow has not processed this yet", False),
    ],
)
def test_the_page_shows_the_status_at_the_service(
    status: str, state: str, text: str, cancellable: bool, runs: Runs, login: Login, service: Any
) -> None:
    output = {"task_id": f"t-{status}-{state}", "task_status": status}
    service.expect_request(f"/api/v1/tasks/{output['task_id']}").respond_with_json({"output": output})
    runs(DAG, one=[Row(task_id="retalk", state=state, xcoms={"dashscope_task_id": output["task_id"]})])
    page = login(DAG).get(f"{here()}/status").text
    assert text in page
    assert f"The service reports the status {status}." in page
    assert ("has not fetched" in page) == (status == "SUCCEEDED")
    assert ("can be cancelled" in page) == cancellable


def test_a_sensor_cancels_nothing(runs: Runs, login: Login) -> None:
    dag = "videoretalk_submit_and_sense"
    submission = {"task_id": "t", "request_id": "r", "status": "PENDING"}
    runs(
        dag,
        one=[
            Row(task_id="submit", xcoms={"dashscope_task_id": "t", "return_value": submission}),
            Row(task_id="wait", state="running", fields={"dashscope_task_id": submission}),
        ],
    )
    for task_id in ("submit", "wait"):
        assert "can be cancelled" not in login(dag).get(f"{here(task_id, dag=dag)}/status").text


def test_nothing_to_cancel_before_the_submit(runs: Runs, login: Login) -> None:
    runs(DAG, one=[Row(task_id="retalk", state="running")])
    assert "can be cancelled" not in login(DAG).get(f"{here()}/status").text


def test_limits_are_those_that_the_trigger_was_given(runs: Runs, login: Login) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from sqlalchemy import update

    runs(DAG, one=[Row(task_id="retalk", state="deferred", xcoms={"dashscope_task_id": "t"})])
    arguments = {"poll_policy": {"queue_timeout": 240.0, "render_timeout": 600}, "expected_seconds": 5.0}
    with create_session(scoped=False) as session:
        trigger = Trigger(classpath="any.Trigger", kwargs=arguments)
        session.add(trigger)
        session.flush()
        session.execute(update(TaskInstance).values(trigger_id=trigger.id))
    status = login(DAG).get(f"{here()}/status").text
    assert "The queue limit is 4 min 0 s." in status
    assert "The render limit is 10 min 0 s." in status
    assert "about 45 s" in status


@pytest.mark.parametrize("task_id", ["speech", "retalk", "publish"])
@pytest.mark.parametrize(
    ("state", "after", "heading"), [("deferred", None, "Waiting"), ("failed", "upstream_failed", "Failed in Airflow")]
)
def test_each_task_of_a_run_shows_the_state_of_the_video(
    task_id: str, state: str, after: str | None, heading: str, runs: Runs, login: Login
) -> None:
    rows = [
        Row(task_id="speech"),
        Row(task_id="retalk", state=state, xcoms={"dashscope_task_id": "t"}),
        Row(task_id="publish", state=after),
    ]
    runs(DAG, one=rows)
    client = login(DAG)
    assert f">{heading}</span>" in client.get(here(task_id)).text
    failure = client.get(f"{here(task_id)}/failure").text
    assert ('/tasks/retalk">retalk</a> failed.' in failure) == (heading != "Waiting" and task_id != "retalk")


@pytest.mark.parametrize("task_id", ["speech", "retalk", "publish"])
@pytest.mark.parametrize(
    ("state", "badge", "text"),
    [
        ("failed", "Not published", "Why it is not published"),
        ("skipped", "Done", "No, the publish task was skipped."),
        ("up_for_retry", "Done", "Not yet."),
    ],
)
def test_a_video_whose_publishing_came_to_nothing(
    task_id: str, state: str, badge: str, text: str, runs: Runs, login: Login
) -> None:
    runs(DAG, one=[*finished_run("t")[:2], Row(task_id="publish", state=state)])
    client = login(DAG)
    page = client.get(here(task_id)).text
    assert f">{badge}</span>" in page
    assert text in page
    failed = '/tasks/publish">publish</a> failed.' in client.get(f"{here(task_id)}/failure").text
    assert failed == (state == "failed" and task_id != "publish")


@pytest.mark.parametrize("task_id", ["speech", "retalk", "publish"])
def test_what_was_skipped_has_not_failed(task_id: str, runs: Runs, login: Login) -> None:
    rows = [Row(task_id="speech"), Row(task_id="retalk", state="skipped"), Row(task_id="publish", state="skipped")]
    runs(DAG, one=rows)
    page = login(DAG).get(here(task_id)).text
    assert ">Skipped</span>" in page
    assert "No video was made, because a task was skipped" in page
    assert "Why it failed" not in page


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        (None, 200, slice(None)),
        ("bytes=0-", 206, slice(None)),
        ("bytes=1000-1999", 206, slice(1000, 2000)),
        ("bytes=-100", 206, slice(-100, None)),
        (f"bytes={len(CONTENT) - 1}-{len(CONTENT) + 5}", 206, slice(-1, None)),
        ("bytes=5-4", 200, slice(None)),
        ("bytes=0-1,5-9", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
    ],
)
def test_the_published_copy_plays_by_ranges_after_the_url_has_expired(
    asked: str | None, status: int, part: slice, runs: Runs, published: Publish, login: Login
) -> None:
    runs(DAG, one=finished_run("t-6", published=published("t-6", CONTENT)))
    reply = login(DAG).get(f"{here()}/media/result", headers={"range": asked} if asked else {})
    assert reply.status_code == status
    assert reply.content == CONTENT[part]
    assert reply.headers["content-type"] == "video/mp4"
    assert reply.headers["accept-ranges"] == "bytes"
    if status == 206:
        start = part.indices(len(CONTENT))[0]
        assert reply.headers["content-range"] == f"bytes {start}-{start + len(reply.content) - 1}/{len(CONTENT)}"


def test_a_range_beyond_the_end_is_refused(runs: Runs, published: Publish, login: Login) -> None:
    runs(DAG, one=finished_run("t-7", published=published("t-7", CONTENT)))
    assert login(DAG).get(f"{here()}/media/result", headers={"range": "bytes=99999999-"}).status_code == 416


def test_a_copy_that_was_replaced_is_not_played(runs: Runs, published: Publish, login: Login) -> None:
    runs(DAG, one=finished_run("t-8", published=published("t-8", CONTENT)))
    published("t-8", b"another one")
    reply = login(DAG).get(f"{here()}/media/result")
    assert reply.status_code == 404
    assert "was replaced by another file" in reply.text.partition("<main")[2]
    assert "published copy is missing" in reply.text


def test_a_file_without_the_json_that_publishing_leaves_is_not_opened(runs: Runs, login: Login, tmp_path: Any) -> None:
    (tmp_path / "airflow.mp4").write_text("sql_alchemy_conn = secret")
    publication = {"uri": (tmp_path / "airflow.mp4").as_uri(), "sha256": "0", "size": 25}
    runs(
        DAG,
        one=finished_run("t-9", published=publication),
        two=finished_run("t-10", published=publication | {"uri": "/etc/passwd"}),
    )
    for run in ("one", "two"):
        reply = login(DAG).get(f"{here(run=run)}/media/result")
        assert reply.status_code == 404
        assert "secret" not in reply.text


def test_media_in_a_store_play_by_ranges(runs: Runs, login: Login, s3: Any) -> None:
    publication = {
        "uri": "s3://weed@bucket/v.mp4",
        "sha256": "0",
        "size": len(CONTENT),
        "task_id": "t",
        "request_id": "r",
    }
    s3.pipe_file("bucket/v.mp4", CONTENT)
    s3.pipe_file("bucket/v.mp4.json", json.dumps(publication).encode())
    s3.pipe_file("bucket/presenter.mp4", CONTENT[::-1])
    inputs = {"video_url": "s3://weed@bucket/presenter.mp4"}
    runs(DAG, one=finished_run("t", published=publication, inputs=inputs))
    client = login(DAG)
    for part, content in (("result", CONTENT), ("source", CONTENT[::-1])):
        assert client.get(f"{here()}/media/{part}").content == content
        reply = client.get(f"{here()}/media/{part}", headers={"range": "bytes=70000-70009"})
        assert (reply.status_code, reply.content) == (206, content[70000:70010])
    s3.rm_file("bucket/presenter.mp4")
    assert client.get(f"{here()}/media/source").status_code == 404


def test_no_more_of_an_object_is_fetched_than_is_asked_for(
    s3: Any, runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.pipe_file("bucket/presenter.mp4", CONTENT * 4)
    runs(DAG, one=finished_run("t", inputs={"video_url": "s3://weed@bucket/presenter.mp4"}))
    fetched: list[int] = []
    fetch = s3.cat_file

    def measured(*arguments: Any, **options: Any) -> bytes:
        content: bytes = fetch(*arguments, **options)
        fetched.append(len(content))
        return content

    monkeypatch.setattr(s3, "cat_file", measured)
    login(DAG).get(f"{here()}/media/source", headers={"range": "bytes=1000000-1000009"})
    assert fetched == [10]
    assert login(DAG).get(f"{here()}/media/source").content == CONTENT * 4
    assert max(fetched) < len(CONTENT) * 2


def test_a_store_that_can_not_be_opened_says_so(runs: Runs, login: Login, tmp_path: Any) -> None:
    publication = {"uri": f"s3://nobody@bucket/{tmp_path.name}.mp4", "sha256": "0", "size": 1, "task_id": "t"}
    runs(DAG, one=finished_run("t", published=publication))
    text = login(DAG).get(f"{here()}/media/result").text
    assert "the object store cannot be opened from the API server: " in text
    assert "published" not in text.partition("<main")[2]


@pytest.mark.parametrize("location", ["file:///etc/hosts.mp4", "/etc/hosts.mp4", "s3://weed@bucket/secrets.json"])
def test_an_input_that_is_no_video_in_a_store_is_not_opened(location: str, runs: Runs, login: Login, s3: Any) -> None:
    s3.pipe_file("bucket/secrets.json", b"secret")
    runs(DAG, one=finished_run("t", inputs={"video_url": location}))
    assert login(DAG).get(f"{here()}/media/source").status_code == 404


def test_an_input_in_a_store_is_not_opened_before_it_was_submitted(runs: Runs, login: Login, s3: Any) -> None:
    s3.pipe_file("bucket/v.mp4", CONTENT)
    fields = {"video_url": "s3://weed@bucket/v.mp4"}
    runs(DAG, one=[Row(task_id="retalk", state="failed", xcoms={"videoretalk_watch": "/"}, fields=fields)])
    assert login(DAG).get(f"{here()}/media/source").status_code == 404


def test_a_private_address_is_not_fetched(runs: Runs, login: Login, httpserver: Any) -> None:
    httpserver.expect_request("/v.mp4").respond_with_data(CONTENT, content_type="video/mp4")
    fields = {"video_url": httpserver.url_for("/v.mp4")}
    runs(DAG, one=[Row(task_id="retalk", xcoms={"dashscope_task_id": "t"}, fields=fields)])
    reply = login(DAG).get(f"{here()}/media/source")
    assert reply.status_code == 404
    assert "allowed are public addresses" in reply.text
    assert not httpserver.log


def test_the_services_own_copy_plays_by_ranges_until_it_expires(
    runs: Runs, login: Login, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Any) -> Any:
        from werkzeug import Response

        if request.headers.get("range") == "bytes=10-19":
            headers = {"content-range": f"bytes 10-19/{len(CONTENT)}"}
            return Response(CONTENT[10:20], status=206, headers=headers, content_type="video/mp4")
        return Response(CONTENT, content_type="video/mp4")

    service.expect_request("/r.mp4").respond_with_handler(answer)
    service.expect_request("/page.mp4").respond_with_data("<html>internal</html>", content_type="text/html")
    valid = NOW + timedelta(days=3650)
    for run, path in (("one", "/r.mp4"), ("two", "/page.mp4")):
        video = result("t", expires_at=valid, video_url=service.url_for(path))
        rows = [Row(task_id="retalk", xcoms={"dashscope_task_id": "t", "return_value": video})]
        runs(DAG, **{run: rows})
    client = login(DAG)
    assert client.get(f"{here()}/media/result").content == CONTENT
    part = client.get(f"{here()}/media/result", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, CONTENT[10:20])
    refused = client.get(f"{here(run='two')}/media/result")
    assert refused.status_code == 404
    assert "internal" not in refused.text


@pytest.mark.parametrize(
    ("said", "code", "message", "request_id", "remedy"),
    [
        (
            "InvalidFile.Resolution: task t ended FAILED: Invalid video resolution. (request_id r5). Scale the video.",
            "InvalidFile.Resolution",
            "task t ended FAILED: Invalid video resolution.",
            "r5",
            "Scale the video.",
        ),
        (
            "the speech is 1 s, allowed is 2 to 120 s. Lengthen the script.",
            "",
            "the speech is 1 s, allowed is 2 to 120 s",
            None,
            "Lengthen the script.",
        ),
        ("boom", "", "boom", None, ""),
    ],
)
def test_an_error_is_parsed(said: str, code: str, message: str, request_id: str | None, remedy: str) -> None:
    failure = parse_error("TaskFailedError", said)
    assert (failure.code, failure.message, failure.request_id, failure.remedy) == (code, message, request_id, remedy)


def test_the_last_error_of_a_log_counts() -> None:
    chain = [{"exc_type": "TaskFailedError", "exc_value": "new"}, {"exc_type": "OSError", "exc_value": "its cause"}]
    lines = [{"event": "x"}, {"error_detail": [{"exc_type": "Old", "exc_value": "old"}]}, {"error_detail": chain}]
    failure = find_failure_reason(lines)
    assert failure is not None
    assert (failure.kind, failure.message) == ("TaskFailedError", "new")
    assert find_failure_reason([{"event": "x"}]) is None


def test_a_callback_that_fails_hides_no_error() -> None:
    lines = [
        {"event": "Task failed with exception", "error_detail": [{"exc_type": "TaskFailedError", "exc_value": "why"}]},
        {"event": "Failed to run task callback", "error_detail": [{"exc_type": "KeyError", "exc_value": "'x'"}]},
    ]
    failure = find_failure_reason(lines)
    assert failure is not None
    assert failure.message == "why"


def test_an_error_of_another_library_has_no_remedy() -> None:
    failure = parse_error("RuntimeError", "Error: It broke. Nobody knows why.")
    assert (failure.code, failure.message, failure.remedy) == ("", "Error: It broke. Nobody knows why.", "")
    assert parse_error("AirflowSensorTimeout", "too long. Wait longer.").remedy == "Wait longer."
