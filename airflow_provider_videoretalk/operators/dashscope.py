"""Submits a task of any asynchronous DashScope model, and waits for its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.operators.job import DashScopeJobOperator

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.request import Request
    from airflow_provider_videoretalk.dashscope.task import Submission


class DashScopeTaskOperator(DashScopeJobOperator):
    """Runs a model that this package has no operator of its own for, e.g. ``wan2.2-s2v``.

    :param model: the model's name (templated)
    :param path: the model's path below the base URL, e.g. ``services/aigc/image2video/video-synthesis`` (templated)
    :param input: the request body's ``input`` (templated)
    :param parameters: the request body's ``parameters`` (templated)

    All other parameters are those of :class:`~airflow_provider_videoretalk.operators.job.DashScopeJobOperator`.
    """

    template_fields: Sequence[str] = ("model", "path", "input", "parameters", "dashscope_conn_id")

    def __init__(
        self,
        *,
        model: str,
        path: str,
        input: Mapping[str, Any],
        parameters: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.path = path
        self.input = input
        self.parameters = parameters

    def submission(self) -> Request[Submission]:
        from airflow_provider_videoretalk.dashscope.errors import InputError
        from airflow_provider_videoretalk.dashscope.task import submit_task
        from airflow_provider_videoretalk.operators.values import as_mapping, as_text

        path = as_text("path", self.path).strip("/")
        if "://" in path or not path:
            raise InputError(
                f"path is {self.path!r}, allowed is a path below the connection's base URL",
                remedy="Give it without scheme and host, e.g. services/aigc/image2video/video-synthesis.",
            )
        return submit_task(
            path=path,
            model=as_text("model", self.model),
            inputs=as_mapping("input", self.input),
            parameters=as_mapping("parameters", self.parameters or {}),
        )
