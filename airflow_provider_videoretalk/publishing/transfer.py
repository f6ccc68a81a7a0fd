"""Copies an object from a URL into stores. A copy is verified, and appears complete or not at all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, ResultExpiredError
from airflow_provider_videoretalk.dashscope.result_expiry import FREE_URL, check_not_expired, expiry_time, refusal_error
from airflow_provider_videoretalk.outbound.download import Download, RetrySettings
from airflow_provider_videoretalk.outbound.host_access import AccessRule, public_only
from airflow_provider_videoretalk.publishing.atomic_object import Destination
from airflow_provider_videoretalk.publishing.checksums import Checksums, VerifiedContent
from airflow_provider_videoretalk.publishing.expected_media import ANY_MEDIA, ExpectedMedia
from airflow_provider_videoretalk.publishing.media_inspection import MediaInspector, is_inspected
from airflow_provider_videoretalk.publishing.object_store import find_object, store_errors_named
from airflow_provider_videoretalk.publishing.publication import (
    IfExists,
    Publication,
    already_exists_error,
    read_metadata,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DownloadedObject:
    """The source as it was downloaded.

    :param content_type: by the bytes, whatever the source's server says
    :param media: the properties of the file, see :meth:`.media_inspection.MediaInspector.check`
    """

    content: VerifiedContent
    content_type: str
    media: Mapping[str, Any]


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
    url: str,
    destinations: Sequence[Destination],
    *,
    build_metadata: BuildMetadata,
    expected: ExpectedMedia = ANY_MEDIA,
    if_exists: IfExists = "overwrite",
    identity: Mapping[str, object] | None = None,
    expires_at: str | None = None,
    access: AccessRule = public_only,
    retry: RetrySettings | None = None,
    sleep: Callable[[float], object] = time.sleep,
    on_object_visible: Callable[[], object] = lambda: None,
) -> list[PublishedObject]:
    """Streams ``url`` to all destinations in one pass, each with a metadata file. Memory stays bounded.

    No object becomes visible before the download is complete, verified, and looked at: it is media of an expected kind
    and length, and whole. ``skip_same`` compares with the metadata file of the existing object, if that file gives the
    object's size, and says that the object was looked at:

    - the same ``identity``: nothing is downloaded
    - the same size and SHA-256 as the download: the object is kept

    :param build_metadata: builds the content of the metadata file. ``skip_same`` needs its ``size``, ``sha256`` and
        ``media``
    :param expected: what the download should be
    :param identity: fields of the metadata file that identify a source whose content never changes, such as
        ``task_id``; none by default
    :param expires_at: when the URL expires (ISO 8601); by default as its signature says
    :param access: how the host of a URL may be connected to; by default only at public addresses
    :param on_object_visible: called each time an object is visible and its metadata file is not yet
    :returns: one for each destination, in the same order
    :raises InputError: ``if_exists`` is ``fail``, and a destination holds an object
    :raises ResultExpiredError: the URL has expired; nothing was published
    :raises UnexpectedMediaError: the download is not what was expected; nothing was published
    :raises RefusedUrlError: the server refuses a URL that has not expired; nothing was published
    :raises TransportError: the download or a store failed. With several destinations some may be published; the message
        names them
    """
    metadata = dict(enumerate(_existing_metadata(each, if_exists, expected) for each in destinations))
    wanted = [index for index, known in metadata.items() if not _contains(known, identity or {})]
    changed: list[int] = []
    if wanted:
        downloading = _downloading(url, expires_at, access=access, retry=retry, sleep=sleep)
        with downloading as download, ExitStack() as cleanup:

            def draft(destination: Destination, content_type: str) -> Publication:
                publication = Publication(destination, content_type=content_type, create_only=if_exists == "fail")
                cleanup.callback(publication.discard)
                return publication

            publications, downloaded = _write_drafts(
                download, {index: destinations[index] for index in wanted}, draft=draft, expected=expected
            )
            content = downloaded.content
            same = {"size": content.size, "sha256": content.sha256}
            changed = [index for index in wanted if not _contains(metadata[index], same)]
            for index in changed:
                metadata[index] = build_metadata(downloaded, destinations[index])
                publications[index].seal(metadata[index])
            _commit([publications[index] for index in changed], on_object_visible=on_object_visible)
    return [
        PublishedObject(destination=each, metadata=metadata[index], kept=index not in changed)
        for index, each in enumerate(destinations)
    ]


def _write_drafts(
    download: Download,
    destinations: Mapping[int, Destination],
    *,
    draft: Callable[[Destination, str], Publication],
    expected: ExpectedMedia,
) -> tuple[dict[int, Publication], DownloadedObject]:
    """Streams a download into a draft for each destination, and looks at it.

    :param draft: begins a draft, with a content type
    :raises UnexpectedMediaError: the download is not what was expected
    """
    inspector = MediaInspector(expected)
    watched = inspector.watch(iter(download))
    start = inspector.read_start(watched)
    drafts = {index: draft(destination, inspector.content_type) for index, destination in destinations.items()}
    content = _stream(download, chain(start, watched), drafts.values())
    media = inspector.check()
    return drafts, DownloadedObject(content=content, content_type=inspector.content_type, media=media)


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


def _existing_metadata(destination: Destination, if_exists: IfExists, expected: ExpectedMedia) -> Mapping[str, Any]:
    """The metadata of an existing object that may be kept; empty if there is none.

    :raises InputError: there is an object, and ``if_exists`` is ``fail``
    """
    if if_exists == "skip_same":
        existing = read_metadata(destination) or {}
        return existing if is_inspected(existing, expected) else {}
    if if_exists == "fail":
        with store_errors_named(destination):
            found = find_object(destination)
        if found is not None:
            raise already_exists_error(destination)
    return {}


def _contains(metadata: Mapping[str, Any], fields: Mapping[str, object]) -> bool:
    return bool(fields) and all(metadata.get(name) == value for name, value in fields.items())


def _stream(download: Download, chunks: Iterable[bytes], publications: Collection[Publication]) -> VerifiedContent:
    with Checksums(download.response_metadata) as checksums:
        for chunk in chunks:
            checksums.add(chunk)
            for publication in publications:
                publication.write(chunk)
        if download.resumed:
            log.info("The download was resumed after %s lost connections", download.resumed)
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
