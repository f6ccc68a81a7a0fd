"""Readers of the stores that a transfer writes to. They read all the time and keep every unexpected content."""

from __future__ import annotations

import json
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from object_store import ObjectStore

NAME = "en.mp4"
_METADATA_NAME = f"{NAME}.json"
_FOLDER = "bucket"


class StoreObserver(ABC):
    """Reads one object of a store, and its metadata file.

    :ivar uri: of the object
    :ivar observations: how often the store was read
    :ivar unexpected: contents that were seen and are no complete version
    """

    uri: str
    pause = 0.002
    """Seconds between two observations."""

    def __init__(self) -> None:
        self.observations = 0
        self.unexpected: list[bytes | None] = []
        self._allowed: set[bytes | None] = {None}
        self._lock = threading.Lock()

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """The current content of a file; ``None`` if there is none. An unchanged file is not read again."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names of all files."""

    @abstractmethod
    def unfinished(self) -> Sequence[object]:
        """Uploads that are neither completed nor cancelled. No listing shows them."""

    @abstractmethod
    def remove(self, name: str) -> None: ...

    def expect(self, *versions: bytes) -> None:
        """From now on only one of these versions may be seen, or the current one."""
        with self._lock:
            self._allowed = {self.read(NAME), *versions}

    def observe(self) -> None:
        with self._lock:
            self.observations += 1
            found = self.read(NAME)
            if found not in self._allowed:
                self.unexpected.append(found)

    def published(self) -> tuple[bytes | None, str | None]:
        """The object, and the SHA-256 in its metadata file."""
        with self._lock:
            content, metadata = self.read(NAME), self.read(_METADATA_NAME)
        return content, json.loads(metadata)["sha256"] if metadata else None

    def leftovers(self) -> list[object]:
        return [name for name in self.names() if name not in (NAME, _METADATA_NAME)] + list(self.unfinished())

    def clear(self) -> None:
        """Removes all files."""
        with self._lock:
            self._allowed.add(None)
            for name in self.names():
                self.remove(name)


class DiskObserver(StoreObserver):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.uri = (folder / NAME).as_uri()
        self._folder = folder
        self._known: dict[str, tuple[tuple[int, ...], bytes]] = {}

    def read(self, name: str) -> bytes | None:
        try:
            with (self._folder / name).open("rb") as file:
                found = os.fstat(file.fileno())
                version = (found.st_ino, found.st_mtime_ns, found.st_size)
                if self._known.get(name, ((), b""))[0] != version:
                    self._known[name] = version, file.read()
        except FileNotFoundError:
            return None
        return self._known[name][1]

    def names(self) -> list[str]:
        return [path.name for path in self._folder.iterdir()]

    def unfinished(self) -> Sequence[object]:
        return ()

    def remove(self, name: str) -> None:
        (self._folder / name).unlink()


class MemoryObserver(StoreObserver):
    def __init__(self, store: ObjectStore, *, connection: str) -> None:
        super().__init__()
        self.uri = f"s3://{connection}@{_FOLDER}/{NAME}"
        self._store = store

    def read(self, name: str) -> bytes | None:
        return self._store.objects.get(f"{_FOLDER}/{name}")

    def names(self) -> list[str]:
        return [key.removeprefix(f"{_FOLDER}/") for key in self._store.objects]

    def unfinished(self) -> Sequence[object]:
        return list(self._store.uploads)

    def remove(self, name: str) -> None:
        del self._store.objects[f"{_FOLDER}/{name}"]


class S3Observer(StoreObserver):
    """Reads with its own connection, by signed URLs."""

    pause = 0.02

    def __init__(self, fs: Any, *, connection: str) -> None:
        super().__init__()
        self.uri = f"s3://{connection}@{_FOLDER}/{NAME}"
        self._fs = fs
        self._urls = {name: fs.sign(f"{_FOLDER}/{name}", expiration=3600) for name in (NAME, _METADATA_NAME)}
        self._session = requests.Session()
        self._known: dict[str, tuple[str, bytes]] = {}

    def read(self, name: str) -> bytes | None:
        known = self._known.get(name)
        headers = {"If-None-Match": known[0]} if known else {}
        reply = self._session.get(self._urls[name], headers=headers, timeout=30)
        if reply.status_code == 404:
            return None
        if reply.status_code != 304 or known is None:
            reply.raise_for_status()
            known = self._known[name] = reply.headers["ETag"], reply.content
        return known[1]

    def names(self) -> list[str]:
        self._fs.invalidate_cache()
        return [key.removeprefix(f"{_FOLDER}/") for key in self._fs.find(_FOLDER)]

    def unfinished(self) -> Sequence[object]:
        return unfinished_uploads(self._fs)

    def remove(self, name: str) -> None:
        self._fs.rm_file(f"{_FOLDER}/{name}")

    def close(self) -> None:
        self._session.close()


def unfinished_uploads(fs: Any) -> list[Any]:
    """Multipart uploads that are neither completed nor cancelled. They cost money, and no listing shows them."""
    return fs.call_s3("list_multipart_uploads", Bucket=_FOLDER).get("Uploads") or []


@contextmanager
def observing(*observers: StoreObserver) -> Iterator[None]:
    """Lets each of them observe its store repeatedly, in its own thread."""
    over = threading.Event()

    def watch(observer: StoreObserver) -> None:
        while not over.wait(observer.pause):
            observer.observe()

    threads = [threading.Thread(target=watch, args=(observer,)) for observer in observers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
