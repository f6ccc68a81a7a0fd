"""The emulator's own sample media, made once on first use."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.service.storage import Storage
    from airflow_provider_videoretalk.emulator.work.engine_port import MediaEngine, SampleName


class SampleShelf:
    """Sample files by name; concurrent first uses make a file once."""

    def __init__(self, *, storage: Storage, engine: MediaEngine) -> None:
        self._storage = storage
        self._engine = engine
        self._lock = asyncio.Lock()

    async def path(self, name: SampleName) -> Path:
        """The file of a sample, made now if it is not there yet; raises what the engine raises."""
        path = self._storage.folder("samples") / name
        async with self._lock:
            if not path.exists():
                await self._engine.sample(name, path)
        return path
