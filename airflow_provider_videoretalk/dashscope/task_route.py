"""Whether render jobs can be queried at an endpoint: tried before the first submit, because a submit is paid.

An unknown id is queried, which is free. DashScope answers it with the status UNKNOWN. A gateway may answer with an
error about the id. Every other answer says that the endpoint has no such route.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

from airflow_provider_videoretalk.dashscope.dialect import DIALECTS
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.error_codes import is_known
from airflow_provider_videoretalk.dashscope.errors import (
    ConfigurationError,
    DashScopeError,
    RequestError,
    ServerError,
    ServiceError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.task import TaskStatus, get_task

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.client import Client

PROOF_SECONDS = 3600.0
"""Seconds for which a process relies on a route that it has tried."""

_STAGES = {*get_args(TaskStatus), "PRE-PROCESSING", "POST-PROCESSING"}

# Many servers repeat the path that they do not have, and it has "tasks" in it.
_ABOUT_THE_PATH = re.compile(r"://|(?<![\w/])/\w|\b(url|path|route|endpoint|api|page|method|handler)\b", re.IGNORECASE)
_JOB = r"\b(task|job|record)\b"
_ABSENT = r"\b((can)?not? ?(be )?(found|exists?|known)|does ?n.?t exist|unknown|invalid|expired|no such)\b"
_UNKNOWN_JOB = re.compile(
    rf"{_JOB}.{{0,60}}{_ABSENT}|{_ABSENT}.{{0,30}}{_JOB}|任务.{{0,20}}(不存在|未找到|无效|过期)|(不存在|未找到).{{0,10}}任务",
    re.IGNORECASE,
)
_WORD_END = re.compile(r"(?<=[a-z])(?=[A-Z])|[_.:-]+")


class TaskRoute:
    """What this process knows of the route for queries of one endpoint.

    :param clock: seconds that never run backwards
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._proven_until: float | None = None

    def check(self, client: Client) -> None:
        """Returns if render jobs can be queried. Sends at most one request in an hour, as long as they can.

        :raises ConfigurationError: the endpoint has no such route
        :raises DashScopeError: it did not answer, or does not accept the key: see :func:`check_task_route`
        """
        with self._lock:
            if self._proven_until is None or self._clock() >= self._proven_until:
                check_task_route(client)
                self._proven_until = self._clock() + PROOF_SECONDS


def check_task_route(client: Client) -> None:
    """Queries an unknown render job.

    A failure that may pass is raised as it is, and not taken for a route: a job could not be queried now either, and
    a retry costs nothing before the submit.

    :raises ConfigurationError: the endpoint has no route for queries, or answers in another shape
    :raises AccessError: it does not accept the key
    :raises ThrottledError: the account may not send more requests now
    :raises ServerError: it failed
    :raises TransportError: it did not answer
    """
    try:
        stage = client.send(get_task(str(uuid.uuid4()))).stage
    except DashScopeError as error:
        if isinstance(error, ServiceError) and names_unknown_job(error):
            return
        if _says_all_itself(error):
            raise
        raise no_task_route(client.endpoint, _answer_of(error)) from error
    if stage.upper() not in _STAGES:
        raise no_task_route(client.endpoint, f"the status is {stage!r}, which is not documented")


def names_unknown_job(error: ServiceError) -> bool:
    """Whether a refusal says that the render job is unknown. Only a route for queries can know that."""
    # Codes are one word: task_not_exist, TaskNotFound.
    words = _WORD_END.sub(" ", error.code), error.message.replace("_", " ")
    return any(_UNKNOWN_JOB.search(text) and not _ABOUT_THE_PATH.search(text) for text in words)


def no_task_route(endpoint: Endpoint, answer: str, *, remedy: str = "") -> ConfigurationError:
    """The error for an endpoint where render jobs cannot be queried.

    :param answer: how it answered
    :param remedy: by default all settings that may be wrong
    """
    path = DIALECTS[endpoint.dialect].query_path or "tasks/{id}"
    others = ", ".join(name for name in DIALECTS if name != endpoint.dialect)
    return ConfigurationError(
        f"a render job could not be queried at {endpoint.url(path)}: {answer.rstrip('.')}. Nothing was submitted",
        remedy=remedy
        or "Set the connection's base URL with the gateway's path prefix, as in https://gateway.example/qwen/api/v1, "
        f'or its extra dialect, as in {{"dialect": "video-tasks"}}. The dialect is {endpoint.dialect}; others are '
        f"{others}. The connection test tries all of them.",
    )


def _says_all_itself(error: DashScopeError) -> bool:
    """Whether the error is about the key, the account, the network or a failure of the service, and not the route."""
    if isinstance(error, TransportError):
        # An HTML page or another JSON object with HTTP 200 is an answer, and stays.
        return error.status is None or error.status >= 400
    if isinstance(error, RequestError):
        return error.status is not None and 300 <= error.status < 400
    if isinstance(error, ServerError):
        return error.status != 501 and (error.status != 200 or is_known(error.code))
    return True


def _answer_of(error: DashScopeError) -> str:
    message = f"{error.code}: {error.message}" if error.code else error.message
    return f"HTTP {error.status}, {message}" if error.status else message
