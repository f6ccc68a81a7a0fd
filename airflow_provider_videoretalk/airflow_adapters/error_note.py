"""The error of a failed task, kept as an XCom: the task's log may lie on a worker that is gone."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowSkipException, AirflowTaskTimeout, redact

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.reply_values import clean_text
from airflow_provider_videoretalk.outbound.signed_url import safe_text

if TYPE_CHECKING:
    from airflow.sdk import Context

Method = TypeVar("Method", bound=Callable[..., Any])

ERROR_KEY = "videoretalk_error"
"""The XCom key of the error with which a task failed. Airflow deletes it when the next try begins."""

# Characters of a text. Of a batch, the errors of all rows are read at once.
_MAX_TEXT, _MAX_TEXT_OF_ROW = 4_000, 1_000

_is_noting: ContextVar[bool] = ContextVar("is_noting", default=False)

_log = logging.getLogger(__name__)


@contextmanager
def error_noted(context: Context, row: object = None) -> Iterator[None]:
    """Pushes an error, by which the pages and the manifest say why a task failed. An inner one pushes nothing.

    :param row: the reference to the row of a batch
    """
    if _is_noting.get():
        yield
        return
    token = _is_noting.set(True)
    try:
        yield
    except (AirflowSkipException, AirflowRescheduleException):
        raise
    except (Exception, AirflowTaskTimeout) as error:
        _push(context, error, row)
        raise
    finally:
        _is_noting.reset(token)


def notes_error(method: Method) -> Method:
    """Lets a method of an operator, whose first argument is the context, note its error."""

    @functools.wraps(method)
    def noting(operator: Any, context: Context, *args: Any, **kwargs: Any) -> Any:
        with error_noted(context):
            return method(operator, context, *args, **kwargs)

    return cast("Method", noting)


def _note_of(error: BaseException, row: object) -> dict[str, Any]:
    # Airflow's exceptions that stop retries carry an error of this package.
    cause = error if isinstance(error, DashScopeError) else error.__cause__
    known = cause if isinstance(cause, DashScopeError) else None
    longest = _MAX_TEXT if row is None else _MAX_TEXT_OF_ROW
    note = {
        "kind": type(known or error).__name__,
        "code": (known.code if known else "") or type(known or error).__name__,
        "message": _safe(known.message if known else str(error), longest),
        "remedy": _safe(known.remedy if known else "", longest),
    }
    if known and known.request_id:
        note["request_id"] = known.request_id
    return note if row is None else {"row": row.get("row") if isinstance(row, Mapping) else None, **note}


def _safe(text: str, longest: int) -> str:
    """Airflow masks what it logs, but no XComs."""
    return clean_text(safe_text(str(redact(text))), max_length=longest)


def _push(context: Context, error: BaseException, row: object) -> None:
    try:
        context["ti"].xcom_push(key=ERROR_KEY, value=_note_of(error, row))
    except Exception as failure:
        reason = type(failure).__name__
        _log.warning("The error is in this log only, because Airflow does not take it as an XCom (%s)", reason)
