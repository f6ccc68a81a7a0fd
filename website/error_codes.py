"""The page of the service's error codes, made from the table that the package raises errors by."""

from __future__ import annotations

from airflow_provider_videoretalk.dashscope.error_codes import MEANINGS
from website.markdown import code, table

_BEGIN = """# Error codes

The service's codes, the error that each raises, and what to do. A code that is not listed counts as its family, the
part before the last dot, and else by the HTTP status of the reply.

A code stands at the beginning of a message, and on the page of a video. *Retry helps* says whether the same request can
succeed later. [Errors](../operators.md#errors) has the errors of this package that have no code.
[Billing](../billing.md#money-in-one-table) says what is charged.

"""


def page() -> str:
    rows = [
        (code(name), code(meaning.error.__name__), _retryable(meaning.retryable, meaning.error), meaning.remedy)
        for name, meaning in sorted(MEANINGS.items(), key=lambda item: item[0].lower())
    ]
    return _BEGIN + table(("code", "error", "retry helps", "what to do"), rows)


def _retryable(given: bool | None, error: type) -> str:
    return "yes" if (error.retryable_by_default if given is None else given) else "no"  # type: ignore[attr-defined]
