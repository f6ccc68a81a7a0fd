"""``@task.text_to_speech``: speech whose script a function returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory
from airflow.sdk.definitions._internal.types import SET_DURING_EXECUTION

from airflow_provider_videoretalk.decorators.returned_fields import ReturnedFieldsOperator
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import TaskDecorator


class _TextToSpeechDecoratedOperator(ReturnedFieldsOperator, TextToSpeechOperator):
    """Speaks the script that a function returns."""

    custom_operator_name = "@task.text_to_speech"
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *TextToSpeechOperator.template_fields)
    natural_field: ClassVar[str | None] = "text"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        text: Any = SET_DURING_EXECUTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, text=text, **kwargs)


def text_to_speech_task(
    python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool = False, **kwargs: Any
) -> TaskDecorator:
    """Makes a task of a function that returns a script.

    The function returns the script as a text, or a mapping of templated fields of
    :class:`~airflow_provider_videoretalk.operators.speech.TextToSpeechOperator`, such as ``text`` and ``voice``. The
    task returns the operator's result.

    :param python_callable: The function, if the decorator is used without arguments.
    :param multiple_outputs: Whether each field of the result is an XCom of its own, besides the result.
    :param kwargs: The operator's parameters. What the function returns replaces them.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=_TextToSpeechDecoratedOperator,
        **kwargs,
    )
