"""Takes the fields of an operator from a decorated function, once in each try."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk.bases.decorator import DecoratedOperator
from airflow.sdk.definitions._internal.types import SetDuringExecution

from airflow_provider_videoretalk.airflow_adapters.error_note import error_noted, notes_error
from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_rendered_urls
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.operators.location_fields import is_task_output
from airflow_provider_videoretalk.operators.template_values import as_json

if TYPE_CHECKING:
    from airflow.sdk import Context

KEPT = "decorated_function_returned"
"""The argument of a deferral that has what the function returned."""

VERSION = 1
"""The version of what is kept in it."""

# What the DAG's author decides, and no value that reaches the function.
_DECORATORS_OWN = (
    "op_args",
    "op_kwargs",
    "allowed_sources",
    "allowed_destinations",
    "dashscope_conn_id",
    "storage_conn_id",
    "max_cost",
    "is_dry_run",
)


class ReturnedFieldsOperator(DecoratedOperator):
    """An operator whose templated fields a decorated function returns: as a mapping, or as the one natural value.

    - What the function returns replaces what the decorator was given, and is not rendered: it may have braces.
    - The function runs once in each try, before anything is sent. What it returned is kept while the task is deferred,
      so a task that resumes goes on with the same inputs.
    - It may be ``async``.

    A subclass is this class followed by an operator.

    :param python_callable: The decorated function.
    :param op_args: Its positional arguments. (templated)
    :param op_kwargs: Its keyword arguments. (templated)
    :raises InputError: the function returned no such fields, values that are not JSON-safe, or not all that is needed
    """

    natural_field: ClassVar[str | None] = None
    """The field that a function sets if it returns no mapping of fields."""

    output_flags: ClassVar[Mapping[str, str]] = {}
    """By field: the operator's attribute that says whether the field has another task's return value."""

    # Pages read the rendered fields, and the function has returned them only now.
    overwrite_rtif_after_execution: bool = True

    _kept: Mapping[str, Any] | None = None

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs)
        # Asked before they are rendered.
        self._are_outputs = [_are_outputs(arg) for arg in (*self.op_args, *self.op_kwargs.values())]

    @notes_error
    def execute(self, context: Context) -> Any:
        self._set_fields(self._call(context))
        self._check_fields()
        return super().execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        arguments = dict(next_kwargs or {})
        with error_noted(context):
            self._take_kept(arguments.pop(KEPT, None), is_begun_again=next_method == "execute_again", context=context)
            return super().resume_execution(next_method, arguments, context)

    def _take_kept(self, kept: object, *, is_begun_again: bool, context: Context) -> None:
        is_readable = isinstance(kept, Mapping) and kept.get("version") == VERSION
        if isinstance(kept, Mapping) and is_readable:
            self._set_fields(kept)
        # After the end of a paid job, the fields are only shown. Nothing about them may fail the task.
        if is_begun_again:
            if not is_readable:
                # dag.test() drops what a deferral keeps, and another release may have kept it otherwise.
                self._set_fields(self._call(context))
            self._check_fields()

    def defer(self, *, kwargs: dict[str, Any] | None = None, **options: Any) -> NoReturn:
        super().defer(kwargs={**(kwargs or {}), KEPT: self._kept}, **options)

    @property
    def returnable_fields(self) -> list[str]:
        """The fields that the function may return."""
        return [name for name in self.template_fields if name not in _DECORATORS_OWN]

    def _call(self, context: Context) -> dict[str, Any]:
        """Runs the function.

        :return: the fields that it returned, and which of them are another task's return value; JSON-safe
        """
        # Not merged into the context: the operator needs the context's own values.
        arguments = _keyword_arguments(self.python_callable, self.op_args, {**context, **self.op_kwargs})
        returned = self.python_callable(*self.op_args, **arguments)
        if inspect.iscoroutine(returned):
            returned = asyncio.run(returned)
        fields = self._fields_in(returned)
        outputs = list(self._outputs)
        return {
            "version": VERSION,
            "fields": dict(as_json(f"what {self.python_callable.__name__} returned", _with_texts(fields))),
            "outputs": [name for name in self.output_flags if any(_is_same(fields.get(name), one) for one in outputs)],
        }

    def _fields_in(self, returned: object) -> dict[str, Any]:
        """
        :raises InputError: no mapping of the operator's fields
        """
        allowed, function = self.returnable_fields, self.python_callable.__name__
        has_fields = isinstance(returned, Mapping) and bool(returned.keys() & {*allowed})
        if self.natural_field is not None and not has_fields:
            return {self.natural_field: returned}
        if not isinstance(returned, Mapping):
            raise InputError(
                f"{function} returned a value of type {type(returned).__name__}, allowed is a mapping of fields",
                remedy=f"Return some of {', '.join(allowed)}.",
            )
        unknown = [str(name) for name in returned if name not in allowed]
        if unknown:
            raise InputError(
                f"{function} returned the field {unknown[0]!r}, allowed are {', '.join(allowed)}",
                remedy="Give connections and what is allowed to the decorator, and other values to the function.",
            )
        return dict(returned)

    @property
    def _outputs(self) -> Iterator[Any]:
        """The function's arguments that are other tasks' return values."""
        arguments = (*self.op_args, *self.op_kwargs.values())
        for argument, are_outputs in zip(arguments, self._are_outputs, strict=False):
            members = argument if isinstance(argument, list | tuple) else [argument]
            if are_outputs is True:
                yield from (argument, *members)
            elif are_outputs:
                yield from (member for member, is_output in zip(members, are_outputs, strict=False) if is_output)

    def _set_fields(self, kept: Mapping[str, Any]) -> None:
        """
        :param kept: of :meth:`_call`, maybe by another release
        """
        self._kept = kept
        for name, value in kept["fields"].items():
            setattr(self, name, value)
            if name in self.output_flags:
                setattr(self, self.output_flags[name], name in kept["outputs"])
        mask_rendered_urls(self)

    def _check_fields(self) -> None:
        """
        :raises InputError: a field that is needed has no value
        """
        missing = [name for name in self.template_fields if isinstance(getattr(self, name), SetDuringExecution)]
        if missing:
            raise InputError(
                f"{missing[0]} has no value: {self.python_callable.__name__} did not return it",
                remedy=f"Return {missing[0]}, or give it to the decorator.",
            )


def _is_same(value: object, output: object) -> bool:
    # Arrays and data frames of other libraries compare element by element.
    is_plain = isinstance(value, str | Mapping | list | tuple) and type(value) is type(output)
    return value is output or (is_plain and value == output)


def _keyword_arguments(
    function: Callable[..., Any], positional: Collection[Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Those of the values that a function takes by name. Airflow's own helper is at another place in each version."""
    parameters = inspect.signature(function).parameters.values()
    by_place = [one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    named = {name: value for name, value in values.items() if name not in by_place[: len(positional)]}
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return named
    return {one.name: named[one.name] for one in parameters if one.name in named}


def _are_outputs(argument: object) -> bool | list[bool]:
    """Whether an argument that is not rendered yet is another task's return value, or else which of its members are."""
    if isinstance(argument, list | tuple):
        return [is_task_output(member) for member in argument]
    return is_task_output(argument)


def _with_texts(value: Any) -> Any:
    """The value with its paths as texts: of files, and of objects in stores."""
    if isinstance(value, Mapping):
        return {name: _with_texts(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_with_texts(one) for one in value]
    is_path = isinstance(value, PurePath) or hasattr(value, "conn_id")
    return str(value) if is_path else value
