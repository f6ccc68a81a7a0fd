"""The emulator's object store: results, uploaded files, and the folder that holds them."""

from __future__ import annotations

import heapq
import math
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.service.oss_signature import Signer

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.service.checksums import Checksums
    from airflow_provider_videoretalk.emulator.service.clock import Clock
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
    """An uploaded file of one account for one model; `expires` is in seconds since the epoch."""

    key: str
    path: Path
    account: str
    model: str
    expires: float


@dataclass(frozen=True, kw_only=True)
class UploadGrant:
    """The permission that an upload policy gives: one account may upload to `prefix` for one model."""

    prefix: str
    account: str
    model: str


class Storage:
    """Files below one folder, with their owners and expiry times.

    Change it on the event loop only. :meth:`folder`, :meth:`delete_expired` and :meth:`close` may run in any thread.
    """

    def __init__(self, *, settings: EmulatorSettings, clock: Clock) -> None:
        self.signer = Signer()
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._root: Path | None = None
        self._deletions: list[tuple[float, str]] = []
        self.results: dict[str, StoredResult] = {}
        self.uploads: dict[str, StoredUpload] = {}
        self.grants: dict[str, UploadGrant] = {}

    def folder(self, name: str) -> Path:
        """A folder of the store; creates it on first use."""
        with self._lock:
            if self._root is None:
                given = self._settings.data_dir
                self._root = given or Path(tempfile.mkdtemp(prefix="dashscope-emulator-"))
            path = self._root / name
            path.mkdir(parents=True, exist_ok=True)
            return path

    def add_result(self, *, key: str, path: Path, media_type: str, checksums: Checksums) -> StoredResult:
        """Store a finished file as a result, for as long as the service keeps results."""
        result = StoredResult(
            key=key,
            path=path,
            media_type=media_type,
            checksums=checksums,
            expires=math.ceil(self._clock() + self._settings.result_seconds),
        )
        self._delete_at(path, at=result.expires)
        self.results[key] = result
        return result

    def url(self, result: StoredResult, *, origin: str) -> str:
        return self.signer.url(origin=origin, key=result.key, expires=result.expires)

    def add_upload(self, *, key: str, path: Path, grant: UploadGrant) -> bool:
        """Store an uploaded file under its key; ``False`` if the key exists, which is then left unchanged."""
        if key in self.uploads:
            return False
        self.uploads[key] = StoredUpload(
            key=key,
            path=path,
            account=grant.account,
            model=grant.model,
            expires=self._clock() + self._settings.upload_seconds,
        )
        self._delete_at(path, at=self.uploads[key].expires)
        return True

    def find_upload(self, *, key: str, account: str, model: str) -> StoredUpload | None:
        """An upload of this account for this model; ``None`` for any other, and after it has expired."""
        found = self.uploads.get(key)
        if found is None or found.account != account or found.model != model or self._clock() >= found.expires:
            return None
        return found

    def delete_expired(self) -> None:
        """Delete the expired files; blocking. Their entries are kept, so that their URLs answer as expired."""
        now = self._clock()
        with self._lock:
            expired = []
            while self._deletions and self._deletions[0][0] <= now:
                expired.append(heapq.heappop(self._deletions)[1])
        for path in expired:
            Path(path).unlink(missing_ok=True)

    def _delete_at(self, path: Path, *, at: float) -> None:
        with self._lock:
            heapq.heappush(self._deletions, (at, str(path)))

    def close(self) -> None:
        """Remove the folder if it is temporary; blocking."""
        if self._root is not None and self._settings.data_dir is None:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None
