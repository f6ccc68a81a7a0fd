"""The error of a submit whose outcome a person must find out."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_provider_videoretalk.dashscope.errors import RequestError
from airflow_provider_videoretalk.dashscope.task_list import TaskRow
from airflow_provider_videoretalk.submission.unknown_outcome import DoubtError, outcome_unknown


def row(task_id: str, *, created_at: datetime | None = None) -> TaskRow:
    return TaskRow(
        task_id=task_id,
        status="RUNNING",
        model="m",
        request_id=None,
        created_at=created_at,
        finished_at=None,
        api_key_id=None,
    )


def test_each_render_job_in_question_is_named() -> None:
    rows = [row("t1", created_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)), row("t2")]
    assert outcome_unknown("it is unknown", rows).message == (
        "it is unknown: t1 (RUNNING, created 2026-03-04 05:06:07 UTC), t2 (RUNNING, created at an unknown time)"
    )


@pytest.mark.parametrize(("count", "end"), [(50, "t49 (RUNNING, created at an unknown time)"), (52, " and 2 more")])
def test_fifty_are_named_at_most(count: int, end: str) -> None:
    message = outcome_unknown("it is unknown", [row(f"t{number}") for number in range(count)]).message
    assert message.endswith(end)
    assert message.count("RUNNING") == 50


def test_the_error_in_place_of_a_reply_is_told_to_the_service_by_its_request_id() -> None:
    cause = RequestError("no", code="Conflict", request_id="r1", status=409)
    error = outcome_unknown("it is unknown", cause=cause)
    assert (error.message, error.code, error.request_id, error.status) == ("it is unknown", "Conflict", "r1", 409)
    error = outcome_unknown("it is unknown")
    assert (error.code, error.request_id, error.status) == ("", None, None)


def test_a_doubt_is_final_unless_it_says_otherwise() -> None:
    doubt = DoubtError("why", [row("t1")])
    assert (str(doubt), doubt.reason, [each.task_id for each in doubt.rows], doubt.may_pass) == (
        "why", "why", ["t1"], False,
    )  # fmt: skip
