"""What the operators that pay for something share."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.errors import ThrottledError
    from airflow_provider_videoretalk.dashscope.request import Request
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

T = TypeVar("T")

_LONGEST_PAUSE = 60.0


class DashScopeOperator(BaseOperator):
    """Sends one paid request. While the account is throttled it defers and sends again, without holding a worker.

    :param dashscope_conn_id: the connection
    :param throttle_timeout: how long to go on sending while the account is throttled
    """

    def __init__(
        self,
        *,
        dashscope_conn_id: str = "dashscope_default",
        throttle_timeout: timedelta = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dashscope_conn_id = dashscope_conn_id
        self.throttle_timeout = throttle_timeout

    @cached_property
    def hook(self) -> DashScopeHook:
        from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

        return DashScopeHook(self.dashscope_conn_id)

    def execute(self, context: Context) -> Any:
        return self.attempt(context, refusals=0, since=time.time())

    def execute_again(self, context: Context, event: dict[str, Any]) -> Any:
        """Resumes after a pause for a throttled account."""
        return self.attempt(context, refusals=event["refusals"], since=event["since"])

    def attempt(self, context: Context, *, refusals: int, since: float) -> Any:
        """Sends the request and goes on from its answer.

        :param refusals: how often the throttled account refused it so far
        :param since: when it was sent first, in seconds since the epoch
        """
        raise NotImplementedError

    def send(self, request: Request[T], *, refusals: int, since: float) -> T:
        """The answer; a throttled account's refusal defers the task.

        :raises AirflowFailException: a paid request's outcome is unknown; a retry would pay again
        :raises DashScopeError: any other error
        """
        from airflow.sdk.exceptions import AirflowFailException

        from airflow_provider_videoretalk.dashscope.errors import OutcomeUnknownError, ThrottledError

        try:
            return self.hook.client.send(request)
        except ThrottledError as error:
            self._send_later(error, refusals=refusals + 1, since=since)
        except OutcomeUnknownError as error:
            raise AirflowFailException(str(error)) from error

    def _send_later(self, error: ThrottledError, *, refusals: int, since: float) -> NoReturn:
        from airflow_provider_videoretalk.triggers.delay import DelayTrigger

        now = time.time()
        pause = max(error.retry_after or 0.0, random.uniform(0.5, 1.0) * min(2.0**refusals, _LONGEST_PAUSE))
        if now + pause > since + self.throttle_timeout.total_seconds():
            raise error
        self.log.info("The account is throttled, nothing was created; sending again in %.0f s: %s", pause, error)
        self.defer(
            trigger=DelayTrigger(moment=now + pause, note={"refusals": refusals, "since": since}),
            method_name="execute_again",
        )
