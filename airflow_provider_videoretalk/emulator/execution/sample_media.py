"""The emulator's sample files, created on first use."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.execution.media_engine import MediaEngine, SampleName
    from airflow_provider_videoretalk.emulator.service.storage import Storage


class SampleMedia:
    """Sample files by name; concurrent first uses create a file once."""

    def __init__(self, *, storage: Storage, engine: MediaEngine) -> None:
        self._storage = storage
        self._engine = engine
        self._lock = asyncio.Lock()

    async def path(self, name: SampleName) -> Path:
        """The file of a sample; creates it if it does not exist, and then raises the engine's exceptions."""
        path = self._storage.folder("samples") / name
        async with self._lock:
            if not path.exists():
                await self._engine.sample(name, path)
        return path
