"""Metrics of a triggerer, which a thread sends: Airflow's first metric of a process reads files and may ask a resolver.

An event loop only adds numbers. What was not sent when the process is killed is lost: counts of :data:`SEND_SECONDS` at
most. Gauges are sent again each time, so that an exporter may forget those of a triggerer that has ended.
"""

from __future__ import annotations

import atexit
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeAlias

from airflow_provider_videoretalk.airflow_adapters import metrics
from airflow_provider_videoretalk.airflow_adapters.metric_table import MetricName, Tag

SEND_SECONDS = 15.0
"""Seconds between two times at which the numbers are sent."""

_Series: TypeAlias = "tuple[MetricName, tuple[tuple[Tag, str], ...]]"


class MetricBuffer:
    """Numbers that wait to be sent. Threads and event loops may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[_Series] = Counter()
        self._gauges: Counter[_Series] = Counter()
        self._thread: threading.Thread | None = None

    def count(self, name: MetricName, amount: int = 1, *, tags: metrics.Tags) -> None:
        """Adds to a counter."""
        with self._lock:
            self._counts[_series(name, tags)] += amount
            self._start()

    @contextmanager
    def one_more(self, name: MetricName, *, tags: metrics.Tags) -> Iterator[None]:
        """Raises a gauge by one, and lowers it at the end."""
        series = _series(name, tags)
        with self._lock:
            self._gauges[series] += 1
            self._start()
        try:
            yield
        finally:
            with self._lock:
                self._gauges[series] -= 1

    def send(self) -> None:
        """Sends all numbers. A gauge that is 0 is sent once more."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            gauges = dict(self._gauges)
            self._gauges = +self._gauges
        for (name, tags), amount in counts.items():
            metrics.count(name, amount, tags=dict(tags))
        for (name, tags), value in gauges.items():
            metrics.set_gauge(name, value, tags={**dict(tags), "hostname": socket.gethostname()})

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            # Not alive also in a process that was forked.
            self._thread = threading.Thread(target=self._send_for_ever, name="videoretalk-metrics", daemon=True)
            # Without a thread the numbers wait for the next one: nothing that is counted may fail for it.
            with suppress(RuntimeError):
                self._thread.start()
                atexit.register(self.send)

    def _send_for_ever(self) -> None:
        pause = threading.Event()
        while not pause.wait(SEND_SECONDS):
            self.send()


BUFFER = MetricBuffer()
"""The numbers of this process."""


def _series(name: MetricName, tags: metrics.Tags) -> _Series:
    return name, tuple(sorted(tags.items()))
