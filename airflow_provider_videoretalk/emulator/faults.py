"""Fault rules: which fault an operation gets, and how often. With no rules, a request costs one check."""

from __future__ import annotations

import threading
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Operation = Literal[
    "submit",
    "detect",
    "query",
    "list",
    "cancel",
    "speech",
    "voices",
    "translation",
    "policy",
    "upload",
    "result",
]
Effect = Literal[
    "drop_before",
    "drop_after",
    "error_before",
    "error_after",
    "html",
    "html_after",
    "throttle",
    "stall",
    "drip",
    "flood",
    "redirect",
    "replace",
    "date",
    "ignore",
    "empty_list",
    "truncate",
    "expired",
    "result_html",
    "result_empty",
    "result_cut",
    "fail_task",
    "merge_lines",
]

_OPERATIONS_OF_EFFECT: dict[str, tuple[str, ...]] = {
    "ignore": ("cancel",),
    "empty_list": ("list",),
    "truncate": ("result",),
    "expired": ("result",),
    "result_html": ("result",),
    "result_empty": ("result",),
    "result_cut": ("result",),
    "fail_task": ("submit",),
    "merge_lines": ("translation",),
}


class FaultRule(BaseModel):
    """One rule of a fault plan.

    The effects:

    - ``drop_before`` closes the connection without executing the request
    - ``drop_after`` executes the request and closes the connection without a reply
    - ``error_before`` and ``error_after`` answer `status` with `code` and `message`, without or after executing
    - ``html`` and ``html_after`` answer a gateway's page with 502 or `status`, without or after executing
    - ``throttle`` answers 429, with ``Retry-After`` if `retry_after` is given
    - ``stall`` executes the request at once and delays the reply by `seconds`; the reply with a result is delayed after
      `at_byte` bytes of its body, if given
    - ``drip`` executes the request and sends each byte of the reply `seconds` after the one before
    - ``flood`` answers 200 with a body that does not end
    - ``redirect`` answers `status` (307) with the header ``Location``, from `location`, without executing
    - ``replace`` executes the request, and puts the JSON text `value` into the `field` of the reply, a path such as
      ``usage.fps``; the text need not be valid JSON, as ``NaN`` is not
    - ``date`` executes the request, and answers with the header ``Date``, from `value`, or without it if `value` is
      empty
    - ``ignore`` answers a cancel as if it were done, without executing
    - ``empty_list`` answers a list request as if the account had no render job
    - ``truncate`` closes the connection after `at_byte` bytes of a result's body
    - ``expired`` answers a result URL as if it had expired
    - ``result_html`` answers a result URL with a gateway's page and 200, ``result_empty`` with 200 and no bytes
    - ``result_cut`` answers the first `at_byte` bytes of a result as if they were all of it, without its checksums
    - ``fail_task`` ends the submitted render job as FAILED with `code` and `message`; an empty `code` gives neither
    - ``merge_lines`` answers the first two lines of a translation as one

    :param operation: the affected requests; ``policy`` is the upload policy, ``upload`` the form upload
    :param times: number of requests that the rule affects
    :param after: number of matching requests before the first one that it affects
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    operation: Operation
    effect: Effect
    times: int = Field(default=1, ge=1)
    after: int = Field(default=0, ge=0)
    status: int | None = Field(default=None, ge=300, le=599)
    code: str | None = None
    message: str | None = None
    seconds: float = Field(default=5.0, ge=0)
    at_byte: int | None = Field(default=None, ge=0)
    retry_after: float | None = Field(default=None, ge=0)
    location: str | None = None
    field: str | None = None
    value: str | None = None

    @model_validator(mode="after")
    def _check_effect(self) -> FaultRule:
        allowed = _OPERATIONS_OF_EFFECT.get(self.effect)
        if allowed and self.operation not in allowed:
            raise ValueError(f"{self.effect} is for {', '.join(allowed)} only, not for {self.operation}")
        if self.effect in ("truncate", "result_cut") and self.at_byte is None:
            raise ValueError(f"{self.effect} needs at_byte")
        if self.effect == "redirect" and self.location is None:
            raise ValueError("redirect needs location")
        if self.effect == "date" and self.value is None:
            raise ValueError("date needs value")
        if self.effect == "replace" and (not self.field or self.value is None):
            raise ValueError("replace needs field and value")
        return self


class _ArmedRule:
    """A rule and the counts it has left."""

    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.skips = rule.after
        self.left = rule.times


class FaultPlan:
    """Ordered fault rules. Thread-safe: a test adds rules in its own thread while the server takes them.

    A request is matched against the rules of its operation in order. A rule whose `after` is not used up counts the
    request and passes it to the next rule. The first other rule affects the request.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_ArmedRule] = []

    def arm(self, *rules: FaultRule) -> None:
        """Append rules to the plan."""
        with self._lock:
            self._armed.extend(_ArmedRule(rule) for rule in rules)

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def pending(self) -> list[FaultRule]:
        """The rules that still affect requests, with the counts they have left."""
        with self._lock:
            return [armed.rule.model_copy(update={"times": armed.left, "after": armed.skips}) for armed in self._armed]

    def take(self, operation: Operation) -> FaultRule | None:
        """The rule that affects this request, which is counted; ``None`` for no fault."""
        if not self._armed:
            return None
        with self._lock:
            for armed in self._armed:
                if armed.rule.operation != operation:
                    continue
                if armed.skips:
                    armed.skips -= 1
                    continue
                armed.left -= 1
                if not armed.left:
                    self._armed.remove(armed)
                return armed.rule
        return None
