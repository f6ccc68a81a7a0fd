"""A ``retry_policy`` for the errors of this package. Needs Airflow 3.3 or newer."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, TaskTimeoutError

try:
    from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
except ModuleNotFoundError as error:
    raise ImportError(
        "DashScopeRetryPolicy needs Airflow 3.3 or newer. On older versions, set retries and retry_delay on the task."
    ) from error

if TYPE_CHECKING:
    from airflow.sdk import Context

_LONGEST_PAUSE = timedelta(minutes=10)


class DashScopeRetryPolicy(RetryPolicy):
    """Decides by the error whether and when to retry.

    Use it as ``VideoRetalkOperator(..., retries=5, retry_policy=DashScopeRetryPolicy())``.

    - An error that is not ``retryable`` fails the task at once: inputs, connection, account, or a job that would fail
      again.
    - A retryable error is retried after ``first_pause``, doubled with every try up to 10 minutes, and not before the
      service's ``Retry-After``, of which 10 minutes count at most.
    - An error that ends a wait is retryable, unless it is the end of the render job: a retry resumes the job, and pays
      nothing.
    - A timeout of the wait, and an error of another package, use the task's own ``retries`` and ``retry_delay``.

    :param first_pause: Time before the first retry.
    """

    def __init__(self, *, first_pause: timedelta = timedelta(seconds=30)) -> None:
        self.first_pause = first_pause

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        if not isinstance(exception, DashScopeError) or isinstance(exception, TaskTimeoutError):
            return RetryDecision.default()
        if not exception.retryable:
            return RetryDecision.fail(reason=str(exception))
        pause = min(self.first_pause * 2 ** min(max(try_number - 1, 0), 10), _LONGEST_PAUSE)
        retry_after = timedelta(seconds=min(exception.retry_after or 0.0, _LONGEST_PAUSE.total_seconds()))
        return RetryDecision.retry(delay=max(pause, retry_after), reason=str(exception))
