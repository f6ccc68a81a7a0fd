"""Error replies of DashScope and of its object store, as exceptions that the app converts to responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ServiceError(Exception):
    """An error reply of DashScope: HTTP status, ``code`` and ``message``.

    :param headers: further response headers, such as ``Retry-After``
    """

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


class OssError(Exception):
    """An error reply of the object store (OSS); its body is XML.

    :param details: further elements of the XML body, in order
    :param headers: further response headers
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.headers = dict(headers or {})


def invalid_parameter(message: str) -> ServiceError:
    return ServiceError(400, "InvalidParameter", message)


def empty_part(name: str) -> ServiceError:
    """A missing top-level field of a body (model, input, parameters), with the generic codes of the error page."""
    return ServiceError(400, f"BadRequest.Empty{name.title()}", f'Required parameter "{name}" missing from request.')


def model_not_found() -> ServiceError:
    # The code is documented. The message is not certain.
    return ServiceError(404, "ModelNotFound", "Model can not be found.")


def url_error() -> ServiceError:
    """A model that was requested at the endpoint of another model family."""
    return invalid_parameter("url error, please check url!")


def throttled() -> ServiceError:
    # The service documents no Retry-After header.
    return ServiceError(429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later.")


def not_found() -> ServiceError:
    # The answer of the service or of a gateway to an unknown path is not known.
    return ServiceError(404, "NotFound", "The requested resource does not exist.")
