"""Brings a result to where it outlives its day."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.sdk import Asset, AssetAlias, BaseOperator

from airflow_provider_videoretalk.links import WatchLink
from airflow_provider_videoretalk.operators.values import check_word
from airflow_provider_videoretalk.waiting.steps import reached

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_videoretalk.dashscope.speech import SpeechResult
    from airflow_provider_videoretalk.dashscope.task import TaskResult
    from airflow_provider_videoretalk.publishing.draft import Destination
    from airflow_provider_videoretalk.publishing.publication import IfExists
    from airflow_provider_videoretalk.publishing.transfer import Copied, Fetched

# What of a source is no use after a day, and a key to it until then.
_MORTAL = ("url", "video_url", "audio_url", "expires_at")


class PublishMediaOperator(BaseOperator):
    """Streams a result into any store that Airflow's ``ObjectStoragePath`` reaches, with a metadata JSON beside it.

    The download goes on after dropped and stalled connections, and is held against the length, MD5 and CRC-64 that the
    source's server gives. Only then the object appears, whole, and its JSON after it; where one of them fails, neither
    stays, unless the object has replaced another one already. Every outlet gets an asset event whose ``extra`` is the
    metadata: an ``Asset`` as it stands, an ``AssetAlias`` with an asset of each object's own URI.

    The metadata is also what the operator returns: the source's fields but for its mortal URL (such as ``task_id``,
    ``request_id``, ``usage``), ``uri``, ``size`` in bytes, ``sha256``, ``content_type``, ``verified`` and
    ``unverified`` (what was compared with the server's word, and why not), ``published_at``, and what ``metadata``
    adds. With it come ``metadata_uri`` and, for a list of destinations, ``uris`` and ``metadata_uris``; the rest is
    that of the first.

    Names are templates, so objects can be partitioned by date or by anything that the source says::

        PublishMediaOperator(
            task_id="publish",
            source=retalk.output,
            destination=[
                "s3://aws_default@videos/{{ ds }}/{{ params.language }}/",
                "oss://oss_default@archive/{{ ds_nodash }}-{{ ti.xcom_pull('retalk')['task_id'] }}.mp4",
            ],
            if_exists="skip_same",
        )

    :param source: what a VideoRetalk, text-to-speech or sensor task returned, or a plain URL (templated)
    :param destination: URI of the object, e.g. ``s3://aws_default@bucket/videos/en.mp4``, or of a folder, ending with a
        slash, in which it is named after the task's id; several of them as a list (templated)
    :param storage_conn_id: the Airflow connection of the stores, where a URI names none (templated)
    :param dashscope_conn_id: with a connection, a result whose URL is dead is asked for once more by its task's id,
        which the service remembers for about a day (templated)
    :param metadata: JSON-safe values to add to the metadata (templated)
    :param if_exists: what to do about an object that is there already: ``overwrite`` it; ``fail`` before anything is
        fetched, also if an earlier try of the same task published it; or ``skip_same``: leave it alone, with its JSON,
        if that names the same task (or speech request), without fetching anything, or if what was fetched has the same
        size and SHA-256. An object without a JSON that fits it is overwritten
    :raises InputError: an object is there, and ``if_exists`` is ``fail``
    :raises ResultExpiredError: the source's URL is dead
    :raises TransportError: the download or a store failed; nothing was published, unless the message names what was
    """

    template_fields: Sequence[str] = (
        "source",
        "destination",
        "storage_conn_id",
        "dashscope_conn_id",
        "metadata",
    )
    operator_extra_links = (WatchLink(),)

    def __init__(
        self,
        *,
        source: str | TaskResult | SpeechResult,
        destination: str | Sequence[str],
        storage_conn_id: str | None = None,
        dashscope_conn_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        if_exists: IfExists = "overwrite",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_word("if_exists", if_exists, ("fail", "skip_same", "overwrite"))
        self.source = source
        self.destination = destination
        self.storage_conn_id = storage_conn_id
        self.dashscope_conn_id = dashscope_conn_id
        self.metadata = metadata
        self.if_exists = if_exists

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        source = self.source if isinstance(self.source, Mapping) else {"url": self.source}
        described = {name: value for name, value in source.items() if name not in _MORTAL} | self._added()
        url = _url_of(source)
        paths = self._paths(url, source)
        assets = [Asset(uri=_asset_uri(path)) for path in paths]
        published = self._copy(url, source, paths, described)
        reached("after_publish")
        collector = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        for path, copied in zip(paths, published, strict=True):
            done = "Kept what was published at" if copied.kept else "Published"
            self.log.info("%s %s (%s bytes)", done, path, copied.metadata["size"])
            collector.add_output_asset(context=path, uri=str(path))
        found = [{**copied.metadata, "uri": str(path)} for path, copied in zip(paths, published, strict=True)]
        self._emit(context, assets, found)
        return found[0] | self._places(paths)

    def _places(self, paths: Sequence[ObjectStoragePath]) -> dict[str, Any]:
        from airflow_provider_videoretalk.publishing.publication import beside

        besides = [str(beside(path)) for path in paths]
        if isinstance(self.destination, str):
            return {"metadata_uri": besides[0]}
        return {"metadata_uri": besides[0], "uris": [str(path) for path in paths], "metadata_uris": besides}

    def _copy(
        self, url: str, source: Mapping[str, Any], paths: Sequence[ObjectStoragePath], described: Mapping[str, Any]
    ) -> list[Copied]:
        """Copies the source, or if it is dead, what the service now says of its task."""
        from airflow_provider_videoretalk.dashscope.errors import ResultExpiredError
        from airflow_provider_videoretalk.publishing.transfer import copy

        def describe(fetched: Fetched, path: Destination) -> dict[str, Any]:
            return {
                **described,
                "uri": str(path),
                "size": fetched.verdict.size,
                "sha256": fetched.verdict.sha256,
                "content_type": fetched.content_type,
                "verified": list(fetched.verdict.verified),
                "unverified": dict(fetched.verdict.unverified),
                "published_at": datetime.now(timezone.utc).isoformat(),
            }

        copy_it = partial(
            copy,
            destinations=paths,
            describe=describe,
            if_exists=self.if_exists,
            identity=_identity(source),
            on_object=lambda: reached("during_publish"),
        )
        try:
            return copy_it(url, expires_at=source.get("expires_at"))
        except ResultExpiredError:
            if not self.dashscope_conn_id or not source.get("task_id"):
                raise
        return copy_it(self._asked_again(str(source["task_id"])))

    def _asked_again(self, task_id: str) -> str:
        from airflow_provider_videoretalk.dashscope.errors import ResultExpiredError
        from airflow_provider_videoretalk.dashscope.task import get_task
        from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

        task = DashScopeHook(str(self.dashscope_conn_id)).client.send(get_task(task_id))
        task.raise_for_status()
        if task.result_url is None:
            raise ResultExpiredError(f"task {task_id} has no result any more", remedy="Make the video again.")
        return task.result_url

    def _added(self) -> dict[str, Any]:
        """The user's metadata.

        :raises InputError: not a mapping, or not JSON-safe
        """
        from airflow_provider_videoretalk.dashscope.errors import InputError
        from airflow_provider_videoretalk.operators.values import as_mapping

        added = dict(as_mapping("metadata", self.metadata or {}))
        try:
            json.dumps(added)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"metadata is not JSON-safe: {error}", remedy="Give texts, numbers, lists, dicts."
            ) from None
        return added

    def _paths(self, url: str, source: Mapping[str, Any]) -> list[ObjectStoragePath]:
        """Where to publish.

        :raises InputError: no destination, one of them twice, or a folder without its slash
        """
        from airflow_provider_videoretalk.dashscope.errors import InputError

        given = [self.destination] if isinstance(self.destination, str) else self.destination
        if not isinstance(given, Sequence) or not given:
            raise InputError(
                f"destination is {given!r}, allowed is a URI or a list of them", remedy="Give the destination."
            )
        paths = [self._path(destination, url, source) for destination in given]
        named = [str(path) for path in paths]
        twice = next((uri for uri in named if named.count(uri) > 1), None)
        if twice:
            raise InputError(f"destination names {twice} twice", remedy="Name each object once.")
        return paths

    def _path(self, destination: object, url: str, source: Mapping[str, Any]) -> ObjectStoragePath:
        """An object's place; a local folder is made, an object store needs none."""
        from airflow.sdk import ObjectStoragePath

        from airflow_provider_videoretalk.dashscope.errors import InputError
        from airflow_provider_videoretalk.fs.oss import register_paths
        from airflow_provider_videoretalk.operators.values import as_text
        from airflow_provider_videoretalk.publishing.draft import is_local

        destination = as_text("destination", destination)
        register_paths()
        path = ObjectStoragePath(destination, conn_id=self.storage_conn_id)
        if destination.endswith("/"):
            fetched = PurePosixPath(urlsplit(url).path)
            path /= f"{source.get('task_id') or source.get('request_id') or fetched.stem}{fetched.suffix}"
        if is_local(path):
            if path.is_dir():
                raise InputError(
                    f"destination is the folder {path}", remedy="End it with a slash, or name a file in it."
                )
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _emit(self, context: Context, assets: Sequence[Asset], found: Sequence[dict[str, Any]]) -> None:
        for outlet in self.outlets:
            if isinstance(outlet, AssetAlias):
                for asset, metadata in zip(assets, found, strict=True):
                    context["outlet_events"][outlet].add(asset, extra=metadata)
            elif isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra = found[0]


def _identity(source: Mapping[str, Any]) -> dict[str, Any]:
    """By what the JSON beside an object is known to tell of the same source: a task makes one result, a request to
    speak one audio.
    """
    return next(({name: source[name]} for name in ("task_id", "request_id") if source.get(name)), {})


def _asset_uri(path: ObjectStoragePath) -> str:
    """The object's URI as others name it: percent-encoded, and without the connection that reaches it."""
    return f"{path.protocol or 'file'}://{quote(path.path)}"


def _url_of(source: Mapping[str, Any]) -> str:
    from airflow_provider_videoretalk.dashscope.errors import InputError
    from airflow_provider_videoretalk.dashscope.url import media_url

    url = next((source[name] for name in ("video_url", "audio_url", "url") if source.get(name)), None)
    if url is None:
        raise InputError(
            f"source is a mapping with the keys {sorted(source)} and no URL in it",
            remedy="Pass what the operator or sensor returned, or a plain URL.",
        )
    return media_url("source", url)
