from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.error_codes import service_error
from airflow_provider_videoretalk.dashscope.errors import TaskFailedError, TaskUnknownError
from airflow_provider_videoretalk.dashscope.request import Reply
from airflow_provider_videoretalk.dashscope.task import Task, get_task, status_of
from airflow_provider_videoretalk.dashscope.task_list import list_tasks

UTC8 = timezone(timedelta(hours=8))
SUCCEEDED = {
    "request_id": "r4",
    "output": {
        "task_id": "t1",
        "task_status": "SUCCEEDED",
        "submit_time": "2026-11-20 20:15:29.887",
        "scheduled_time": "2026-11-20 20:15:36.741",
        "end_time": "2026-11-20 20:16:40.577",
        "video_url": "http://results.example/out.mp4?Expires=1795263400&Signature=abc%2Bdef%3D",
        "something_new": {"a": 1},
    },
    "usage": {"video_duration": 7.2, "size": "1080*1920", "video_ratio": "standard", "fps": 25},
}


def task(**output: Any) -> Task:
    return Task.parse({"request_id": "r", "output": {"task_id": "t1", "task_status": "SUCCEEDED", **output}})


def test_a_stage_is_a_word() -> None:
    assert Task.parse({"output": {"task_id": "t1", "task_status": "S" * 41}}).stage == "S" * 40


def test_result_of_a_success() -> None:
    result = Task.parse(SUCCEEDED).result(request_id="r-submit")
    assert result == {
        "task_id": "t1",
        "request_id": "r-submit",
        "status": "SUCCEEDED",
        "video_url": SUCCEEDED["output"]["video_url"],
        "expires_at": "2026-11-21T12:16:40+00:00",
        "billed_seconds": 7.2,
        "usage": SUCCEEDED["usage"],
        "submitted_at": "2026-11-20T12:15:29.887000+00:00",
        "started_at": "2026-11-20T12:15:36.741000+00:00",
        "finished_at": "2026-11-20T12:16:40.577000+00:00",
        "queue_seconds": 6.854,
        "render_seconds": 63.836,
    }
    assert json.loads(json.dumps(result)) == result


def test_a_task_is_made_again_from_its_payload() -> None:
    first = Task.parse(SUCCEEDED)
    assert Task.parse(json.loads(json.dumps(first.payload))) == first


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("PENDING", "PENDING"),
        ("PRE-PROCESSING", "RUNNING"),
        ("running", "RUNNING"),
        ("POST-PROCESSING", "RUNNING"),
        ("SUSPENDED", "RUNNING"),
        ("INVENTED_TOMORROW", "RUNNING"),
        (None, "RUNNING"),
        ("Canceled", "CANCELED"),
        ("UNKNOWN", "UNKNOWN"),
    ],
)
def test_unlisted_statuses_are_still_running(word: str | None, status: str) -> None:
    assert status_of(word) == status


@pytest.mark.parametrize(
    "output",
    [
        {"video_url": "http://r/1.mp4"},
        {"results": {"video_url": "http://r/1.mp4"}},
        {"output_video_url": "http://r/1.mp4"},
        {"results": [{"code": "x"}, {"url": "http://r/1.mp4"}]},
    ],
)
def test_where_models_put_their_result(output: dict[str, Any]) -> None:
    assert task(**output).result_url == "http://r/1.mp4"


def test_what_the_service_leaves_out_is_none() -> None:
    result = task(submit_time="soon", video_url="https://h/v.mp4").result()
    assert {name for name, value in result.items() if value is None} == {
        "expires_at",
        "billed_seconds",
        "submitted_at",
        "started_at",
        "finished_at",
        "queue_seconds",
        "render_seconds",
    }
    assert result["usage"] == {}


@pytest.mark.parametrize(
    "usage", [None, [], "12", {"video_duration": "12s"}, {"video_duration": None}, {"video_duration": [1]}]
)
def test_a_bill_that_can_not_be_read_is_none(usage: object) -> None:
    """It must not cost a paid result."""
    payload = {"output": {"task_id": "t1", "task_status": "SUCCEEDED"}, "usage": usage}
    assert Task.parse(payload).billed_seconds is None


def test_a_url_without_its_own_end_lives_a_day() -> None:
    found = task(video_url="http://r/1.mp4", end_time="2026-11-20 20:00:00.000")
    assert found.expires_at == datetime(2026, 11, 21, 20, tzinfo=UTC8)


def test_durations_are_rounded_to_milliseconds() -> None:
    found = task(
        submit_time="2026-11-20 20:00:00.000001",
        scheduled_time="2026-11-20 20:00:01.000601",
        end_time="2026-11-20 20:00:03.000001",
        video_url="http://r/1.mp4",
    ).result()
    assert (found["queue_seconds"], found["render_seconds"]) == (1.001, 1.999)


def test_failures_keep_code_message_and_request_id() -> None:
    failed = task(task_status="FAILED", code="InvalidFile.Resolution", message="Invalid video resolution.")
    with pytest.raises(
        TaskFailedError, match=r"InvalidFile\.Resolution: render job t1 ended FAILED: Invalid video"
    ) as caught:
        failed.raise_for_status()
    assert (caught.value.code, caught.value.request_id, caught.value.retryable) == (
        "InvalidFile.Resolution",
        "r",
        False,
    )


