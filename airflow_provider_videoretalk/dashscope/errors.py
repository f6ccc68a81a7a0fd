"""What can go wrong between here and a finished video.

::

    DashScopeError
    ├── InputError              refused here, before anything was sent
    ├── ConfigurationError      the connection can't be used as it is
    ├── TransportError          no usable reply: time-out, dropped connection, a body that is not JSON
    ├── ServiceError            the service answered with an error code
    │   ├── RequestError        the request or its media are not acceptable
    │   ├── AccessError         key, permission, quota or bill
    │   ├── ThrottledError      too many requests; nothing was created
    │   └── ServerError         the service failed
    ├── OutcomeUnknownError     a submit whose reply was lost: a task may exist, and bill
    ├── TaskFailedError         the task ended FAILED or CANCELED
    ├── TaskUnknownError        the service knows no such task: expired, or another account's
    ├── TaskTimeoutError        waited longer than allowed
    │   ├── QueueTimeoutError   ... for the render to begin
    │   └── RenderTimeoutError  ... for the render to end
    ├── ResultExpiredError      the result's URL is past its end
    └── ChangedInputError       an earlier try submitted something else

Catch :class:`DashScopeError` for all of them; read ``retryable`` and ``retry_after`` to decide, ``remedy`` to tell a
person, ``request_id`` to ask the vendor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class DashScopeError(Exception):
    """Base of every error of this package.

    :param message: what happened, in the service's words where it gave any
    :param code: the service's error code, ``""`` where it gave none
    :param request_id: the service's id of the request, ``None`` where no reply came
    :param status: the HTTP status, ``None`` where no reply came
    :param retryable: whether the same request can succeed later without anybody changing anything
    :param retry_after: seconds the service asks to wait, ``None`` where it does not say
    :param remedy: what a person can do about it
    """

    retryable_by_default = False

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        request_id: str | None = None,
        status: int | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        remedy: str = "",
    ) -> None:
        self.message = message
        self.code = code
        self.request_id = request_id
        self.status = status
        self.retryable = self.retryable_by_default if retryable is None else retryable
        self.retry_after = retry_after
        self.remedy = remedy
        super().__init__(message)

    def __str__(self) -> str:
        origin = [f"HTTP {self.status}"] if self.status else []
        origin += [f"request_id {self.request_id}"] if self.request_id else []
        text = f"{self.code}: {self.message}" if self.code else self.message
        text += f" ({', '.join(origin)})" if origin else ""
        return f"{text.rstrip('.')}. {self.remedy}" if self.remedy else text

    def to_json(self) -> dict[str, Any]:
        """The error as JSON-safe values, for a trigger's event; :func:`error_from_json` reads it back."""
        return {"type": type(self).__name__, **vars(self)}


class InputError(DashScopeError, ValueError):
    """A value refused before anything was sent; the message names field, value and limit."""


class ConfigurationError(DashScopeError):
    """The connection lacks something, or holds something unusable."""


class TransportError(DashScopeError):
    """No usable reply."""

    retryable_by_default = True


class ServiceError(DashScopeError):
    """The service answered with an error."""


class RequestError(ServiceError):
    """The request or the media it names are not acceptable; sending it again can't help."""


class AccessError(ServiceError):
    """The key, its permissions, the quota or the bill stand in the way."""


class ThrottledError(ServiceError):
    """More requests than the account may send now; nothing was created."""

    retryable_by_default = True


class ServerError(ServiceError):
    """The service failed on its side."""

    retryable_by_default = True


class OutcomeUnknownError(DashScopeError):
    """A submit was sent and its reply lost. Sending it again may pay twice, so ``retryable`` is ``False``."""


class TaskFailedError(DashScopeError):
    """The task ended FAILED or CANCELED. ``retryable`` tells whether a new task can help."""


class TaskUnknownError(DashScopeError):
    """The service answers UNKNOWN: the record expired (24 hours), or belongs to another account."""


class TaskTimeoutError(DashScopeError):
    """The task took longer than the caller allows."""


class QueueTimeoutError(TaskTimeoutError):
    """The task was not begun within the time allowed for queueing."""


class RenderTimeoutError(TaskTimeoutError):
    """The task was not finished within the time allowed for rendering. It runs on, and bills when it succeeds."""


class ResultExpiredError(DashScopeError):
    """The result's URL is dead (24 hours after the task's end)."""


class ChangedInputError(DashScopeError):
    """An earlier try of the same Airflow task submitted other inputs, and the policy is to fail then."""


def error_from_json(data: Mapping[str, Any]) -> DashScopeError:
    """The inverse of :meth:`DashScopeError.to_json`; an unknown type becomes a plain :class:`DashScopeError`."""
    arguments = dict(data)
    name = arguments.pop("type", "")
    kinds = {kind.__name__: kind for kind in _tree(DashScopeError)}
    return kinds.get(name, DashScopeError)(arguments.pop("message"), **arguments)


def _tree(kind: type[DashScopeError]) -> Iterator[type[DashScopeError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)
