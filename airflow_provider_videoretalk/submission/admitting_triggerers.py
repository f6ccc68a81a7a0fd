"""The triggerers that hold submits back, in a store that all processes of this Airflow share."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable

from airflow_provider_videoretalk.submission.record_store import SharedStore

PREFIX = "dashscope_admission_v2_"
"""The start of each key. The last part is the version of the format; another version is another prefix.

A hash of account and model, a random id of the triggerer's queue, and a time in milliseconds follow.
"""

# Keys that do not match belong to somebody else, and are skipped.
_KEY = re.compile(rf"{PREFIX}[0-9a-f]{{16}}_(?P<id>[0-9a-f]{{16}})_(?P<until>[0-9]{{1,15}})")

# How long a key counts after it was written. A triggerer that was killed cannot remove its key.
_LIFETIME = 3600.0


class AdmittingTriggerers:
    """Which triggerers hold submits of an account and model back.

    A triggerer adds a key when it begins to hold back, renews it every half an hour, and removes it with the last
    submit. The keys have all the information: reading them is one request, which asks no secrets backend.

    :param account: :attr:`~airflow_provider_videoretalk.submission.record.Intent.account`
    :param model: the model's name. The service's queues of two models are independent
    :param clock: seconds since the epoch
    """

    def __init__(self, store: SharedStore, account: str, *, model: str, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._prefix = f"{PREFIX}{hashlib.sha256(f'{account}/{model}'.encode()).hexdigest()[:16]}_"
        self._id = uuid.uuid4().hex[:16]
        self._clock = clock
        self._own: tuple[str, float] | None = None

    def others(self, now: float) -> int:
        """How many triggerers hold submits back, this object's own queue excluded."""
        return sum(until > now and owner != self._id for owner, until, _ in self._keys())

    def enter(self) -> int:
        """Says that this triggerer holds submits back; returns how many others do."""
        now = self._clock()
        if self._own is None or self._own[1] - now < _LIFETIME / 2:
            self._renew(now)
        return self.others(now)

    def leave(self) -> None:
        """Says that this triggerer holds no submit back."""
        if self._own is not None:
            self._store.delete(self._own[0])
            self._own = None

    def _renew(self, now: float) -> None:
        until = now + _LIFETIME
        key = f"{self._prefix}{self._id}_{until * 1000:.0f}"
        self._store.set(key, "A triggerer holds submits of this account back.")
        earlier, self._own = self._own, (key, until)
        if earlier is not None:
            self._store.delete(earlier[0])
        for _, other_until, other in self._keys():
            if other_until <= now:
                self._store.delete(other)

    def _keys(self) -> list[tuple[str, float, str]]:
        matches = [match for key in self._store.names(self._prefix) if (match := _KEY.fullmatch(key))]
        return [(match["id"], int(match["until"]) / 1000, match.string) for match in matches]