def test_a_code_has_a_hundred_characters_at_most() -> None:
    with pytest.raises(TaskFailedError) as caught:
        task(task_status="FAILED", code="x" * 101).raise_for_status()
    assert caught.value.code == "x" * 100


@pytest.mark.parametrize(
    "field", ["task_id", "task_status", "submit_time", "scheduled_time", "end_time", "task_metrics", "code", "message"]
)
def test_what_every_reply_has_is_no_result(field: str) -> None:
    assert not replace(task(), output={field: "a value"}).has_result


def test_a_bare_failure_still_says_what_is_known() -> None:
    with pytest.raises(TaskFailedError, match="render job t1 ended FAILED: the service gave no reason") as caught:
        task(task_status="FAILED").raise_for_status()
    assert (caught.value.code, caught.value.request_id, caught.value.retryable) == ("", "r", False)


def test_which_failures_a_new_task_can_mend() -> None:
    for code, retryable in [
        ("InternalError.Timeout", True),
        ("InvalidURL.Timeout", True),
        ("InvalidFile.FPS", False),
        ("New", False),
    ]:
        with pytest.raises(TaskFailedError) as caught:
            task(task_status="FAILED", code=code).raise_for_status()
        assert caught.value.retryable is retryable


@pytest.mark.parametrize(
    ("message", "retryable"),
    [
        ("Free allocated quota exceeded.", False),
        ("您的免费额度已用完", False),
        ("The free tier allows 60 requests per minute.", True),
        ("Allocated quota exceeded, please increase your quota limit.", True),
    ],
)
@pytest.mark.parametrize("code", ["Throttling.AllocationQuota", "Throttling"])
def test_a_task_failed_for_a_used_up_free_quota_needs_paid_use(code: str, message: str, retryable: bool) -> None:
    with pytest.raises(TaskFailedError) as caught:
        task(task_status="FAILED", code=code, message=message).raise_for_status()
    assert caught.value.retryable is retryable
    assert ("paid use" in caught.value.remedy) is not retryable


def test_other_ends() -> None:
    with pytest.raises(TaskFailedError, match="CANCELED"):
        task(task_status="CANCELED").raise_for_status()
    with pytest.raises(TaskUnknownError, match="not known to the service"):
        task(task_status="UNKNOWN").raise_for_status()
    task(task_status="POST-PROCESSING").raise_for_status()
    assert not task(task_status="PRE-PROCESSING").ended


def test_list_query_and_page() -> None:
    request = list_tasks(
        model="videoretalk",
        status="RUNNING",
        since=datetime(2026, 11, 20, 12, tzinfo=timezone.utc),
        until=datetime(2026, 11, 20, 13, tzinfo=timezone.utc),
        page=2,
    )
    assert dict(request.query) == {
        "model_name": "videoretalk",
        "status": "RUNNING",
        "start_time": "20261120200000",
        "end_time": "20261120210000",
        "page_no": "2",
        "page_size": "10",
    }
    row = {
        "task_id": "t1",
        "status": "PRE-PROCESSING",
        "gmt_create": 1795176929887,
        "model_name": "videoretalk",
        "odd": 1,
    }
    body = json.dumps({"total": 11, "total_page": 2, "data": [row, {"task_id": "t2"}]}).encode()
    page = request.read(Reply(status=200, headers={}, content=body))
    assert (page.total, page.total_pages) == (11, 2)
    assert (page.rows[0].status, page.rows[0].model) == ("RUNNING", "videoretalk")
    assert page.rows[0].created_at == datetime(2026, 11, 20, 20, 15, 29, 887000, tzinfo=UTC8)
    assert page.rows[1].finished_at is None


def test_a_task_id_cannot_leave_its_path() -> None:
    assert get_task("../../x?y").path == "tasks/..%2F..%2Fx%3Fy"


def test_a_message_of_the_service_shows_no_signature() -> None:
    """The service names the URL that it could not fetch."""
    message = "Download https://h/202611300900/a.mp4?q-ak=AK&q-signature=hush timeout."
    payload = {"output": {"task_id": "t", "task_status": "FAILED", "code": "InvalidURL.Timeout", "message": message}}
    with pytest.raises(TaskFailedError) as failed:
        Task.parse(payload).raise_for_status()
    refused = service_error({"code": "InvalidURL", "message": message}, status=400, headers={})
    for error in (failed.value, refused):
        assert "https://h/202611300900/a.mp4 timeout." in str(error)
        assert "hush" not in str(error)


def test_a_result_behind_a_cdn_does_not_expire_when_it_is_signed() -> None:
    """The CDN adds a period to the time in its URL."""
    output = {"task_id": "t", "task_status": "SUCCEEDED", "end_time": "2026-11-22 12:00:00.000"}
    output |= {"video_url": "https://cdn.example.com/out.mp4?auth_key=1795320000-0-0-" + "0" * 32}
    assert Task.parse({"output": output}).expires_at == datetime(2026, 11, 23, 4, tzinfo=timezone.utc)
