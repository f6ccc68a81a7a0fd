"""The errors of this package. Those of a download are beside the code that raises them.

::

    DashScopeError
    ├── InputError              a value was refused locally, nothing was sent
    ├── ConfigurationError      the connection or the installation is not usable
    ├── TransportError          no usable reply: time-out, dropped connection, a body that is not JSON
    ├── ServiceError            the service answered with an error code
    │   ├── RequestError        the request or its media are not acceptable
    │   ├── AccessError         key, permission, quota or bill
    │   ├── ThrottledError      too many requests; nothing was created
    │   └── ServerError         the service failed
    ├── OutcomeUnknownError     the reply to a submit was lost: a render job may exist, and be billed
    ├── TaskFailedError         the render job ended FAILED or CANCELED
    ├── TaskUnknownError        the service does not know the render job: expired, or of another account
    ├── TaskTimeoutError        the wait took longer than allowed
    │   ├── QueueTimeoutError   ... until the render began
    │   └── RenderTimeoutError  ... until the render ended
    ├── ResultExpiredError      the URL of the result has expired
    ├── ChangedInputError       an earlier try submitted something else
    └── StateReadError          stored state (a record, a trigger's arguments) cannot be read

Catch :class:`DashScopeError` for all of them. ``retryable`` and ``retry_after`` say whether and when a retry can help,
``remedy`` says what a person can do, and the vendor's support asks for ``request_id``.
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
    :param retryable: whether the same request can succeed later without any change
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
    """A value was refused before anything was sent. The message names field, value and limit."""


class ConfigurationError(DashScopeError):
    """The connection or the installation lacks a value, or contains one that is not usable."""


class TransportError(DashScopeError):
    """No usable reply."""

    retryable_by_default = True


class ServiceError(DashScopeError):
    """The service answered with an error."""


class RequestError(ServiceError):
    """The request, or the media that it names, are not acceptable. Sending it again cannot help."""


class AccessError(ServiceError):
    """The key, its permissions, the quota or an unpaid bill prevent the request."""


class ThrottledError(ServiceError):
    """The account may not send more requests now. Nothing was created."""

    retryable_by_default = True


class ServerError(ServiceError):
    """The service failed on its side."""

    retryable_by_default = True


class OutcomeUnknownError(DashScopeError):
    """The reply to a submit was lost. Sending it again may pay twice, so ``retryable`` is ``False``."""


class TaskFailedError(DashScopeError):
    """The render job ended FAILED or CANCELED. ``retryable`` says whether a new job can help."""


class TaskUnknownError(DashScopeError):
    """The service answers UNKNOWN: the job expired (24 hours), or belongs to another account."""


class TaskTimeoutError(DashScopeError):
    """The render job took longer than the caller allows."""


class QueueTimeoutError(TaskTimeoutError):
    """The render did not begin within the time allowed for queueing."""


class RenderTimeoutError(TaskTimeoutError):
    """The render did not end within the time allowed. It continues, and is billed if it succeeds."""


class ResultExpiredError(DashScopeError):
    """The URL of the result has expired (24 hours after the end of the job)."""


class ChangedInputError(DashScopeError):
    """An earlier try of the same Airflow task submitted other inputs, and the policy is to fail in that case."""


class StateReadError(DashScopeError):
    """Stored state cannot be read: it is damaged, or another release of this package wrote it."""


_OPTIONAL_FIELDS = ("code", "request_id", "status", "retryable", "retry_after", "remedy")


def error_from_json(data: Mapping[str, Any]) -> DashScopeError:
    """The inverse of :meth:`DashScopeError.to_json`. Ignores unknown fields.

    An unknown type becomes a plain :class:`DashScopeError`.
    """
    kinds = {kind.__name__: kind for kind in _tree(DashScopeError)}
    arguments = {name: data[name] for name in _OPTIONAL_FIELDS if name in data}
    return kinds.get(data.get("type", ""), DashScopeError)(data["message"], **arguments)


def _tree(kind: type[DashScopeError]) -> Iterator[type[DashScopeError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)
