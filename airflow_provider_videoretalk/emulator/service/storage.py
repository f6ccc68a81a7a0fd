"""The emulator's object store: results it made, files clients uploaded, and the folder they live in."""

from __future__ import annotations

import heapq
import math
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.service.signature import Signer

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.service.account import Clock
    from airflow_provider_videoretalk.emulator.service.checksum import Checksums
    from airflow_provider_videoretalk.emulator.settings import EmulatorSettings


@dataclass(frozen=True, kw_only=True)
class StoredResult:
    """A result file; `expires` is in seconds since the epoch."""

    key: str
    path: Path
    media_type: str
    checksums: Checksums
    expires: int


@dataclass(frozen=True, kw_only=True)
class StoredUpload:
    """An uploaded file, bound to one account and one model; `expires` is in seconds since the epoch."""

    key: str
    path: Path
    account: str
    model: str
    expires: float


@dataclass(frozen=True, kw_only=True)
class UploadGrant:
    """What a policy was given for: the folder `prefix` belongs to one account and one model."""

    prefix: str
    account: str
    model: str


class Storage:
    """Files under one folder, with their owners and their ends. Changed on the event loop only, save its folders."""

    def __init__(self, *, settings: EmulatorSettings, clock: Clock) -> None:
        self.signer = Signer()
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._root: Path | None = None
        self._ends: list[tuple[float, str]] = []
        self.results: dict[str, StoredResult] = {}
        self.uploads: dict[str, StoredUpload] = {}
        self.grants: dict[str, UploadGrant] = {}

    def folder(self, name: str) -> Path:
        """A folder of the store, made on first use."""
        with self._lock:
            if self._root is None:
                given = self._settings.data_dir
                self._root = given or Path(tempfile.mkdtemp(prefix="dashscope-emulator-"))
            path = self._root / name
            path.mkdir(parents=True, exist_ok=True)
            return path

    def publish(self, *, key: str, path: Path, media_type: str, checksums: Checksums) -> StoredResult:
        """Make a finished file a result, for as long as the service keeps results."""
        result = StoredResult(
            key=key,
            path=path,
            media_type=media_type,
            checksums=checksums,
            expires=math.ceil(self._clock() + self._settings.result_seconds),
        )
        self._end(path, at=result.expires)
        self.results[key] = result
        return result

    def url(self, result: StoredResult, *, origin: str) -> str:
        return self.signer.url(origin=origin, key=result.key, expires=result.expires)

    def claim(self, *, key: str, path: Path, grant: UploadGrant) -> bool:
        """Give an uploaded file its key; ``False`` when the key is taken, which is left as it is."""
        if key in self.uploads:
            return False
        self.uploads[key] = StoredUpload(
            key=key,
            path=path,
            account=grant.account,
            model=grant.model,
            expires=self._clock() + self._settings.upload_seconds,
        )
        self._end(path, at=self.uploads[key].expires)
        return True

    def upload(self, *, key: str, account: str, model: str) -> StoredUpload | None:
        """An upload as its account and model see it; ``None`` for everybody else and after its end."""
        found = self.uploads.get(key)
        if found is None or found.account != account or found.model != model or self._clock() >= found.expires:
            return None
        return found

    def drop_expired(self) -> None:
        """Delete files past their end; blocking. What was known of them stays, so that their URLs answer as expired."""
        now = self._clock()
        with self._lock:
            ended = []
            while self._ends and self._ends[0][0] <= now:
                ended.append(heapq.heappop(self._ends)[1])
        for path in ended:
            Path(path).unlink(missing_ok=True)

    def _end(self, path: Path, *, at: float) -> None:
        with self._lock:
            heapq.heappush(self._ends, (at, str(path)))

    def close(self) -> None:
        """Remove the folder if it is a temporary one; blocking."""
        if self._root is not None and self._settings.data_dir is None:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None
