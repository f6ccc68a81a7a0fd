"""What the ``output`` of a render job has besides its status: the URLs of results, and the state of each subtask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypedDict, get_args

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.reply_values import count, line, mapping, web_url
from airflow_provider_videoretalk.outbound.signed_url import safe_text

OnFailedSubtask = Literal["fail", "keep"]
"""What becomes of a job that succeeded, some of whose subtasks failed: its task fails, or the results are kept."""

FAILED_SUBTASK_REMEDY = (
    "With on_failed_subtask='keep', the task returns the results of the others. A clear within 24 hours finds the same "
    "job, which costs nothing."
)

# Fields that repeat an input: speech recognition does so in each subtask.
_INPUT_FIELDS = frozenset({"file_url"})

_FAILED = frozenset({"FAILED", "CANCELED", "UNKNOWN"})

# More failed subtasks are not believed: no model makes so many results.
_MAX_FAILED = 100


class Subtask(TypedDict):
    """One of the subtasks of a job, in the order of the reply.

    :param status: ``SUCCEEDED``, ``FAILED``, or another word of the service
    :param code: the service's error code
    :param message: the service's error message
    """

    status: str
    code: str | None
    message: str | None


def check_on_failed_subtask(value: object) -> None:
    """
    :raises InputError: it is no :data:`OnFailedSubtask`
    """
    if value not in get_args(OnFailedSubtask):
        raise InputError(
            f"on_failed_subtask is {value!r}, allowed is one of {', '.join(get_args(OnFailedSubtask))}",
            remedy="fail is the default.",
        )


def result_urls(output: Mapping[str, Any]) -> list[str]:
    """All http and https URLs in ``output``, each once, in its order. URLs of inputs are left out."""
    return list(dict.fromkeys(_urls_in(output)))


def subtasks_of(output: Mapping[str, Any]) -> list[Subtask]:
    """The subtasks of a job; empty for a model without subtasks.

    Speech recognition states ``subtask_status``. Image models state a code in place of a URL. A failed subtask that
    only ``task_metrics`` counts has neither code nor message.
    """
    rows = output.get("results")
    found = [_subtask(row) for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    counted = count(mapping(output.get("task_metrics")).get("FAILED")) or 0
    missing = min(counted, _MAX_FAILED) - sum(map(has_failed, found))
    return found + [{"status": "FAILED", "code": None, "message": None} for _ in range(missing)]


def has_failed(subtask: Subtask) -> bool:
    """Whether a subtask will have no result."""
    return subtask["status"] in _FAILED


def with_safe_messages(output: Mapping[str, Any]) -> dict[str, Any]:
    """``output``, whose error messages name URLs of inputs in their safe form. Triggers store the whole reply."""
    return {name: _with_safe_messages(name, value) for name, value in output.items()}


def _with_safe_messages(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return with_safe_messages(value)
    if isinstance(value, list):
        return [_with_safe_messages(name, each) for each in value]
    return safe_text(value) if name == "message" and isinstance(value, str) else value


def _subtask(row: Mapping[str, Any]) -> Subtask:
    code, message = line(row.get("code"), max_length=100), line(row.get("message"))
    stated = line(row.get("subtask_status"), max_length=40)
    if stated is None:
        stated = "FAILED" if code and not result_urls(row) else "SUCCEEDED"
    return {"status": stated.upper(), "code": code or None, "message": message or None}


def _urls_in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            if name not in _INPUT_FIELDS:
                yield from _urls_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from _urls_in(one)
    elif (url := web_url(value)) is not None:
        yield url
