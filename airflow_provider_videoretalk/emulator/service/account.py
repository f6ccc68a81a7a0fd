"""An account of the service: its name, its rate limits and its render jobs."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.service.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.service.clock import Clock


class Account:
    """One main account. All its API keys share its limits, its render jobs and its uploads.

    :param name: the account's name in ``GET /emulator/tasks``
    :param limits: operation -> calls per second, ``None`` for no limit
    :param minute_limits: operation -> calls per minute
    """

    def __init__(
        self, *, name: str, limits: dict[str, float | None], minute_limits: dict[str, float], clock: Clock
    ) -> None:
        self.name = name
        digits = int(hashlib.sha256(name.encode()).hexdigest(), 16)
        # 16 digits, as in the documented sample.
        self.uid = str(10**15 + digits % (9 * 10**15))
        self.task_ids: list[str] = []
        self.running_jobs: Counter[str] = Counter()
        self._limiters = {key: RateLimiter(per_second=rate, clock=clock) for key, rate in limits.items()}
        self._limiters |= {
            key: RateLimiter(per_second=rate / 60, seconds=60, clock=clock) for key, rate in minute_limits.items()
        }

    def allow(self, operation: str) -> bool:
        """Whether the account may call an operation now; an allowed call is counted."""
        return self._limiters[operation].allow()


def key_id(key: str) -> str:
    """``api_key_id`` of an API key: digits that do not reveal the key."""
    return str(10000 + int(hashlib.sha256(f"key:{key}".encode()).hexdigest(), 16) % 90000)
