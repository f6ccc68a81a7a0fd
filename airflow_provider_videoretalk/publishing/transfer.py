"""Copies an object from a URL or a store into stores. A copy is verified, and appears complete or not at all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, ResultExpiredError
from airflow_provider_videoretalk.dashscope.result_expiry import FREE_URL, check_not_expired, expiry_time, refusal_error
from airflow_provider_videoretalk.outbound.download import Download, RetrySettings
from airflow_provider_videoretalk.outbound.host_access import AccessRule, public_only
from airflow_provider_videoretalk.outbound.response_metadata import ResponseMetadata
from airflow_provider_videoretalk.publishing.atomic_object import Destination
from airflow_provider_videoretalk.publishing.checksums import Checksums, VerifiedContent
from airflow_provider_videoretalk.publishing.expected_media import ANY_MEDIA, ExpectedMedia
from airflow_provider_videoretalk.publishing.media_edit import (
    EDITS_FIELD,
    LocalCopy,
    MediaEdit,
    apply_edits,
    describe_edits,
    edits_digest,
    has_edits,
    original_of,
    working_folder,
)
from airflow_provider_videoretalk.publishing.media_inspection import MediaInspector, is_inspected
from airflow_provider_videoretalk.publishing.media_types import suffix_of_type
from airflow_provider_videoretalk.publishing.object_store import find_object, store_errors_named
from airflow_provider_videoretalk.publishing.publication import (
    IfExists,
    Publication,
    already_exists_error,
    read_metadata,
)
from airflow_provider_videoretalk.publishing.stored_source import StoredSource

log = logging.getLogger(__name__)


class SourceBytes(Protocol):
    """The bytes of a source, each once and in order.

    :ivar response_metadata: what is known of them before they come
    :ivar resumed: how many connections continued an interrupted transfer
    """

    @property
    def response_metadata(self) -> ResponseMetadata: ...

    @property
    def resumed(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, kw_only=True)
class DownloadedObject:
    """The source as it was downloaded, or as it was edited.

    :param content: of the object that is published. What is ``verified`` is so of the download
    :param content_type: by the bytes, whatever the source's server says
    :param media: the properties of the file, see :meth:`.media_inspection.MediaInspector.check`
    :param edits: fields of the metadata file: those of each edit, and ``edits``; none if nothing was edited
    """

    content: VerifiedContent
    content_type: str
    media: Mapping[str, Any]
    edits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PublishedObject:
    """An object at a destination.

    :param metadata: the content of its metadata file
    :param kept: whether it existed before and was not changed
    """

    destination: Destination
    metadata: Mapping[str, Any]
    kept: bool


BuildMetadata = Callable[[DownloadedObject, Destination], Mapping[str, Any]]


def copy_object(
    source: str | Destination,
    destinations: Sequence[Destination],
    *,
    build_metadata: BuildMetadata,
    expected: ExpectedMedia = ANY_MEDIA,
    edits: Sequence[MediaEdit] = (),
    if_exists: IfExists = "overwrite",
    identity: Mapping[str, object] | None = None,
    expires_at: str | None = None,
    access: AccessRule = public_only,
    retry: RetrySettings | None = None,
    sleep: Callable[[float], object] = time.sleep,
    on_object_visible: Callable[[], object] = lambda: None,
) -> list[PublishedObject]:
    """Streams ``source`` to all destinations in one pass, each with a metadata file. Memory stays bounded.

    No object becomes visible before the download is complete, verified, and looked at: it is media of an expected kind
    and length, and whole. ``skip_same`` compares with the metadata file of the existing object, if that file gives the
    object's size, and says that the object was looked at, and was edited with the same settings:

    - the same ``identity``: nothing is downloaded
    - the same size and SHA-256 of the download: the object is kept

    With ``edits``, the download is written to a folder for temporary files first, which needs room for two copies. What
    the last edit wrote is looked at again, and published.

    :param source: a URL, or the path of an object in a store
    :param build_metadata: builds the content of the metadata file. ``skip_same`` needs its ``size``, ``sha256`` and
        ``media``, and all fields of ``edits``
    :param expected: what the download should be, and what it should be after all edits
    :param edits: applied to the file in this order
    :param identity: fields of the metadata file that identify a source whose content never changes, such as
        ``task_id``; none by default
    :param expires_at: when the URL expires (ISO 8601); by default as its signature says
    :param access: how the host of a URL may be connected to; by default only at public addresses
    :param on_object_visible: called each time an object is visible and its metadata file is not yet
    :returns: one for each destination, in the same order
    :raises InputError: ``if_exists`` is ``fail``, and a destination holds an object
    :raises ResultExpiredError: the URL has expired; nothing was published
    :raises UnexpectedMediaError: the download is not what was expected, or no longer after an edit; nothing was
        published
    :raises EditError: an edit failed, or the disk for temporary files is full; nothing was published
    :raises RefusedUrlError: the server refuses a URL that has not expired; nothing was published
    :raises TransportError: the download or a store failed. With several destinations some may be published; the message
        names them
    """
    digest = edits_digest(edits)
    existing = (_existing_metadata(each, if_exists, expected, digest) for each in destinations)
    metadata = dict(enumerate(existing))
    wanted = {index: destinations[index] for index, known in metadata.items() if not _contains(known, identity or {})}
    publications: dict[int, Publication] = {}
    if wanted:
        opened: AbstractContextManager[SourceBytes]
        if isinstance(source, str):
            opened = _downloading(source, expires_at, access=access, retry=retry, sleep=sleep)
        else:
            opened = StoredSource(source)
        with opened as download, ExitStack() as cleanup:

            def draft(destination: Destination, content_type: str) -> Publication:
                publication = Publication(destination, content_type=content_type, create_only=if_exists == "fail")
                cleanup.callback(publication.discard)
                return publication

            def is_kept(index: int, content: VerifiedContent) -> bool:
                return _contains(original_of(metadata[index]), {"size": content.size, "sha256": content.sha256})

            write = partial(_write_edited_drafts, edits=edits) if edits else _write_drafts
            publications, downloaded = write(download, wanted, draft=draft, is_kept=is_kept, expected=expected)
            for index, publication in publications.items():
                metadata[index] = build_metadata(downloaded, publication.destination)
                publication.seal(metadata[index])
            _commit(list(publications.values()), on_object_visible=on_object_visible)
    return [
        PublishedObject(destination=each, metadata=metadata[index], kept=index not in publications)
        for index, each in enumerate(destinations)
    ]


_Draft = Callable[[Destination, str], Publication]
_IsKept = Callable[[int, VerifiedContent], bool]
_Drafts = tuple[dict[int, Publication], DownloadedObject]


def _write_drafts(
    source: SourceBytes,
    destinations: Mapping[int, Destination],
    *,
    draft: _Draft,
    is_kept: _IsKept,
    expected: ExpectedMedia,
    field: str = "source",
) -> _Drafts:
    """Streams a source into a draft for each destination, and looks at it.

    :param draft: begins a draft, with a content type
    :param is_kept: whether a destination already holds what was streamed; its draft is left out
    :raises UnexpectedMediaError: the source is not what was expected
    """
    inspector = MediaInspector(expected, field=field)
    watched = inspector.watch(iter(source))
    start = inspector.read_start(watched)
    drafts = {index: draft(destination, inspector.content_type) for index, destination in destinations.items()}
    content = _stream(source, chain(start, watched), drafts.values())
    media = inspector.check()
    drafts = {index: each for index, each in drafts.items() if not is_kept(index, content)}
    return drafts, DownloadedObject(content=content, content_type=inspector.content_type, media=media)


def _write_edited_drafts(
    source: SourceBytes,
    destinations: Mapping[int, Destination],
    *,
    edits: Sequence[MediaEdit],
    draft: _Draft,
    is_kept: _IsKept,
    expected: ExpectedMedia,
) -> _Drafts:
    """Like :func:`_write_drafts`, after the edits.

    :raises UnexpectedMediaError: the source, or what became of it, is not what was expected
    :raises EditError: an edit failed, or the disk for temporary files is full
    """
    with working_folder() as folder:
        path, original = _download_to(folder, source, expected)
        changed = {index: each for index, each in destinations.items() if not is_kept(index, original.content)}
        if not changed:
            return {}, original
        path, fields = apply_edits(path, edits)
        drafts, edited = _write_drafts(
            LocalCopy(path), changed, draft=draft, is_kept=lambda *_: False, expected=expected, field="the edited file"
        )
    content = replace(original.content, size=edited.content.size, sha256=edited.content.sha256)
    described = {**fields, EDITS_FIELD: describe_edits(edits, original=original.content)}
    return drafts, replace(edited, content=content, edits=described)


def _download_to(folder: Path, source: SourceBytes, expected: ExpectedMedia) -> tuple[Path, DownloadedObject]:
    """Writes a source to a file whose suffix is that of its format, and looks at it.

    :raises UnexpectedMediaError: it is not what was expected
    """
    inspector = MediaInspector(expected)
    watched = inspector.watch(iter(source))
    start = inspector.read_start(watched)
    path = folder / f"download{suffix_of_type(inspector.content_type)}"
    with path.open("xb") as file:
        content = _stream(source, chain(start, watched), [file])
    media = inspector.check()
    return path, DownloadedObject(content=content, content_type=inspector.content_type, media=media)


@contextmanager
def _downloading(
    url: str,
    expires_at: object,
    *,
    access: AccessRule,
    retry: RetrySettings | None,
    sleep: Callable[[float], object],
) -> Iterator[Download]:
    """The download of a URL that has not expired.

    :raises ResultExpiredError: it has, before or during the download
    :raises RefusedUrlError: the server refuses it although it has not
    """
    end: datetime | None = expiry_time(expires_at, url)
    check_not_expired("source", end, remedy=FREE_URL)
    try:
        with Download(url, access=access, retry=retry, sleep=sleep) as download:
            yield download
    except ResultExpiredError as error:
        raise refusal_error("source", end, status=error.status) from None


def _existing_metadata(
    destination: Destination, if_exists: IfExists, expected: ExpectedMedia, digest: str | None
) -> Mapping[str, Any]:
    """The metadata of an existing object that may be kept; empty if there is none.

    :param digest: of the edits that it must have
    :raises InputError: there is an object, and ``if_exists`` is ``fail``
    """
    if if_exists == "skip_same":
        existing = read_metadata(destination) or {}
        return existing if is_inspected(existing, expected) and has_edits(existing, digest) else {}
    if if_exists == "fail":
        with store_errors_named(destination):
            found = find_object(destination)
        if found is not None:
            raise already_exists_error(destination)
    return {}


def _contains(metadata: Mapping[str, Any], fields: Mapping[str, object]) -> bool:
    return bool(fields) and all(metadata.get(name) == value for name, value in fields.items())


class _Sink(Protocol):
    def write(self, chunk: bytes, /) -> object: ...


def _stream(source: SourceBytes, chunks: Iterable[bytes], sinks: Collection[_Sink]) -> VerifiedContent:
    with Checksums(source.response_metadata) as checksums:
        for chunk in chunks:
            checksums.add(chunk)
            for sink in sinks:
                sink.write(chunk)
        if source.resumed:
            log.info("The download was resumed after %s lost connections", source.resumed)
        return checksums.verify()


def _commit(publications: Sequence[Publication], *, on_object_visible: Callable[[], object]) -> None:
    for index, publication in enumerate(publications):
        try:
            publication.commit(on_object_visible=on_object_visible)
        except DashScopeError as error:
            if len(publications) > 1:
                done, left = _names(publications[:index]), _names(publications[index:])
                error.message += f"; already published: {done}; not published: {left}"
            raise


def _names(publications: Sequence[Publication]) -> str:
    return ", ".join(str(publication.destination) for publication in publications) or "nothing"
