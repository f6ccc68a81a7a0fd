"""An object and the metadata beside it, which appear together."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.publishing.draft import Destination, Draft, open_draft
from airflow_provider_videoretalk.publishing.store import look, named_errors, read, remove

IfExists = Literal["fail", "skip_same", "overwrite"]
"""What to do about an object that is there already."""

log = logging.getLogger(__name__)


def beside(destination: Destination) -> Destination:
    """Where the metadata of an object lies: ``<name>.json``."""
    return destination.with_name(f"{destination.name}.json")


def metadata_of(destination: Destination) -> Mapping[str, Any] | None:
    """What the JSON beside an object tells of it; ``None`` where either is missing, or tells of another size.

    :raises TransportError: the store can't be read
    """
    with named_errors(destination):
        found = look(destination)
        content = read(beside(destination)) if found else None
    try:
        metadata = json.loads(content or b"null")
    except ValueError:
        return None
    fits = isinstance(metadata, dict) and found is not None and metadata.get("size") == found["size"]
    return metadata if fits else None


def taken(destination: Destination) -> InputError:
    """The error of an object that must not be replaced."""
    return InputError(
        f"destination {destination} exists already, and if_exists is 'fail'",
        remedy="Give another name, or choose 'skip_same' or 'overwrite'.",
    )


class Publication:
    """An object on its way to one destination, and a JSON file that tells of it.

    Both are handed to the store before either appears. Then an older JSON is taken away, the object appears, and its
    JSON appears last. So a JSON tells of no other object than the one it lies beside, also when the process dies in
    between. When something fails instead:

    - the object can't appear: the older JSON comes back
    - the JSON can't appear: an object that is the first of its name is taken away again. One that has replaced another
      stays, since what it replaced is gone, and has no JSON until a later try

    :param first: never take another object's place
    """

    def __init__(self, destination: Destination, *, content_type: str | None = None, first: bool = False) -> None:
        self.destination = destination
        self._beside = beside(destination)
        self._first = first
        self._metadata: Draft | None = None
        with named_errors(destination):
            self._object = open_draft(destination, content_type=content_type, first=first)

    def write(self, chunk: bytes) -> None:
        with named_errors(self.destination):
            self._object.write(chunk)

    def seal(self, metadata: Mapping[str, Any]) -> None:
        """Hands over the object's last bytes, and its metadata."""
        with named_errors(self.destination):
            self._object.seal()
        with named_errors(self._beside):
            self._metadata = open_draft(self._beside, content_type="application/json")
            self._metadata.write(json.dumps(metadata, ensure_ascii=False, indent=2).encode())
            self._metadata.seal()

    def commit(self, *, on_object: Callable[[], object]) -> None:
        """Lets both appear. To be sealed before.

        :param on_object: called when the object has appeared, and its JSON has not
        :raises InputError: there is an object by now, and this one was to be the first
        :raises TransportError: the store failed
        """
        if self._metadata is None:
            raise ValueError("commit() comes after seal()")
        before = self._before()
        if before and self._first:
            raise taken(self.destination)
        with self._without_older_metadata(before), named_errors(self.destination):
            self._commit_object()
        try:
            on_object()
            with named_errors(self._beside):
                self._metadata.commit()
        except BaseException as error:
            if before is None:
                self._undo("An object without metadata", lambda: remove(self.destination))
            elif isinstance(error, TransportError):
                error.message += f"; {self.destination} itself was replaced, and has no metadata now"
            raise

    def discard(self) -> None:
        """Takes away what did not appear."""
        self._object.discard()
        if self._metadata is not None:
            self._metadata.discard()

    def _before(self) -> Mapping[str, Any] | None:
        """What was there; an empty mapping where that may not be looked at."""
        with named_errors(self.destination):
            try:
                return look(self.destination)
            except PermissionError:
                return {}

    @contextmanager
    def _without_older_metadata(self, before: Mapping[str, Any] | None) -> Iterator[None]:
        older = self._take_metadata_away() if before else None
        try:
            yield
        except BaseException:
            # It may have appeared nonetheless, when only the answer was lost.
            if older is not None and self._before() == before:
                self._undo("An object without its metadata", lambda: self._put_back(older))
            raise

    def _take_metadata_away(self) -> bytes | None:
        with named_errors(self._beside):
            try:
                older = read(self._beside)
                if older is not None:
                    remove(self._beside)
            except PermissionError:
                # Then it is replaced in its turn.
                return None
            return older

    def _commit_object(self) -> None:
        try:
            self._object.commit()
        except FileExistsError:
            raise taken(self.destination) from None

    def _put_back(self, older: bytes) -> None:
        draft = open_draft(self._beside, content_type="application/json")
        draft.write(older)
        draft.seal()
        draft.commit()

    def _undo(self, otherwise: str, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            log.warning("%s stays at %s: %s", otherwise, self.destination, type(error).__name__)
