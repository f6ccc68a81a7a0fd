"""Airflow's Variables, task state and XComs as far as this package writes them: what they hold and held at most."""

from __future__ import annotations

import json
import re
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable
from typing import Any

from airflow_provider_videoretalk.airflow_adapters.variable_store import DESCRIPTION

_KINDS = {
    "submission records": r"dashscope_submission_.*",
    "history, single facts": r"dashscope_history_[0-9]{8}_.*",
    "history, days": r"dashscope_history_[0-9]{8}",
    "turns to enrol": r"dashscope_enrollment_v1_.*",
    "triggerers that hold back": r"dashscope_admission_v2_.*",
}
# As Airflow's own default for [state_store] default_retention_days.
STATE_DAYS = 30


def kind_of(key: str) -> str:
    return next((kind for kind, pattern in _KINDS.items() if re.fullmatch(pattern, key)), "others")


def encrypted(length: int) -> int:
    """The length of a text after Airflow's encryption (Fernet, base64)."""
    return 4 * -(-(57 + 16 * (length // 16 + 1)) // 3)


class Sizes:
    """Rows and bytes by kind: now, at most, and ever."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.most_rows: Counter[str] = Counter()
        self.most_bytes: Counter[str] = Counter()
        self.largest: Counter[str] = Counter()

    def add(self, kind: str, *, size: int, rows: int = 1) -> None:
        self.rows[kind] += rows
        self.bytes[kind] += size
        self.most_rows[kind] = max(self.most_rows[kind], self.rows[kind])
        self.most_bytes[kind] = max(self.most_bytes[kind], self.bytes[kind])
        self.largest[kind] = max(self.largest[kind], size)

    def to_json(self) -> dict[str, dict[str, int]]:
        return {
            kind: {
                "rows at most": self.most_rows[kind],
                "bytes at most": self.most_bytes[kind],
                "rows at the end": self.rows[kind],
                "bytes at the end": self.bytes[kind],
                "largest": self.largest[kind],
            }
            for kind in sorted(self.most_rows)
        }


class Variables:
    """Airflow's Variables. Keys are found by their begin, in order, as by the index of Airflow's table.

    :ivar calls: requests to Airflow's API server by kind, and keys that were listed
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._keys: list[str] = []
        self.sizes = Sizes()
        self.calls: Counter[str] = Counter()

    def get(self, key: str, default: Any = None) -> Any:
        self.calls["get"] += 1
        text = self.values.get(key)
        return default if text is None else json.loads(text)

    def set(self, key: str, value: Any) -> None:
        self.calls["set"] += 1
        self._drop(key)
        text = self.values[key] = json.dumps(value)
        insort(self._keys, key)
        self.sizes.add(kind_of(key), size=self._size(key, text))

    def delete(self, key: str) -> None:
        self.calls["delete"] += 1
        self._drop(key)

    def names(self, prefix: str) -> list[str]:
        first = bisect_left(self._keys, prefix)
        found = self._keys[first : bisect_left(self._keys, prefix + "\U0010ffff")]
        # The SDK asks for a thousand at a time.
        self.calls["list"] += 1 + len(found) // 1000
        self.calls["keys listed"] += len(found)
        return found

    def _drop(self, key: str) -> None:
        text = self.values.pop(key, None)
        if text is not None:
            del self._keys[bisect_left(self._keys, key)]
            self.sizes.add(kind_of(key), size=-self._size(key, text), rows=-1)

    @staticmethod
    def _size(key: str, text: str) -> int:
        return len(key) + encrypted(len(text.encode())) + len(DESCRIPTION)


class TaskStates:
    """The task state of all task instances. ``airflow state-store clean`` deletes what is :data:`STATE_DAYS` old.

    :param clock: seconds since the epoch
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.sizes = Sizes()
        self.calls: Counter[str] = Counter()
        self._clock = clock
        self._rows: dict[tuple[str, str], tuple[float, str]] = {}

    def of(self, task_instance: str) -> TaskState:
        return TaskState(self, task_instance)

    def clean(self) -> None:
        oldest = self._clock() - STATE_DAYS * 86400
        for row in [row for row, (written, _) in self._rows.items() if written < oldest]:
            self.put(*row, None)

    def text(self, task_instance: str, key: str) -> str | None:
        self.calls["get"] += 1
        return self._rows.get((task_instance, key), (0.0, None))[1]

    def put(self, task_instance: str, key: str, text: str | None) -> None:
        self.calls["set" if text is not None else "delete"] += 1
        _, old = self._rows.pop((task_instance, key), (0.0, None))
        if old is not None:
            self.sizes.add("task state", size=-len(old.encode()), rows=-1)
        if text is not None:
            self._rows[task_instance, key] = self._clock(), text
            self.sizes.add("task state", size=len(text.encode()))


class TaskState:
    """The task state of one task instance, as its context has it."""

    def __init__(self, states: TaskStates, task_instance: str) -> None:
        self._states, self._task_instance = states, task_instance

    def get(self, key: str, default: Any = None) -> Any:
        text = self._states.text(self._task_instance, key)
        return default if text is None else json.loads(text)

    def set(self, key: str, value: Any) -> None:
        self._states.put(self._task_instance, key, json.dumps(value))

    def delete(self, key: str) -> None:
        self._states.put(self._task_instance, key, None)
