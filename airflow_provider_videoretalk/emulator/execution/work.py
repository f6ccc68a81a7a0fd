"""The work of a job: from the inputs of a submit to the outcome."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.execution.input_fetcher import Fetcher
    from airflow_provider_videoretalk.emulator.execution.media_engine import MediaEngine
    from airflow_provider_videoretalk.emulator.service.clock import Clock
    from airflow_provider_videoretalk.emulator.service.render_job import JobOutcome, RenderJob
    from airflow_provider_videoretalk.emulator.service.state import EmulatorState

# How often a waiting job reads the clock, which a test may move.
CLOCK_POLL_SECONDS = 0.02


class Work(ABC):
    """Does the jobs of one kind."""

    def __init__(self, *, state: EmulatorState, engine: MediaEngine, fetcher: Fetcher) -> None:
        self._state = state
        self._engine = engine
        self._fetcher = fetcher

    @abstractmethod
    async def do(self, job: RenderJob, folder: Path) -> JobOutcome:
        """The outcome of a job. Sets its status to RUNNING once the inputs are accepted.

        :param folder: for temporary files
        :raises MediaRefusedError: the service refuses the inputs
        """


async def wait_until(moment: float, *, clock: Clock) -> None:
    # Polled, because a clock that a test moves gives no notice.
    while (left := moment - clock()) > 0:  # noqa: ASYNC110
        await asyncio.sleep(min(left, CLOCK_POLL_SECONDS))
