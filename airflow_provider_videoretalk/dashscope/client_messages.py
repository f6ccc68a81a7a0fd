"""What both clients share: the arguments of a request, the parts of a reply, and the error if there is no reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, TransportError
from airflow_provider_videoretalk.dashscope.multipart_upload import MultipartUpload
from airflow_provider_videoretalk.dashscope.reply_values import clean_text
from airflow_provider_videoretalk.dashscope.request import Reply, Request
from airflow_provider_videoretalk.outbound.failure_cause import describe_failure
from airflow_provider_videoretalk.outbound.reply_body import ReplyBody


def library_arguments(endpoint: Endpoint, request: Request[Any]) -> dict[str, Any]:
    """The arguments that both libraries take under the same names."""
    headers = {"Accept-Encoding": "identity", **endpoint.headers(request.path), **request.headers}
    arguments: dict[str, Any] = {"headers": headers, "params": dict(request.query), "allow_redirects": False}
    if isinstance(request.body, MultipartUpload):
        headers["Content-Type"] = request.body.content_type
        arguments["data"] = request.body
    elif request.body is not None:
        arguments["json"] = request.body
    return arguments


def reply_of(status: int, headers: Mapping[str, str], body: ReplyBody) -> Reply:
    names = {name.lower(): clean_text(value) for name, value in headers.items()}
    return Reply(status=status, headers=names, content=body.content())


def no_reply_error(
    error: Exception, request: Request[Any], url: str, *, sent: bool, timed_out: bool = False
) -> DashScopeError:
    """The error for a request without a usable reply."""
    if not isinstance(error, DashScopeError):
        cause = f"it took more than {request.total_timeout:g} s" if timed_out else describe_failure(error)
        # Not the text of the exception, which may contain a URL with a signature in its query.
        error = TransportError(
            f"{request.method} {url} got no reply: {cause}",
            remedy="Check the network between Airflow and the endpoint, and the connection's base URL and proxy.",
        )
    return request.lost(error) if sent else error
