"""Videos of a batch that its table does not name any more."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from airflow_provider_videoretalk.batches.plan_file import FOLDER, SPEECHES
from airflow_provider_videoretalk.publishing.atomic_object import Destination
from airflow_provider_videoretalk.publishing.object_name import object_key
from airflow_provider_videoretalk.publishing.object_store import read_object, store_errors_named
from airflow_provider_videoretalk.publishing.publication import metadata_path, remove_published

_METADATA = ".mp4.json"
_MAX_READERS = 16


def find_unused(folder: Any, *, batch: str, named: Collection[str]) -> list[Destination]:
    """The videos in a folder that a batch has published, and that its table does not name.

    :param folder: an ``ObjectStoragePath``
    :param batch: its name, which the metadata file of a video has
    :param named: the keys of objects that are not looked at, see
        :func:`~airflow_provider_videoretalk.publishing.object_name.object_key`
    :raises TransportError: the store cannot be read
    """
    videos = list(_videos(folder, named))
    with ThreadPoolExecutor(_MAX_READERS) as pool:
        metadata = list(pool.map(_metadata_of, videos))
    return [video for video, found in zip(videos, metadata, strict=True) if found.get("batch") == batch]


def remove_video(video: Destination, *, batch: str, planned_at: str) -> bool:
    """Removes a video and its metadata file, if a batch has published it before a time. Returns whether it did.

    A plan may be hours old, and another run or batch may have published there since.

    :param planned_at: in ISO 8601
    :raises TransportError: the store failed
    """
    metadata = _metadata_of(video)
    if metadata.get("batch") != batch or not _is_before(metadata.get("published_at"), planned_at):
        return False
    remove_published(video)
    return True


def _is_before(moment: object, planned_at: str) -> bool:
    try:
        return datetime.fromisoformat(str(moment)) < datetime.fromisoformat(planned_at)
    except (TypeError, ValueError):
        return False


def _videos(folder: Any, named: Collection[str]) -> Iterator[Destination]:
    root = folder.path.rstrip("/")
    with store_errors_named(folder):
        folder.fs.invalidate_cache()
        found = folder.fs.find(folder.path) if folder.fs.exists(folder.path) else []
    for path in sorted(found):
        name = str(path)[len(root) + 1 :]
        if not name.endswith(_METADATA) or name.partition("/")[0] in (FOLDER, SPEECHES):
            continue
        video: Destination = folder / name.removesuffix(".json")
        if object_key(video) not in named:
            yield video


def _metadata_of(video: Destination) -> Mapping[str, Any]:
    with store_errors_named(video):
        content = read_object(metadata_path(video))
    try:
        metadata = json.loads(content or b"null")
    except (ValueError, RecursionError):
        return {}
    return metadata if isinstance(metadata, dict) else {}
