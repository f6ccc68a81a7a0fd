"""An object store in memory that works like S3, and fails at chosen steps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import store as airflow_store
from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile

Step = Literal["open", "write", "close", "commit", "discard", "info", "read", "remove"]


class ObjectStore(AbstractFileSystem):
    """Objects become visible when an upload is committed.

    :param commits_at_close: commit when a file is closed, as Azure's library does
    """

    protocol = "s3"
    cachable = False

    def __init__(self, *, commits_at_close: bool = False) -> None:
        super().__init__()
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[int, bytes] = {}
        self.opened: list[dict[str, Any]] = []
        self.failures: dict[tuple[Step, str], BaseException] = {}
        self.steps: list[tuple[Step, str]] = []
        self.commits_at_close = commits_at_close
        self._numbers = itertools.count()

    def fail(self, step: Step, name: str, error: BaseException | None = None) -> None:
        """Makes ``step`` fail for objects whose key ends with ``name``."""
        self.failures[step, name] = error or OSError("the store is down")

    def at(self, step: Step, path: str) -> None:
        self.steps.append((step, path.rpartition("/")[2]))
        for (failing, name), error in self.failures.items():
            if failing == step and path.endswith(name):
                raise error

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        self.at("info", path)
        content = self.objects.get(path)
        if content is None:
            raise FileNotFoundError(path)
        return {"name": path, "size": len(content), "type": "file", "ETag": hash(content)}

    def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
        self.at("read", path)
        if path not in self.objects:
            raise FileNotFoundError(path)
        return self.objects[path][start:end]

    def rm_file(self, path: str) -> None:
        self.at("remove", path)
        # As S3 does, also if there is none.
        self.objects.pop(path, None)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        self.at("open", path)
        self.opened.append({"path": path, "mode": mode, **options})
        kind = _File if self.commits_at_close else _HeldFile
        return kind(self, path, mode, block_size=options["block_size"], autocommit=options["autocommit"])

    def number(self) -> int:
        return next(self._numbers)


class _File(AbstractBufferedFile):  # type: ignore[misc]
    _upload: int | None = None

    def _initiate_upload(self) -> None:
        self._upload = self.fs.number()
        self.fs.uploads[self._upload] = b""

    def _upload_chunk(self, final: bool = False) -> bool:
        self.fs.at("close" if final else "write", self.path)
        self.fs.uploads[self._upload] += self.buffer.getvalue()
        if final and self.fs.commits_at_close:
            self._appear()
        return True

    def _appear(self) -> None:
        if "x" in self.mode and self.path in self.fs.objects:
            raise FileExistsError(self.path)
        self.fs.objects[self.path] = self.fs.uploads.pop(self._upload)


class _HeldFile(_File):
    def commit(self) -> None:
        self.fs.at("commit", self.path)
        self._appear()

    def discard(self) -> None:
        self.fs.at("discard", self.path)
        self.fs.uploads.pop(self._upload, None)


@contextmanager
def attached(scheme: str = "s3", /, **stores: AbstractFileSystem) -> Iterator[None]:
    """Makes ``s3://name@bucket/key`` refer to the store of that name, as an Airflow connection does."""
    before = dict(airflow_store._STORE_CACHE)
    for name, fs in stores.items():
        made = airflow_store.ObjectStore(protocol=scheme, conn_id=name, fs=fs)
        airflow_store._STORE_CACHE[f"{scheme}-{name}"] = made
    try:
        yield
    finally:
        airflow_store._STORE_CACHE.clear()
        airflow_store._STORE_CACHE.update(before)


def place(uri: str) -> ObjectStoragePath:
    return ObjectStoragePath(uri)
