"""What the operators that pay for something share."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator

from airflow_provider_videoretalk.links import WatchLink
from airflow_provider_videoretalk.operators.values import as_seconds

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.errors import ThrottledError
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

_LONGEST_PAUSE = 60.0


class DashScopeOperator(BaseOperator):
    """Sends one paid request. While the account is throttled it defers and sends again, without holding a worker.

    :param dashscope_conn_id: the connection
    :param throttle_timeout: how long to go on sending while the account is throttled, as a timedelta or in seconds
    """

    operator_extra_links = (WatchLink(),)

    def __init__(
        self,
        *,
        dashscope_conn_id: str = "dashscope_default",
        throttle_timeout: timedelta | float = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dashscope_conn_id = dashscope_conn_id
        self.throttle_timeout = as_seconds("throttle_timeout", throttle_timeout)

    @cached_property
    def hook(self) -> DashScopeHook:
        from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

        return DashScopeHook(self.dashscope_conn_id)

    def execute(self, context: Context) -> Any:
        return self.attempt(context, refusals=0, since=time.time())

    def execute_again(self, context: Context, event: dict[str, Any]) -> Any:
        """Goes on after a pause."""
        return self.attempt(context, refusals=event["refusals"], since=event["since"])

    def attempt(self, context: Context, *, refusals: int, since: float) -> Any:
        """Sends the request and goes on from its answer.

        :param refusals: how often the throttled account refused it so far
        :param since: when it was sent first, in seconds since the epoch
        """
        raise NotImplementedError

    def send_later(self, error: ThrottledError, *, refusals: int, since: float) -> NoReturn:
        """Defers until the throttled account may be asked again.

        :raises ThrottledError: ``throttle_timeout`` is over
        """
        pause = max(error.retry_after or 0.0, random.uniform(0.5, 1.0) * min(2.0 ** (refusals + 1), _LONGEST_PAUSE))
        moment = time.time() + pause
        if moment > since + self.throttle_timeout:
            raise error
        self.log.info("The account is throttled, nothing was created; sending again in %.0f s: %s", pause, error)
        self.come_back(moment, refusals=refusals + 1, since=since)

    def come_back(self, moment: float, *, refusals: int, since: float) -> NoReturn:
        """Defers until ``moment``, in seconds since the epoch; :meth:`attempt` then goes on with these numbers."""
        from airflow_provider_videoretalk.triggers.delay import DelayTrigger

        self.defer(
            trigger=DelayTrigger(moment=moment, note={"refusals": refusals, "since": since}),
            method_name="execute_again",
        )
