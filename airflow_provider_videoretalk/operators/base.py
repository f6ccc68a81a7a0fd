"""The base of all operators that send paid requests."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator

from airflow_provider_videoretalk.airflow_adapters.charge_writer import ChargeWriter
from airflow_provider_videoretalk.airflow_adapters.error_note import error_noted, notes_error
from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_rendered_urls
from airflow_provider_videoretalk.dashscope.errors import error_from_json
from airflow_provider_videoretalk.links import WatchLink
from airflow_provider_videoretalk.operators.template_values import as_optional_seconds
from airflow_provider_videoretalk.triggers.retry_later import RetryLaterTrigger
from airflow_provider_videoretalk.triggers.single_event import SHORTEST_DEFERRAL

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.errors import ThrottledError
    from airflow_provider_videoretalk.hooks.connection_settings import AccountSettings
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
    from airflow_provider_videoretalk.job_history.charges import ChargeKind

_LONGEST_PAUSE = 60.0


class _RunAgainError(Exception):
    """:meth:`DashScopeOperator.attempt` must run again.

    :param moment: when, in seconds since the epoch
    """

    def __init__(self, moment: float, *, refusals: int, since: float) -> None:
        super().__init__()
        self.moment = moment
        self.refusals = refusals
        self.since = since


class DashScopeOperator(BaseOperator):
    """Sends one paid request, and sends it again while the account is throttled. A pause of 15 s or more defers.

    :param dashscope_conn_id: The Airflow connection of type ``dashscope``.
    :param throttle_timeout: How long to go on sending while the account is throttled, as a timedelta or in seconds.
        Defaults to the connection's ``throttle_timeout``, or one hour. An operator may only shorten a value that the
        connection sets.
    """

    operator_extra_links = (WatchLink(),)

    def __init__(
        self,
        *,
        dashscope_conn_id: str = "dashscope_default",
        throttle_timeout: timedelta | float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dashscope_conn_id = dashscope_conn_id
        self.throttle_timeout = as_optional_seconds("throttle_timeout", throttle_timeout)

    @cached_property
    def hook(self) -> DashScopeHook:
        """The hook of :attr:`dashscope_conn_id`."""
        # Loads requests.
        from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

        return DashScopeHook(self.dashscope_conn_id)

    @cached_property
    def account_settings(self) -> AccountSettings:
        """The operator's own values, within the limits of its connection.

        :raises ConfigurationError: the connection sets an unusable limit
        """
        return self.hook.settings.narrow(**self.own_settings)

    @property
    def own_settings(self) -> dict[str, Any]:
        """The values that this operator sets itself; ``None`` where it leaves one to the connection."""
        return {"throttle_timeout": self.throttle_timeout}

    @property
    def noted_row(self) -> object:
        """The reference to the row of a batch that this task makes; ``None`` without one."""
        return None

    def charges(self, context: Context, paid_for: ChargeKind) -> ChargeWriter:
        """Writes what this try pays for without a render job to the job history."""
        return ChargeWriter(context=context, connection_id=self.dashscope_conn_id, paid_for=paid_for)

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        super()._do_render_template_fields(*args, **kwargs)
        mask_rendered_urls(self)

    @notes_error
    def execute(self, context: Context) -> Any:
        return self._attempts(context, refusals=0, since=time.time())

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        with error_noted(context, self.noted_row):
            return super().resume_execution(next_method, next_kwargs, context)

    def execute_again(self, context: Context, event: dict[str, Any]) -> Any:
        """Runs :meth:`attempt` again after a deferral."""
        if "error" in event:
            raise error_from_json(event["error"])
        return self._attempts(context, refusals=event["refusals"], since=event["since"])

    def _attempts(self, context: Context, *, refusals: int, since: float) -> Any:
        while True:
            try:
                return self.attempt(context, refusals=refusals, since=since)
            except _RunAgainError as again:
                refusals, since = again.refusals, again.since
                pause = again.moment - time.time()
                if pause >= SHORTEST_DEFERRAL:
                    self._defer_until(again.moment, note={"refusals": refusals, "since": since})
                time.sleep(max(0.0, pause))

    def _defer_until(self, moment: float, *, note: dict[str, Any]) -> NoReturn:
        trigger = RetryLaterTrigger(moment=moment, note={**self.kept_note, **note})
        self.defer(trigger=trigger, method_name="execute_again")

    @property
    def kept_note(self) -> dict[str, Any]:
        """JSON-safe values that a deferral keeps for :meth:`execute_again`, besides the numbers of :meth:`attempt`."""
        return {}

    def attempt(self, context: Context, *, refusals: int, since: float) -> Any:
        """Sends the request once and returns the operator's result.

        :param refusals: how many requests in a row the throttled account has refused
        :param since: when the first of them was sent, in seconds since the epoch
        """
        raise NotImplementedError

    def retry_throttled(self, error: ThrottledError, *, refusals: int, since: float) -> NoReturn:
        """Runs :meth:`attempt` again when the throttled account may accept a request.

        :raises ThrottledError: ``throttle_timeout`` is over
        """
        pause = max(error.retry_after or 0.0, random.uniform(0.5, 1.0) * min(2.0 ** (refusals + 1), _LONGEST_PAUSE))
        moment = time.time() + pause
        if moment > since + self.account_settings.throttle_timeout:
            raise error
        self.log.info("The account is throttled and created nothing. Sending again in %.0f s: %s", pause, error)
        self.run_again_at(moment, refusals=refusals + 1, since=since)

    def run_again_at(self, moment: float, *, refusals: int, since: float) -> NoReturn:
        """Runs :meth:`attempt` again at ``moment``, in seconds since the epoch, with these numbers."""
        raise _RunAgainError(moment, refusals=refusals, since=since)
