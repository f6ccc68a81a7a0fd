"""Why a task failed, as its own log says: Airflow keeps errors nowhere else."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.dashscope.codes import is_known, meaning_of

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance

# A task of this package logs a few dozen lines.
_LAST_LINES = 2_000
_CODE = re.compile(r"([A-Z][A-Za-z]+(?:\.[A-Za-z]+)*): ")
_FAILED = "Task failed with exception"

# Those that such an error is raised as again, to tell Airflow whether to retry.
_OURS = {"AirflowFailException", "AirflowSensorTimeout"} | {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.DashScopeError)
}
_ORIGIN = re.compile(r" \(((?:HTTP \d+, )?(?:request_id (?P<request_id>[\w-]+))?)\)\.? ?")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error as a person reads it.

    :param kind: the exception's class
    :param code: the service's code, ``""`` where it gave none
    :param remedy: what can be done about it, ``""`` where the error does not say
    """

    kind: str
    code: str
    message: str
    request_id: str | None
    remedy: str


def failure_of(ti: TaskInstance) -> Failure | None:
    """The last error in the log of a task instance's last try; ``None`` where there is none, or no log. Reads the log
    from wherever Airflow keeps it, and blocks for that.
    """
    from airflow.utils.log.log_reader import TaskLogReader

    try:
        lines, _ = TaskLogReader().read_log_chunks(ti, ti.try_number, {"end_of_log": False})
        return last_error(line.model_dump() for line in deque(_messages(lines), maxlen=_LAST_LINES))
    except Exception:
        # Each log handler has errors of its own; that the log can't be read must not hide the rest of the page.
        return None


def _messages(lines: Iterable[Any]) -> Iterable[Any]:
    return (line for line in lines if hasattr(line, "model_dump"))


def last_error(lines: Iterable[Mapping[str, Any]]) -> Failure | None:
    """The error that Airflow says the task failed with, else that in the last line that holds one; the first of its
    chain is what was raised.
    """
    found = [line for line in lines if line.get("error_detail")]
    if not found:
        return None
    # Callbacks that fail are logged after it.
    raised = ([line for line in found if line.get("event") == _FAILED] or found)[-1]["error_detail"][0]
    return read_error(str(raised.get("exc_type", "")), str(raised.get("exc_value", "")))


def read_error(kind: str, said: str) -> Failure:
    """Takes apart what ``DashScopeError.__str__`` put together; all that other errors say is their message."""
    if kind not in _OURS:
        return Failure(kind=kind, code="", message=said, request_id=None, remedy="")
    code = found[1] if (found := _CODE.match(said)) else ""
    rest = said[found.end() :] if found else said
    message, request_id, remedy = rest, None, ""
    if origin := _ORIGIN.search(rest):
        message, request_id, remedy = rest[: origin.start()], origin["request_id"], rest[origin.end() :]
    elif code and is_known(code) and (known := meaning_of(code).remedy) and rest.endswith(known):
        message, remedy = rest.removesuffix(known).rstrip(" ."), known
    elif ". " in rest:
        message, _, remedy = rest.partition(". ")
    return Failure(kind=kind, code=code, message=message, request_id=request_id, remedy=remedy)
