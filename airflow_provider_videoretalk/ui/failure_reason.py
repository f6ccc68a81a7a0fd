"""The error of a failed task: as the task noted it in an XCom, else read from its log.

A task that was killed notes nothing, and a log may lie on a worker that is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.dashscope.error_codes import is_known, meaning_of
from airflow_provider_videoretalk.outbound.signed_url import safe_text
from airflow_provider_videoretalk.ui.return_values import get_text

_CODE = re.compile(r"([A-Z][A-Za-z]+(?:\.[A-Za-z]+)*): ")
_ORIGIN = re.compile(r" \(((?:HTTP \d+, )?(?:request_id (?P<request_id>[\w-]+))?)\)\.? ?")
_TASK_FAILED = "Task failed with exception"

# Characters that are read of an error.
_MAX_KIND, _MAX_TEXT = 200, 20_000

# The errors of this package, and Airflow's exceptions that carry their text to stop retries.
_PARSED_KINDS = {"AirflowFailException", "AirflowSensorTimeout"} | {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.DashScopeError)
}


@dataclass(frozen=True, kw_only=True)
class FailureReason:
    """The parts of an error.

    :param kind: the exception's class name
    :param code: the service's error code; ``""`` without one
    :param request_id: the service's id of the request; ``None`` without one
    :param remedy: what a person can do; ``""`` if the error has none
    """

    kind: str
    code: str
    message: str
    request_id: str | None
    remedy: str


def noted_failure_reason(note: object) -> FailureReason | None:
    """The error that the task noted; ``None`` if there is none, or it has no message."""
    if not isinstance(note, Mapping) or not (message := get_text(note, "message")):
        return None
    code, kind = (get_text(note, name) or "" for name in ("code", "kind"))
    return FailureReason(
        kind=(kind or code)[:_MAX_KIND],
        # An error without a code of the service has its class name there.
        code="" if code == kind else code[:_MAX_KIND],
        message=safe_text(message[:_MAX_TEXT]),
        request_id=get_text(note, "request_id"),
        remedy=safe_text((get_text(note, "remedy") or "")[:_MAX_TEXT]),
    )


def find_failure_reason(lines: Iterable[Mapping[str, Any]]) -> FailureReason | None:
    """The error with which the task failed, by its log; ``None`` if no line has an error.

    It is the first error of the chain in Airflow's last line about the failure, else in the last line with an error.
    """
    # A task writes its log itself, so every part of a line may have any type.
    raised = [(line.get("event"), error) for line in lines if (error := _first_error(line.get("error_detail")))]
    if not raised:
        return None
    # A failed callback logs its error after the task's.
    of_task = [error for event, error in raised if event == _TASK_FAILED]
    kind, text = (of_task or [error for _, error in raised])[-1]
    return parse_error(kind, text)


def _first_error(detail: object) -> tuple[str, str] | None:
    """The type and the text of the first error of a chain; ``None`` if there is none."""
    first = detail[0] if isinstance(detail, list) and detail else None
    if not isinstance(first, Mapping):
        return None
    kind, text = (first.get(name) for name in ("exc_type", "exc_value"))
    return str(kind or "")[:_MAX_KIND], str(text or "")[:_MAX_TEXT]


def parse_error(kind: str, text: str) -> FailureReason:
    """The inverse of ``DashScopeError.__str__``. The text of another error becomes its message."""
    if kind not in _PARSED_KINDS:
        return FailureReason(kind=kind, code="", message=text, request_id=None, remedy="")
    code = match[1] if (match := _CODE.match(text)) else ""
    rest = text[match.end() :] if match else text
    message, request_id, remedy = rest, None, ""
    if origin := _ORIGIN.search(rest):
        message, request_id, remedy = rest[: origin.start()], origin["request_id"], rest[origin.end() :]
    elif code and is_known(code) and (known := meaning_of(code).remedy) and rest.endswith(known):
        message, remedy = rest.removesuffix(known).rstrip(" ."), known
    elif ". " in rest:
        message, _, remedy = rest.partition(". ")
    return FailureReason(kind=kind, code=code, message=message, request_id=request_id, remedy=remedy)
