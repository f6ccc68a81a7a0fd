"""How gateways have the service's render jobs: other paths, and other shapes of reply.

A gateway passes a render job on to the service. Many have the service's own routes below a path prefix; the base URL is
all that they need. Others have a query elsewhere, and answer it in another shape. A dialect describes one such shape.
Requests and replies are converted here, so that everything else reads only what DashScope itself answers.

Sources: the public documentation of gateways, of November 2026. None documents the service's list or its temporary
storage, and none can cancel a render job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from airflow_provider_videoretalk.dashscope.errors import RequestError
from airflow_provider_videoretalk.dashscope.reply_values import epoch_time, mapping, web_url
from airflow_provider_videoretalk.dashscope.request import Request, Route

T = TypeVar("T")
Payload = Mapping[str, Any]

DialectName = Literal["dashscope", "video-tasks", "flat-tasks", "video-generations"]
"""The dialects, named by the path of a query and the shape of its reply."""

_SECOND = timedelta(seconds=1)

_ROUTE_NAMES = {"list": "the list of render jobs", "cancel": "cancelling", "upload": "uploads"}

# The words for a status at the top level of a reply, in the shapes that do not use DashScope's own.
_STATUSES = {
    "submitted": "PENDING",
    "queued": "PENDING",
    "pending": "PENDING",
    "not_start": "PENDING",
    "in_progress": "RUNNING",
    "processing": "RUNNING",
    "completed": "SUCCEEDED",
    "success": "SUCCEEDED",
    "failure": "FAILED",
    "cancelled": "CANCELED",
}


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The shape of a gateway's routes and replies.

    :param query_path: of a query, with ``{id}`` in it; ``None`` for DashScope's own
    :param submit_path: of every submit; ``None`` if each model has the path that it has at DashScope
    :param write_submission: converts the body of a submit
    :param read_submission: converts the reply to a submit into DashScope's shape
    :param read_task: converts the reply to a query into DashScope's shape; its second argument is the id in the query
    :param other_routes: what there is besides submit and query
    """

    name: DialectName
    query_path: str | None = None
    submit_path: str | None = None
    write_submission: Callable[[Payload], Payload] = dict
    read_submission: Callable[[Payload], Payload] = dict
    read_task: Callable[[Payload, str], Payload] = lambda payload, queried: payload
    other_routes: frozenset[Route] = frozenset()

    def adapt(self, request: Request[T]) -> Request[T]:
        """The same request at a gateway of this shape.

        :raises RequestError: it has no such route; nothing is sent
        """
        if request.route is None or request.route in self.other_routes:
            return request
        if request.route == "query":
            return self._query(request)
        if request.route == "submit":
            return self._submit(request)
        raise RequestError(
            f"a gateway of the dialect {self.name!r} has no route for {_ROUTE_NAMES[request.route]}",
            # As the gateway itself would answer: callers go on without the route.
            status=404,
            remedy="Set the connection's extra 'dialect' if the endpoint has it. Else do without it.",
        )

    def _query(self, request: Request[T]) -> Request[T]:
        path = self.query_path
        return replace(
            request,
            path=request.path if path is None else path.format(id=quote(request.job_id, safe="")),
            parse=lambda payload: request.parse(self.read_task(payload, request.job_id)),
        )

    def _submit(self, request: Request[T]) -> Request[T]:
        body = request.body
        return replace(
            request,
            path=request.path if self.submit_path is None else self.submit_path,
            body=self.write_submission(body) if isinstance(body, Mapping) else body,
            parse=lambda payload: request.parse(self.read_submission(payload)),
        )


def in_dialect(request: Request[T], name: DialectName) -> Request[T]:
    """The request as an endpoint of the dialect takes it.

    :raises RequestError: such an endpoint has no route for it; nothing is sent
    """
    return DIALECTS[name].adapt(request)


def _video_task(payload: Payload, queried: str) -> Payload:
    """DashScope's shape, in which the id may be missing."""
    return {**payload, "output": {"task_id": queried, **mapping(payload.get("output"))}}


