"""Why DashScope gave no usable answer to a page, in words that name the cause."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    ConfigurationError,
    DashScopeError,
    ServerError,
    ThrottledError,
    TransportError,
)
from airflow_provider_videoretalk.outbound.signed_url import safe_text
from airflow_provider_videoretalk.ui.shared_answers import Unanswered

NoAnswerCause = Literal[
    "access_refused",
    "no_connection",
    "unusable_connection",
    "throttled",
    "service_failed",
    "request_refused",
    "nonsense",
    "unreachable",
    "slow",
    "busy",
]

_SENTENCES: Mapping[NoAnswerCause, str] = MappingProxyType(
    {
        "access_refused": "The service refuses the key of the connection {conn_id}",
        "no_connection": "There is no connection {conn_id} that the API server can read",
        "unusable_connection": "The connection {conn_id} is not usable",
        "throttled": "The service refuses further requests for now, because the account has sent too many",
        "service_failed": "The service failed",
        "request_refused": "The service refuses the query",
        "nonsense": "The answer at the address of the connection {conn_id} is not one of the service",
        "unreachable": "The service cannot be reached from the API server",
        "slow": "The service does not answer within some seconds",
        "busy": "Airflow asks the service too many questions at the moment",
    }
)

_NO_REPLY = re.compile(r" got no reply: (?P<cause>.+)\Z", re.DOTALL)
_SLOW = re.compile(r"timed out|\bit took more than\b")

# Characters of the service's own words.
_MAX_DETAIL = 500


@dataclass(frozen=True, kw_only=True)
class NoAnswer:
    """There is no usable answer.

    :param detail: the error's own words, without secrets; ``""`` if it has none
    :param remedy: what a person can do; ``""`` if nothing is known
    """

    cause: NoAnswerCause
    conn_id: str
    detail: str = ""
    remedy: str = ""

    @property
    def sentence(self) -> str:
        """The cause, with the error's own words."""
        stem = _SENTENCES[self.cause].format(conn_id=repr(self.conn_id))
        return f"{stem}: {self.detail.rstrip('.')}." if self.detail else f"{stem}."

    @classmethod
    def from_error(cls, error: BaseException, *, conn_id: str) -> NoAnswer:
        """The cause that an error of the hook or of the client names."""
        if not isinstance(error, DashScopeError):
            # Airflow's own error: its secrets backend or its database may be the cause.
            return cls(cause="unusable_connection", conn_id=conn_id, detail=type(error).__name__)
        cause, detail = _cause(error), error.message
        if found := _NO_REPLY.search(detail):
            # The beginning names the endpoint, which a reader of the DAG need not know.
            detail = found["cause"]
        if cause in ("no_connection", "slow"):
            detail = ""
        return cls(cause=cause, conn_id=conn_id, detail=safe_text(detail)[:_MAX_DETAIL], remedy=error.remedy)

    @classmethod
    def from_silence(cls, silence: Unanswered, *, conn_id: str) -> NoAnswer:
        if silence.error is not None:
            return cls.from_error(silence.error, conn_id=conn_id)
        return cls(cause="busy" if silence.cause == "busy" else "slow", conn_id=conn_id, remedy="Try again later.")


def _cause(error: DashScopeError) -> NoAnswerCause:
    if isinstance(error, ConfigurationError):
        return (
            "no_connection" if type(error.__cause__).__name__ == "AirflowNotFoundException" else "unusable_connection"
        )
    if isinstance(error, AccessError):
        return "access_refused"
    if isinstance(error, ThrottledError):
        return "throttled"
    if isinstance(error, ServerError) or (error.status or 0) >= 500:
        return "service_failed"
    if not isinstance(error, TransportError):
        return "request_refused"
    found = _NO_REPLY.search(error.message)
    if found is None:
        return "nonsense"
    return "slow" if _SLOW.search(found["cause"]) else "unreachable"
