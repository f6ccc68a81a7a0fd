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
_DEFAULTS: dict[Part, str] = {"source": "video/mp4", "result": "video/mp4", "audio": "audio/wav"}


@dataclass(frozen=True, kw_only=True)
class WebMedium:
    """A medium behind a URL, which no page shows: it may be a key to somebody's store."""

    url: str
    content_type: str


@dataclass(frozen=True, kw_only=True)
class StoredMedium:
    """A medium that was published.

    :param identity: what the JSON beside it has to say, so that no other file is taken for it
    """

    uri: str
    content_type: str
    identity: Mapping[str, Any]


Medium = WebMedium | StoredMedium


def media_of(video: Video, part: Part, *, now: datetime | None = None) -> list[Medium]:
    """Where a part lies, to be tried in this order: with the service while it lives, then in the store."""
    told, urls = _told(video, part)
    dead = moment(told.get("expires_at"))
    alive = dead is None or (now or datetime.now(timezone.utc)) < dead
    found: list[Medium] = [_web(url, part) for url in urls if alive and _is_web(url)]
    stored = _stored(video, part)
    return [*found, stored] if stored else found


def _told(video: Video, part: Part) -> tuple[Mapping[str, Any], list[str]]:
    """What told of a part, and the URLs that it gave."""
    if part == "result":
        return video.result, _texts(video.result, "video_url")
    if part == "source":
        return {}, _texts(video.job, "video_url")
    return video.speech, _texts(video.speech, "audio_url") or _texts(video.job, "audio_url")


def _texts(told: Mapping[str, Any], name: str) -> list[str]:
    value = text(told, name)
    return [value] if value else []


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _web(url: str, part: Part) -> WebMedium:
    return WebMedium(url=url, content_type=_type_of(urlsplit(url).path) or _DEFAULTS[part])


def _stored(video: Video, part: Part) -> StoredMedium | None:
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
