"""``@task.videoretalk``: a render job whose inputs a function returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory
from airflow.sdk.definitions._internal.types import SET_DURING_EXECUTION

from airflow_provider_videoretalk.decorators.returned_fields import ReturnedFieldsOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import TaskDecorator

    from airflow_provider_videoretalk.submission.resume import OnChangedInput


class _VideoRetalkDecoratedOperator(ReturnedFieldsOperator, VideoRetalkOperator):
    """Submits the render job whose inputs a function returns."""

    custom_operator_name = "@task.videoretalk"
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *VideoRetalkOperator.template_fields)
    # A function may return something else in a retry, which nobody has asked for.
    on_changed_input: ClassVar[OnChangedInput] = "submit_after_clear"
    output_flags: ClassVar[Mapping[str, str]] = {"audio_url": "_audio_is_output"}

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        video_url: Any = SET_DURING_EXECUTION,
        audio_url: Any = SET_DURING_EXECUTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            video_url=video_url,
            audio_url=audio_url,
            **kwargs,
        )


def videoretalk_task(
    python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool = False, **kwargs: Any
) -> TaskDecorator:
    """Makes a task of a function that returns the inputs of a render job.

    The function returns a mapping of templated fields of
    :class:`~airflow_provider_videoretalk.operators.videoretalk.VideoRetalkOperator`, such as ``video_url`` and
    ``audio_url``. The task returns the operator's result.

    :param python_callable: The function, if the decorator is used without arguments.
    :param multiple_outputs: Whether each field of the result is an XCom of its own, besides the result.
    :param kwargs: The operator's parameters. What the function returns replaces them.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=_VideoRetalkDecoratedOperator,
        **kwargs,
    )
