"""An object and its metadata file, published together."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Literal

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.publishing.atomic_object import AtomicObject, Destination, open_atomic_object
from airflow_provider_videoretalk.publishing.object_store import (
    find_object,
    read_object,
    remove_object,
    store_errors_named,
)

IfExists = Literal["fail", "skip_same", "overwrite"]
"""What to do if the destination already holds an object."""

log = logging.getLogger(__name__)


def metadata_path(destination: Destination) -> Destination:
    """The path of an object's metadata file: ``<name>.json`` in the same folder."""
    return destination.with_name(f"{destination.name}.json")


def json_of(metadata: Mapping[str, Any]) -> bytes:
    """The content of a metadata file."""
    return json.dumps(metadata, ensure_ascii=False, indent=2).encode()


def read_metadata(destination: Destination) -> Mapping[str, Any] | None:
    """The content of an object's metadata file.

    ``None``: the object or its metadata file is missing, or the file describes an object of another size.

    :raises TransportError: the store cannot be read
    """
    with store_errors_named(destination):
        found = find_object(destination)
        content = read_object(metadata_path(destination)) if found else None
    try:
        metadata = json.loads(content or b"null")
    except (ValueError, RecursionError):
        return None
    fits = isinstance(metadata, dict) and found is not None and metadata.get("size") == found["size"]
    return metadata if fits else None


def remove_published(destination: Destination) -> None:
    """Removes an object, if there is one, and its metadata file.

    :raises TransportError: the store failed
    """
    for path in (destination, metadata_path(destination)):
        with store_errors_named(path), suppress(FileNotFoundError):
            remove_object(path)


def already_exists_error(destination: Destination) -> InputError:
    """The error for an object that must not be replaced."""
    return InputError(
        f"destination {destination} exists already, and if_exists is 'fail'",
        remedy="Give another name, or set if_exists to 'skip_same' or 'overwrite'.",
    )


class Publication:
    """An object and its metadata file on their way to one destination.

    Both are uploaded before either becomes visible. Then these steps follow:

    1. An older metadata file is removed.
    2. The object becomes visible.
    3. The new metadata file becomes visible.

    So a metadata file never describes another object than the one beside it, even if the process is killed in between.
    If a step fails:

    - step 2: the older metadata file is restored
    - step 3: a new object is removed again. An object that replaced another one stays, because the replaced one is
      lost. It has no metadata until a later attempt

    :param create_only: never replace an object
    """

    def __init__(self, destination: Destination, *, content_type: str | None = None, create_only: bool = False) -> None:
        self.destination = destination
        self._metadata_path = metadata_path(destination)
        self._create_only = create_only
        self._metadata: AtomicObject | None = None
        with store_errors_named(destination):
            self._object = open_atomic_object(destination, content_type=content_type, create_only=create_only)

    def write(self, chunk: bytes) -> None:
        with store_errors_named(self.destination):
            self._object.write(chunk)

    def seal(self, metadata: Mapping[str, Any]) -> None:
        """Uploads the object's last bytes and its metadata."""
        with store_errors_named(self.destination):
            self._object.seal()
        with store_errors_named(self._metadata_path):
            self._metadata = open_atomic_object(self._metadata_path, content_type="application/json")
            self._metadata.write(json_of(metadata))
            self._metadata.seal()

    def commit(self, *, on_object_visible: Callable[[], object]) -> None:
        """Makes both visible. Call :meth:`seal` before.

        :param on_object_visible: called when the object is visible and its metadata file is not yet
        :raises InputError: the destination holds an object, and ``create_only`` was set
        :raises TransportError: the store failed
        """
        if self._metadata is None:
            raise ValueError("commit() comes after seal()")
        existing = self._find_existing()
        if existing and self._create_only:
            raise already_exists_error(self.destination)
        with self._without_older_metadata(existing), store_errors_named(self.destination):
            self._commit_object()
        try:
            on_object_visible()
            with store_errors_named(self._metadata_path):
                self._metadata.commit()
        except BaseException as error:
            if existing is None:
                self._revert("An object without metadata", lambda: remove_object(self.destination))
            elif isinstance(error, TransportError):
                error.message += f"; {self.destination} itself was replaced and now has no metadata"
            raise

    def discard(self) -> None:
        """Removes everything that is not visible."""
        self._object.discard()
        if self._metadata is not None:
            self._metadata.discard()

    def _find_existing(self) -> Mapping[str, Any] | None:
        """The store's information about the existing object; an empty mapping without the permission to read it."""
        with store_errors_named(self.destination):
            try:
                return find_object(self.destination)
            except PermissionError:
                return {}

    @contextmanager
    def _without_older_metadata(self, existing: Mapping[str, Any] | None) -> Iterator[None]:
        older = self._remove_older_metadata() if existing else None
        try:
            yield
        except BaseException:
            # If only the store's answer was lost, the new object is visible, and the older metadata no longer fits.
            if older is not None and self._find_existing() == existing:
                self._revert("An object without its metadata", lambda: self._restore_metadata(older))
            raise

    def _remove_older_metadata(self) -> bytes | None:
        with store_errors_named(self._metadata_path):
            try:
                older = read_object(self._metadata_path)
                if older is not None:
                    remove_object(self._metadata_path)
            except PermissionError:
                # Without the permission, step 3 replaces it.
                return None
            return older

    def _commit_object(self) -> None:
        try:
            self._object.commit()
        except FileExistsError:
            raise already_exists_error(self.destination) from None

    def _restore_metadata(self, older: bytes) -> None:
        restored = open_atomic_object(self._metadata_path, content_type="application/json")
        try:
            restored.write(older)
            restored.seal()
            restored.commit()
        finally:
            restored.discard()

    def _revert(self, remainder: str, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            log.warning("%s remains at %s: %s", remainder, self.destination, type(error).__name__)
