"""Submits a render job of any asynchronous DashScope model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.airflow_adapters.location_policy import LocationPolicy
from airflow_provider_videoretalk.airflow_adapters.url_masking import urls_in
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.task import submit_task
from airflow_provider_videoretalk.dashscope.task_output import OnFailedSubtask, check_on_failed_subtask
from airflow_provider_videoretalk.inputs.url_validity import url_warnings
from airflow_provider_videoretalk.operators.job import DashScopeJobOperator
from airflow_provider_videoretalk.operators.template_values import as_mapping, as_optional_mapping, as_text
from airflow_provider_videoretalk.outbound.signed_url import safe_url

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.request import Request
    from airflow_provider_videoretalk.dashscope.task import Submission, Task, WholeTaskResult
    from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob
    from airflow_provider_videoretalk.submission.record import Intent


class DashScopeTaskOperator(DashScopeJobOperator):
    """Submits a render job of a model that has no operator of its own, and returns its result, a
    :class:`~airflow_provider_videoretalk.dashscope.task.WholeTaskResult`.

    :param model: The model's name, e.g. ``wan2.2-s2v``. (templated)
    :param path: The model's path below the base URL, e.g. ``services/aigc/image2video/video-synthesis``. (templated)
    :param input: ``input`` of the request body. (templated)
    :param parameters: ``parameters`` of the request body. Those without a value (None, or an empty text) are left out.
        (templated)
    :param allowed_sources: What URLs ``input`` and ``parameters`` may have: a list of prefixes such as
        ``https://host/folder/``, or one text with commas between them. It narrows ``[videoretalk] allowed_sources`` of
        Airflow's configuration. (templated)
    :param on_failed_subtask: What to do if the job has succeeded, but some of its subtasks failed. ``fail`` fails the
        task. ``keep`` returns the result, whose ``subtasks`` tell which failed.

    All other parameters are those of :class:`~airflow_provider_videoretalk.operators.job.DashScopeJobOperator`.
    """

    template_fields: Sequence[str] = ("model", "path", "input", "parameters", "allowed_sources", "dashscope_conn_id")

    def __init__(
        self,
        *,
        model: str,
        path: str,
        input: Mapping[str, Any],
        parameters: Mapping[str, Any] | None = None,
        allowed_sources: Sequence[str] | str | None = None,
        on_failed_subtask: OnFailedSubtask = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_on_failed_subtask(on_failed_subtask)
        self.model = model
        self.path = path
        self.input = input
        self.parameters = parameters
        self.allowed_sources = allowed_sources
        self.on_failed_subtask = on_failed_subtask

    def submission(self) -> Request[Submission]:
        path = as_text("path", self.path).strip("/")
        if "://" in path or not path:
            raise InputError(
                f"path is {self.path!r}, allowed is a path below the connection's base URL",
                remedy="Remove scheme and host, e.g. services/aigc/image2video/video-synthesis.",
            )
        inputs = as_mapping("input", self.input)
        parameters = as_optional_mapping("parameters", self.parameters)
        policy = LocationPolicy(setting="allowed_sources", own=self.allowed_sources)
        for field, location in (*_locations("input", inputs), *_locations("parameters", parameters)):
            policy.check(field, location)
        return submit_task(path=path, model=as_text("model", self.model), inputs=inputs, parameters=parameters)

    def task_result(self, task: Task, awaited: AwaitedJob) -> WholeTaskResult:
        if self.on_failed_subtask == "fail":
            task.raise_for_subtasks()
        return task.whole_result(request_id=awaited.request_id)

    def prepare(self, intent: Intent) -> Intent:
        until = datetime.now(timezone.utc) + timedelta(seconds=self.queue_timeout)
        for url in urls_in(self.input):
            for warning in url_warnings(f"input: {safe_url(url)}", url, until=until):
                self.log.warning("%s", warning)
        return super().prepare(intent)


def _locations(field: str, value: Any) -> Iterator[tuple[str, str]]:
    """The texts within a JSON value that begin as a URL or a URI does, each with the name of its field."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _locations(f"{field}.{name}", one)
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from _locations(f"{field}[{number}]", one)
    elif isinstance(value, str) and re.match(r"\s*[A-Za-z][A-Za-z0-9+.-]*://", value):
        yield field, value
