"""One enrolment of a sample at a time, among all task instances of this Airflow.

The service has no key against a second enrolment, and Airflow's store has no transactions. So the task instances that
want to enrol take numbers, as in Lamport's bakery algorithm (1974). Each writes only keys of its own:

1. It says that it takes a number: the number 0.
2. It reads all keys, and takes the number after the highest.
3. It waits until no other one takes a number, or has a smaller one. Of equal numbers, the hash of the task instance
   decides.

A task instance whose try was killed keeps its number for its next try, until the key expires.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from airflow_provider_videoretalk.submission.record_store import SharedStore

PREFIX = "dashscope_enrollment_v1_"
"""The start of each key. The last part is the version of the format; another version is another prefix.

A hash of account and voice, one of the task instance, its number, and a time in milliseconds follow.
"""

# Keys that do not match belong to somebody else, and are skipped.
_KEY = re.compile(
    rf"{PREFIX}(?P<voice>[0-9a-f]{{16}})_(?P<owner>[0-9a-f]{{16}})_(?P<number>[0-9]{{1,9}})_(?P<until>[0-9]{{1,15}})"
)

# How long a key counts after it was written. It is renewed after a minute, so nine remain for an enrolment.
_LIFETIME, _RENEWED_AFTER = 600.0, 60.0

# What is left of a key that is renewed, at least. With less, a clock that is ahead may take it for expired already.
_LEAST_LEFT = 60.0

_log = logging.getLogger(__name__)


class _Key(NamedTuple):
    """What a key says. The order is that of the turns.

    :param number: 0 while its owner takes one
    :param until: when it stops to count, in seconds since the epoch
    """

    number: int
    owner: str
    until: float
    voice: str
    name: str


class EnrollmentTurn:
    """The turn of one task instance to enrol one voice.

    :param account: :attr:`~airflow_provider_videoretalk.dashscope.endpoint.Endpoint.account_id`
    :param voice: the prefix of the voice's id, which all enrolments of the sample have in common
    :param task_instance: ``dag_id/run_id/task_id/map_index``
    :param clock: seconds since the epoch
    """

    def __init__(
        self,
        store: SharedStore,
        *,
        account: str,
        voice: str,
        task_instance: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._voice = _hash(f"{account}/{voice}")
        self._task_instance = task_instance
        self._owner = _hash(task_instance)
        self._clock = clock
        self._told: str | None = None

    def has_come(self) -> bool:
        """Whether no other task instance enrols the voice now.

        Then none will before :meth:`end`, or for nine minutes. The first call takes a number.
        """
        first = self._first_before()
        if first is not None and first.owner != self._told:
            self._told = first.owner
            _log.info("Waits: the task instance that the Variable %s names enrols the same sample", first.name)
        return first is None

    def end(self) -> None:
        """Lets the next task instance enrol. If Airflow fails, that one waits until the number has expired."""
        try:
            self._delete(filter(self._is_own, self._keys()))
        except Exception as error:
            _log.warning("The turn to enrol is not over for other runs before it expires: %r", error)

    def _first_before(self) -> _Key | None:
        """Whose turn it is before this one, which takes a number if it has none."""
        keys = self._keys()
        own = self._kept(keys)
        if own is None:
            own = self._take_number(keys)
            keys = self._keys()
        return next((key for key in self._turns(keys) if key < own and not self._is_own(key)), None)

    def _kept(self, keys: list[_Key]) -> _Key | None:
        """The number of the call before, or of a try that was killed. What that one has left besides is deleted."""
        numbers = [key for key in keys if self._is_own(key) and key.number and self._seconds_left(key) > _LEAST_LEFT]
        if not numbers:
            return None
        own = max(numbers)
        if self._seconds_left(own) < _LIFETIME - _RENEWED_AFTER:
            own = self._write(own.number)
        self._delete(key for key in keys if self._is_own(key) and key != own)
        return own

    def _take_number(self, keys: list[_Key]) -> _Key:
        announced = self._write(0)
        own = self._write(1 + max([announced, *self._turns(self._keys())]).number)
        expired = [key for key in keys if self._seconds_left(key) <= 0]
        self._delete({announced, *expired, *filter(self._is_own, keys)})
        return own

    def _turns(self, keys: list[_Key]) -> list[_Key]:
        """Those for the voice that count, in the order of the turns."""
        return sorted(key for key in keys if key.voice == self._voice and self._seconds_left(key) > 0)

    def _seconds_left(self, key: _Key) -> float:
        return key.until - self._clock()

    def _is_own(self, key: _Key) -> bool:
        return (key.voice, key.owner) == (self._voice, self._owner)

    def _keys(self) -> list[_Key]:
        """Of all voices: nobody may want to enrol the voice of an expired key again."""
        matches = [match for name in self._store.names(PREFIX) if (match := _KEY.fullmatch(name))]
        return [
            _Key(int(match["number"]), match["owner"], int(match["until"]) / 1000, match["voice"], match.string)
            for match in matches
        ]

    def _write(self, number: int) -> _Key:
        until = self._clock() + _LIFETIME
        name = f"{PREFIX}{self._voice}_{self._owner}_{number}_{until * 1000:.0f}"
        self._store.set(name, self._task_instance)
        return _Key(number, self._owner, until, self._voice, name)

    def _delete(self, keys: Iterable[_Key]) -> None:
        for key in keys:
            self._store.delete(key.name)


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
