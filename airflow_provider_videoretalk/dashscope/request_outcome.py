"""Tells an observer how each request ended, so that requests and refusals can be counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, ThrottledError
from airflow_provider_videoretalk.dashscope.request import Request

RequestOutcome = Literal["answered", "throttled", "refused", "failed", "no_reply"]
"""
- ``answered``: with what was asked for
- ``throttled``: refused as one too many (429)
- ``refused``: any other answer below 500 that is an error
- ``failed``: an answer from 500 on
- ``no_reply``: no usable answer
"""


class NoteRequest(Protocol):
    """Called once for each request, at its end. It must not raise or block.

    :param route: a :data:`~.request.Route`, or ``other``
    """

    def __call__(self, route: str, outcome: RequestOutcome, /) -> None: ...


def ignore_request(route: str, outcome: RequestOutcome, /) -> None:
    """A :class:`NoteRequest` that does nothing."""


@contextmanager
def noted(request: Request[Any], note: NoteRequest) -> Iterator[None]:
    """Notes how the request that is sent in the block has ended."""
    route = request.route or "other"
    try:
        yield
    except DashScopeError as error:
        note(route, outcome_of(error))
        raise
    note(route, "answered")


def outcome_of(error: DashScopeError) -> RequestOutcome:
    """How a request ended that raised ``error``."""
    if isinstance(error, ThrottledError):
        return "throttled"
    if error.status is None:
        return "no_reply"
    return "failed" if error.status >= 500 else "refused"
