"""Copies an object over HTTP into stores: whole and verified, or not at all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.expiry import check_not_expired
from airflow_provider_videoretalk.publishing.download import Download, Persistence
from airflow_provider_videoretalk.publishing.draft import Destination
from airflow_provider_videoretalk.publishing.publication import IfExists, Publication, metadata_of, taken
from airflow_provider_videoretalk.publishing.store import look, named_errors
from airflow_provider_videoretalk.publishing.tally import Tally, Verdict

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What was downloaded."""

    verdict: Verdict
    content_type: str | None


@dataclass(frozen=True, kw_only=True)
class Copied:
    """An object at a destination.

    :param metadata: what the JSON beside it says
    :param kept: whether it was there before, and was left alone
    """

    destination: Destination
    metadata: Mapping[str, Any]
    kept: bool


Describe = Callable[[Fetched, Destination], Mapping[str, Any]]


def copy(
    url: str,
    destinations: Sequence[Destination],
    *,
    describe: Describe,
    if_exists: IfExists = "overwrite",
    identity: Mapping[str, object] | None = None,
    expires_at: str | None = None,
    persistence: Persistence | None = None,
    sleep: Callable[[float], object] = time.sleep,
    on_object: Callable[[], object] = lambda: None,
) -> list[Copied]:
    """Streams ``url`` to all destinations in one pass, each with a JSON beside it; memory stays bounded.

    None of them appears before the download has ended and was verified. What is the same, for ``skip_same``, is told by
    the JSON beside an object, as long as it gives the size that the object has: with the same ``identity`` nothing is
    fetched, and with the same SHA-256 as what was fetched the object is left alone.

    :param describe: what to write into the JSON; ``size`` and ``sha256`` are what ``skip_same`` looks for
    :param identity: fields of the JSON by which a source is known whose content never changes, e.g. a task's id; none
        by default
    :param expires_at: when the URL dies (ISO 8601)
    :param on_object: called whenever an object has appeared, and its JSON has not
    :returns: one for each destination, in their order
    :raises InputError: ``if_exists`` is ``fail``, and there is an object
    :raises ResultExpiredError: the URL is dead; nothing was published
    :raises TransportError: the download or a store failed. If something was published nonetheless, which can happen
        with several destinations only, the message says what
    """
    metadata = dict(enumerate(_known(each, if_exists) for each in destinations))
    wanted = [index for index, known in metadata.items() if not _tells(known, identity or {})]
    changed: list[int] = []
    if wanted:
        check_not_expired("source", expires_at)
        with Download(url, persistence=persistence, sleep=sleep) as download, ExitStack() as undo:
            publications = {}
            for index in wanted:
                publications[index] = Publication(
                    destinations[index], content_type=download.announced.content_type, first=if_exists == "fail"
                )
                undo.callback(publications[index].discard)
            fetched = _stream(download, publications.values())
            same = {"size": fetched.verdict.size, "sha256": fetched.verdict.sha256}
            changed = [index for index in wanted if not _tells(metadata[index], same)]
            for index in changed:
                metadata[index] = describe(fetched, destinations[index])
                publications[index].seal(metadata[index])
            _commit([publications[index] for index in changed], on_object=on_object)
    return [
        Copied(destination=each, metadata=metadata[index], kept=index not in changed)
        for index, each in enumerate(destinations)
    ]


def _known(destination: Destination, if_exists: IfExists) -> Mapping[str, Any]:
    """What the JSON says of an object that may stay; nothing where there is none."""
    if if_exists == "skip_same":
        return metadata_of(destination) or {}
    if if_exists == "fail":
        with named_errors(destination):
            found = look(destination)
        if found is not None:
            raise taken(destination)
    return {}


def _tells(metadata: Mapping[str, Any], said: Mapping[str, object]) -> bool:
    return bool(said) and all(metadata.get(name) == value for name, value in said.items())


def _stream(download: Download, publications: Collection[Publication]) -> Fetched:
    with Tally(download.announced) as tally:
        for chunk in download:
            tally.add(chunk)
            for publication in publications:
                publication.write(chunk)
        if download.resumed:
            log.info("The download went on after %s lost connections", download.resumed)
        return Fetched(verdict=tally.verdict(), content_type=download.announced.content_type)


def _commit(publications: Sequence[Publication], *, on_object: Callable[[], object]) -> None:
    for index, publication in enumerate(publications):
        try:
            publication.commit(on_object=on_object)
        except DashScopeError as error:
            if len(publications) > 1:
                done, left = _names(publications[:index]), _names(publications[index:])
                error.message += f"; published by now: {done}; not published: {left}"
            raise


def _names(publications: Sequence[Publication]) -> str:
    return ", ".join(str(publication.destination) for publication in publications) or "nothing"
