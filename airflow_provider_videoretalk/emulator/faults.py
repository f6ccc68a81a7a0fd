"""A fault plan: what goes wrong, for which operation, how often. An empty plan costs a look-up a request."""

from __future__ import annotations

import threading
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Operation = Literal["submit", "query", "list", "cancel", "speech", "policy", "upload", "result"]
Effect = Literal[
    "drop_before",
    "drop_after",
    "error_before",
    "error_after",
    "html",
    "html_after",
    "throttle",
    "stall",
    "truncate",
    "expired",
    "fail_task",
]

_ONLY: dict[str, tuple[str, ...]] = {"truncate": ("result",), "expired": ("result",), "fail_task": ("submit",)}


class FaultRule(BaseModel):
    """One rule of a plan.

    Effects: ``drop_before`` closes the connection and does nothing; ``drop_after`` does the work and closes it
    without a reply; ``error_before`` and ``error_after`` answer `status` with `code` and `message`; ``html`` and
    ``html_after`` answer a gateway's 502 page (or `status`); ``throttle`` answers 429, with ``Retry-After`` if
    `retry_after` is given; ``stall`` does the work at once and holds the reply back for `seconds` (of a result: after
    `at_byte` bytes of its body, if given); ``truncate`` closes the connection after `at_byte` bytes of a result's
    body; ``expired`` answers a result URL as if it had expired; ``fail_task`` lets the submitted task end as FAILED
    with `code` and `message` (an empty `code` makes a bare FAILED).

    :param operation: which requests; ``policy`` is the upload policy, ``upload`` the form upload to the object store
    :param times: how many requests it hits, then it is spent
    :param after: how many matching requests pass before the first hit
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    operation: Operation
    effect: Effect
    times: int = Field(default=1, ge=1)
    after: int = Field(default=0, ge=0)
    status: int | None = Field(default=None, ge=400, le=599)
    code: str | None = None
    message: str | None = None
    seconds: float = Field(default=5.0, ge=0)
    at_byte: int | None = Field(default=None, ge=0)
    retry_after: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> FaultRule:
        allowed = _ONLY.get(self.effect)
        if allowed and self.operation not in allowed:
            raise ValueError(f"{self.effect} is for {', '.join(allowed)} only, not for {self.operation}")
        if self.effect == "truncate" and self.at_byte is None:
            raise ValueError("truncate needs at_byte")
        return self


class _Armed:
    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.skips = rule.after
        self.left = rule.times


class FaultPlan:
    """Ordered rules. Thread-safe: a test arms it from its own thread while the service takes from it.

    A request meets the rules of its operation in order. A rule that still skips counts the request and lets it on to
    the next rule; the first rule that does not skip is the one that hits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def arm(self, *rules: FaultRule) -> None:
        """Append rules to the plan."""
        with self._lock:
            self._armed.extend(_Armed(rule) for rule in rules)

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def pending(self) -> list[FaultRule]:
        """The rules that are not spent, with the counts they have left."""
        with self._lock:
            return [armed.rule.model_copy(update={"times": armed.left, "after": armed.skips}) for armed in self._armed]

    def take(self, operation: Operation) -> FaultRule | None:
        """The rule that hits this request, counted; ``None`` for a request that goes well."""
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