def _flat_task(payload: Payload, queried: str) -> Payload:
    """Status, ``result_url`` and ``error`` at the top level. An id is not documented: if there is one, it counts."""
    return _task_reply(payload, {"task_id": queried, **_with_id(payload)}, urls=(payload.get("result_url"),))


def _flat_submission(payload: Payload) -> Payload:
    """An id at the top level, or DashScope's own shape."""
    output = mapping(payload.get("output"))
    return payload if output.get("task_id") else _submission_reply(payload, _with_id(payload))


def _generation(payload: Payload, queried: str) -> Payload:
    """The result at ``metadata.url``, ``url`` or ``result_url``. Some releases put all of it into ``data``."""
    body = _with_id(_unwrapped(payload))
    if str(body.get("status")).lower() == "unknown":
        # It stands for a status of the service that the gateway does not know, such as PRE-PROCESSING.
        body = {**body, "status": "in_progress"}
    urls = (mapping(body.get("metadata")).get("url"), body.get("url"), body.get("result_url"))
    return _task_reply(payload, body, urls=urls)


def _generation_submission(payload: Payload) -> Payload:
    return _submission_reply(payload, _with_id(_unwrapped(payload)))


def _generation_body(body: Payload) -> Payload:
    """``metadata`` takes every field that is not common to all models."""
    metadata = {name: value for name, value in body.items() if name != "model"}
    return {"model": body.get("model"), "metadata": metadata}


def _unwrapped(payload: Payload) -> Payload:
    return payload if "status" in payload else mapping(payload.get("data")) or payload


def _with_id(body: Payload) -> Payload:
    """The reply with its id as ``task_id``. Some have ``id`` instead; beside ``task_id`` it is another number."""
    return {**body, "task_id": body["id"]} if "id" in body and "task_id" not in body else body


def _submission_reply(payload: Payload, body: Payload) -> Payload:
    output = {"task_id": body.get("task_id"), "task_status": _status(body)}
    return {"request_id": payload.get("request_id"), "output": output}


def _task_reply(payload: Payload, body: Payload, *, urls: tuple[object, ...]) -> Payload:
    """DashScope's shape, of known fields only."""
    error = body.get("error") or body.get("fail_reason")
    details = mapping(error)
    output = {
        "task_id": body.get("task_id"),
        "task_status": _status(body),
        "submit_time": _time(body, "created_at", "submit_time"),
        "scheduled_time": _time(body, "start_time"),
        "end_time": _time(body, "completed_at", "finish_time"),
        "video_url": next(filter(web_url, urls), None),
        "code": details.get("code") or None,
        "message": error if isinstance(error, str) else details.get("message"),
    }
    return {
        "request_id": payload.get("request_id"),
        "output": {name: value for name, value in output.items() if value is not None},
        "usage": mapping(body.get("usage")),
    }


def _status(body: Payload) -> object:
    word = body.get("status")
    return _STATUSES.get(word.lower(), word.upper()) if isinstance(word, str) else word


def _time(body: Payload, *names: str) -> str | None:
    moments = (epoch_time(body.get(name), unit=_SECOND) for name in names)
    return next((moment.isoformat() for moment in moments if moment), None)


_DIALECTS = (
    Dialect(name="dashscope", other_routes=frozenset({"list", "cancel", "upload"})),
    Dialect(name="video-tasks", query_path="tasks/video/{id}", read_task=_video_task),
    Dialect(name="flat-tasks", query_path="/v1/tasks/{id}", read_submission=_flat_submission, read_task=_flat_task),
    Dialect(
        name="video-generations",
        query_path="/v1/video/generations/{id}",
        submit_path="/v1/video/generations",
        write_submission=_generation_body,
        read_submission=_generation_submission,
        read_task=_generation,
    ),
)
DIALECTS: Mapping[DialectName, Dialect] = {dialect.name: dialect for dialect in _DIALECTS}
