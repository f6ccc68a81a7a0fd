"""Brings a result to where it outlives its day."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.sdk import Asset, AssetAlias, BaseOperator

from airflow_provider_videoretalk.waiting.steps import reached

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_videoretalk.dashscope.speech import SpeechResult
    from airflow_provider_videoretalk.dashscope.task import TaskResult
    from airflow_provider_videoretalk.media.transfer import Copied

# What of a source is no use after a day, and a key to it until then.
_MORTAL = ("url", "video_url", "audio_url", "expires_at")


class PublishMediaOperator(BaseOperator):
    """Streams a result into any store that Airflow's ``ObjectStoragePath`` reaches, with a metadata JSON beside it.

    The object appears whole or not at all. Every outlet gets an asset event whose ``extra`` is the metadata: an
    ``Asset`` as it stands, an ``AssetAlias`` with an asset of the object's own URI. The metadata is also what the
    operator returns, with ``metadata_uri``: the source's fields but for its mortal URL, ``uri``, ``size`` in bytes,
    ``sha256``, ``content_type``, ``published_at``, and what ``metadata`` adds.

    :param source: what a VideoRetalk, text-to-speech or sensor task returned, or a plain URL (templated)
    :param destination: URI of the object, e.g. ``s3://aws_default@bucket/videos/en.mp4``, or of a folder, ending with a
        slash, in which it is named after the task's id (templated)
    :param storage_conn_id: the Airflow connection of the store, where the URI names none (templated)
    :param dashscope_conn_id: with a connection, a result whose URL is dead is asked for once more by its task's id,
        which the service remembers for about a day (templated)
    :param metadata: JSON-safe values to add to the metadata (templated)
    :raises ResultExpiredError: the source's URL is dead
    :raises TransportError: the download failed; nothing was published
    """

    template_fields: Sequence[str] = (
        "source",
        "destination",
        "storage_conn_id",
        "dashscope_conn_id",
        "metadata",
    )

    def __init__(
        self,
        *,
        source: str | TaskResult | SpeechResult,
        destination: str,
        storage_conn_id: str | None = None,
        dashscope_conn_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.destination = destination
        self.storage_conn_id = storage_conn_id
        self.dashscope_conn_id = dashscope_conn_id
        self.metadata = metadata

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_videoretalk.media.transfer import atomic

        source = self.source if isinstance(self.source, Mapping) else {"url": self.source}
        described = {name: value for name, value in source.items() if name not in _MORTAL} | self._added()
        url = _url_of(source)
        path = self._path(url, source)
        asset = Asset(uri=_asset_uri(path))
        copied = self._copy(url, source, path)
        metadata: dict[str, Any] = {
            **described,
            "uri": str(path),
            "size": copied.size,
            "sha256": copied.sha256,
            "content_type": copied.content_type,
            "published_at": datetime.now(timezone.utc).isoformat(),
        }
        beside = path.with_name(f"{path.name}.json")
        reached("during_publish")
        with atomic(beside, content_type="application/json") as file:
            file.write(json.dumps(metadata, ensure_ascii=False, indent=2).encode())
        reached("after_publish")
        self.log.info("Published %s (%s bytes)", path, copied.size)
        self._emit(context, asset, metadata)
        return metadata | {"metadata_uri": str(beside)}

    def _copy(self, url: str, source: Mapping[str, Any], path: ObjectStoragePath) -> Copied:
        """Copies the source, or if it is dead, what the service now says of its task."""
        from airflow_provider_videoretalk.dashscope.errors import ResultExpiredError
        from airflow_provider_videoretalk.media.expiry import check_not_expired
        from airflow_provider_videoretalk.media.transfer import copy

        try:
            check_not_expired("source", source.get("expires_at"))
            return copy(url, path)
        except ResultExpiredError:
            if not self.dashscope_conn_id or not source.get("task_id"):
                raise
        return copy(self._asked_again(str(source["task_id"])), path)

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

    def _path(self, url: str, source: Mapping[str, Any]) -> ObjectStoragePath:
        """Where to publish; a local folder is made, an object store needs none.

        :raises InputError: no destination, or a folder without its slash
        """
        from airflow.sdk import ObjectStoragePath

        from airflow_provider_videoretalk.dashscope.errors import InputError
        from airflow_provider_videoretalk.media.transfer import is_local
        from airflow_provider_videoretalk.operators.values import as_text

        destination = as_text("destination", self.destination)
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

    def _emit(self, context: Context, asset: Asset, metadata: dict[str, Any]) -> None:
        for outlet in self.outlets:
            if isinstance(outlet, AssetAlias):
                context["outlet_events"][outlet].add(asset, extra=metadata)
            elif isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra = metadata


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
