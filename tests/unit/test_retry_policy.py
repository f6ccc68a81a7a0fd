from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_videoretalk.dashscope import errors

pytest.importorskip("airflow.sdk.definitions.retry_policy", reason="Airflow has retry policies from 3.3 on")

from airflow.sdk.definitions.retry_policy import RetryAction

from airflow_provider_videoretalk.retry_policy import DashScopeRetryPolicy


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (errors.InputError("x"), RetryAction.FAIL),
        (errors.AccessError("Arrearage"), RetryAction.FAIL),
        (errors.TaskFailedError("x"), RetryAction.FAIL),
        (errors.TaskFailedError("x", retryable=True), RetryAction.RETRY),
        (errors.ServerError("x"), RetryAction.RETRY),
        (errors.RenderTimeoutError("x"), RetryAction.DEFAULT),
        (ZeroDivisionError(), RetryAction.DEFAULT),
    ],
)
def test_reads_the_error(error: Exception, action: RetryAction) -> None:
    assert DashScopeRetryPolicy().evaluate(error, 1, 5).action is action


def test_backs_off_and_waits_what_is_asked() -> None:
    policy = DashScopeRetryPolicy(first_pause=timedelta(seconds=10))
    delays = [policy.evaluate(errors.ServerError("x"), attempt, 9).retry_delay for attempt in (1, 2, 3, 20)]
    assert delays == [timedelta(seconds=10), timedelta(seconds=20), timedelta(seconds=40), timedelta(minutes=10)]
    throttled = errors.ThrottledError("x", retry_after=90)
    assert policy.evaluate(throttled, 1, 9).retry_delay == timedelta(seconds=90)
    for_good = errors.ServerError("x", retry_after=1e300)
    assert policy.evaluate(for_good, 2000, 9999).retry_delay == timedelta(minutes=10)
