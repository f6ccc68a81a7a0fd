"""One distributed Airflow for all tests of this folder; it ends with them, also by Ctrl-C or SIGTERM."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from distributed.cluster import DistributedAirflow
from distributed.quickstart_dag import quickstart_from_s3

# They print what the tests report, after everything else.
from system.conftest import pytest_configure, pytest_terminal_summary
from system.reports import REPORTS

__all__ = ["pytest_configure", "pytest_terminal_summary"]


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[DistributedAirflow]:
    before = signal.signal(signal.SIGTERM, _stop)
    # Not below /tmp, which a machine has for itself.
    folder = Path(tempfile.mkdtemp(prefix="videoretalk-distributed-", dir="/var/tmp"))
    failed_before = request.session.testsfailed
    try:
        with DistributedAirflow(home=folder / "airflow", dags=[quickstart_from_s3(folder)]) as airflow:
            request.config.stash[REPORTS].append(str(airflow.layout))
            yield airflow
    finally:
        signal.signal(signal.SIGTERM, before)
        if request.session.testsfailed == failed_before and request.session.testscollected:
            shutil.rmtree(folder)
        else:
            request.config.stash[REPORTS].append(f"logs: {folder}")
