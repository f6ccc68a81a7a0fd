"""``@task.publish_media``: a copy whose source, destination and metadata a function returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory
from airflow.sdk.definitions._internal.types import SET_DURING_EXECUTION

from airflow_provider_videoretalk.decorators.returned_fields import ReturnedFieldsOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import TaskDecorator


class _PublishMediaDecoratedOperator(ReturnedFieldsOperator, PublishMediaOperator):
    """Publishes the source that a function returns."""

    custom_operator_name = "@task.publish_media"
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *PublishMediaOperator.template_fields)
    natural_field: ClassVar[str | None] = "source"
    output_flags: ClassVar[Mapping[str, str]] = {"source": "_source_is_output"}

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        source: Any = SET_DURING_EXECUTION,
        destination: Any = SET_DURING_EXECUTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            source=source,
            destination=destination,
            **kwargs,
        )


def publish_media_task(
    python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool = False, **kwargs: Any
) -> TaskDecorator:
    """Makes a task of a function that returns what to publish.

    The function returns the source, or a mapping of templated fields of
    :class:`~airflow_provider_videoretalk.operators.publish.PublishMediaOperator`, such as ``source``, ``destination``
    and ``metadata``. The task returns the operator's result.

    :param python_callable: The function, if the decorator is used without arguments.
    :param multiple_outputs: Whether each field of the result is an XCom of its own, besides the result.
    :param kwargs: The operator's parameters. What the function returns replaces them.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=_PublishMediaDecoratedOperator,
        **kwargs,
    )
