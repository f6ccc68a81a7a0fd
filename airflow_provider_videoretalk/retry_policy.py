"""Which errors of this package a retry can mend, for Airflow's ``retry_policy`` (3.3 and newer)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

if TYPE_CHECKING:
    from airflow.sdk import Context

_LONGEST_PAUSE = timedelta(minutes=10)


class DashScopeRetryPolicy(RetryPolicy):
    """Reads the error: ``VideoRetalkOperator(..., retries=5, retry_policy=DashScopeRetryPolicy())``.

    Errors of content and account fail at once, since no retry mends them; a throttled account is waited for as long as
    it asks; failures of the service back off. A limit of the wait itself, and whatever is not an error of this package,
    is left to the task's own settings.

    :param first_pause: before the first retry after a failure of the service; doubled for each further one
    """

    def __init__(self, *, first_pause: timedelta = timedelta(seconds=30)) -> None:
        self.first_pause = first_pause

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        from airflow_provider_videoretalk.dashscope.errors import DashScopeError, TaskTimeoutError

        if not isinstance(exception, DashScopeError) or isinstance(exception, TaskTimeoutError):
            return RetryDecision.default()
        if not exception.retryable:
            return RetryDecision.fail(reason=str(exception))
        pause = min(self.first_pause * 2 ** max(try_number - 1, 0), _LONGEST_PAUSE)
        asked = timedelta(seconds=exception.retry_after or 0.0)
        return RetryDecision.retry(delay=max(pause, asked), reason=str(exception))
