"""Waits for conditions, never for times."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE = 0.1


def until(condition: Callable[[], T | None], *, what: str, within: float) -> T:
    """The first true value of ``condition``.

    :raises TimeoutError: it was not true within so many seconds; the message says ``what``
    """
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {within:g} s")
        time.sleep(_PAUSE)
