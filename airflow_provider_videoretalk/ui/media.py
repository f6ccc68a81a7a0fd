"""Where the media of a video lie: known by what its tasks told, never by what a browser asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from airflow_provider_videoretalk.ui.told import text
from airflow_provider_videoretalk.ui.video import Video, moment

Part = Literal["source", "result", "audio"]

_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".avi": "video/x-msvideo",
    ".webm": "video/webm",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".aac": "audio/aac",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
}
_STORES = ("s3", "gs", "abfs", "abfss")
_DEFAULTS: dict[Part, str] = {"source": "video/mp4", "result": "video/mp4", "audio": "audio/wav"}


@dataclass(frozen=True, kw_only=True)
class WebMedium:
    """A medium behind a URL, which no page shows: it may be a key to somebody's store."""

    url: str
    content_type: str


@dataclass(frozen=True, kw_only=True)
class StoredMedium:
    """A medium in an object store, or one that was published to a disk.

    :param identity: what the JSON beside a published one has to say, so that no other file is taken for it;
        ``None`` for an input
    """

    uri: str
    content_type: str
    identity: Mapping[str, Any] | None


Medium = WebMedium | StoredMedium


def media_of(video: Video, part: Part, *, now: datetime | None = None) -> list[Medium]:
    """Where a part lies, to be tried in this order: where the task was told that it is, then where it was published."""
    told, places = _told(video, part)
    dead = moment(told.get("expires_at"))
    alive = dead is None or (now or datetime.now(timezone.utc)) < dead
    found = [_given(video, place, part) for place in places if alive]
    return [medium for medium in (*found, _published(video, part)) if medium is not None]


def _told(video: Video, part: Part) -> tuple[Mapping[str, Any], list[str]]:
    """What told of a part, and the places that it gave."""
    if part == "result":
        return video.result, _texts(video.result, "video_url")
    if part == "source":
        return {}, _texts(video.job, "video_url")
    return video.speech, _texts(video.speech, "audio_url") or _texts(video.job, "audio_url")


def _texts(told: Mapping[str, Any], name: str) -> list[str]:
    value = text(told, name)
    return [value] if value else []


def _given(video: Video, place: str, part: Part) -> Medium | None:
    """An input in a store is shown once it was submitted: whoever could run the task let it be looked at and signed. A
    file is not: a path says nothing of which machine it is on.
    """
    scheme, _, path = place.partition("://")
    if scheme in ("http", "https"):
        return WebMedium(url=place, content_type=_type_of(urlsplit(place).path) or _DEFAULTS[part])
    content_type = _type_of(path)
    if scheme not in _STORES or content_type is None or video.task_id is None:
        return None
    return StoredMedium(uri=place, content_type=content_type, identity=None)


def _published(video: Video, part: Part) -> StoredMedium | None:
    uri = text(video.publication, "uri")
    content_type = _type_of(uri) if uri else None
    if uri is None or content_type is None:
        return None
    kind = content_type.partition("/")[0]
    if (part == "result" and kind == "video") or (part == "audio" and kind == "audio"):
        names = [name for name in ("task_id", "request_id") if video.publication.get(name)]
        identity = {name: video.publication[name] for name in (*names, "sha256")}
        return StoredMedium(uri=uri, content_type=content_type, identity=identity)
    return None


def _type_of(path: str) -> str | None:
    return _TYPES.get(PurePosixPath(unquote(path)).suffix.lower())
