"""The media of a video that can be played. Their locations come from its tasks, never from the browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from airflow_provider_videoretalk.airflow_adapters.location_policy import LocationPolicy
from airflow_provider_videoretalk.batches.pieces import PIECES
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.outbound.location_prefix import scheme_of
from airflow_provider_videoretalk.publishing.media_types import media_type_of_name
from airflow_provider_videoretalk.ui.published_object import is_allowed, published_uri
from airflow_provider_videoretalk.ui.return_values import get_text
from airflow_provider_videoretalk.ui.stored_values import as_time
from airflow_provider_videoretalk.ui.video import Video

Part = Literal["source", "result", "audio", "subtitles"]

_MASK = "***"
_INPUT_STORES = ("s3", "gs", "abfs", "abfss")
_DEFAULT_TYPES: dict[Part, str] = {"source": "video/mp4", "result": "video/mp4", "audio": "audio/wav"}
_SUBTITLES_TYPE = "text/vtt"


@dataclass(frozen=True, kw_only=True)
class WebMedium:
    """A medium with a URL. No page shows the URL, since its signature may give access to a store."""

    url: str
    content_type: str


@dataclass(frozen=True, kw_only=True)
class StoredMedium:
    """A medium in an object store, or one that was published to a disk.

    :param identity: fields of the JSON beside a published object, which must match before it is opened;
        ``None`` for an input
    :param beside: the URI of the published object whose JSON that is; ``None`` if it is this one
    """

    uri: str
    content_type: str
    identity: Mapping[str, Any] | None
    beside: str | None = None


Medium = WebMedium | StoredMedium


def find_media(video: Video, part: Part, *, now: datetime | None = None) -> list[Medium]:
    """The media to try for a part, in this order:

    1. at the URL that a task returned, unless it has expired
    2. at the input that the job operator was given
    3. at the destination of the publish operator
    4. where the job operator has joined its pieces

    A return value can be changed by whoever may write XComs. So it names neither a store nor a disk: these come from
    rendered fields, which Airflow alone writes, and have to be allowed.

    Subtitles are those beside the published object.
    """
    if part == "subtitles":
        subtitles = _published_subtitles(video)
        return [subtitles] if subtitles is not None else []
    candidates = (
        _returned_medium(video, part, now or datetime.now(timezone.utc)),
        _input_medium(video, part),
        _published_medium(video, part),
        _joined_medium(video, part),
    )
    return [medium for medium in candidates if medium is not None]


def services_copy(job: Task) -> list[Medium]:
    """The result of a render job that Airflow does not have, at the URL that the service names."""
    medium = _web_medium(job.result_url, "result") if job.result_url else None
    return [medium] if medium is not None else []


def _returned_medium(video: Video, part: Part, now: datetime) -> WebMedium | None:
    if part == "source":
        inputs = video.result.get("inputs")
        url = get_text(inputs, "video_url") if isinstance(inputs, Mapping) and not video.job_fields else None
        expires_at = None
    elif part == "result":
        url, expires_at = get_text(video.result, "video_url"), video.result_expires_at
    else:
        url, expires_at = get_text(video.speech, "audio_url"), as_time(video.speech.get("expires_at"))
    return _web_medium(url, part) if url and (expires_at is None or now < expires_at) else None


def _input_medium(video: Video, part: Part) -> Medium | None:
    """An input at its rendered location.

    - It is opened in a store after the submit only, since the task has then read and signed it already.
    - A path on a disk is never opened, since it does not name the machine.
    - A rendered field has a signed URL without its signature, so that URL is not opened.
    """
    name = {"source": "video_url", "audio": "audio_url"}.get(part)
    location = get_text(video.job_fields, name) if name else None
    if location is None:
        return None
    stored_type = _content_type(location)
    if scheme_of(location) not in _INPUT_STORES or stored_type is None:
        return _web_medium(location, part)
    allowed = LocationPolicy(setting="allowed_sources", own=video.job_fields.get("allowed_sources"))
    if video.job_id is None or not allowed.allows(location):
        return None
    return StoredMedium(uri=location, content_type=stored_type, identity=None)


def _web_medium(url: str, part: Part) -> WebMedium | None:
    if _MASK in url:
        return None
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    if scheme_of(url) not in ("http", "https"):
        return None
    return WebMedium(url=url, content_type=_content_type(path) or _DEFAULT_TYPES[part])


def _published_medium(video: Video, part: Part) -> StoredMedium | None:
    """The object that the publish operator's destination names, if its return value is about that object."""
    named = get_text(video.publication, "uri")
    content_type = _content_type(named) if named else None
    kind = (content_type or "").partition("/")[0]
    if named is None or content_type is None or (part, kind) not in (("result", "video"), ("audio", "audio")):
        return None
    uri = published_uri(video.publish_fields, named)
    if uri is None:
        return None
    names = [name for name in ("task_id", "request_id") if video.publication.get(name)]
    identity = {name: video.publication[name] for name in (*names, "sha256")}
    return StoredMedium(uri=uri, content_type=content_type, identity=identity)


def _joined_medium(video: Video, part: Part) -> StoredMedium | None:
    """The video of several pieces, in the folder that the job operator's rendered field names."""
    named, folder = get_text(video.result, "video_location"), get_text(video.job_fields, "folder")
    if part != "result" or named is None or folder is None:
        return None
    fields = {
        "destination": f"{folder.strip()}{PIECES}/",
        "storage_conn_id": video.job_fields.get("storage_conn_id"),
    }
    uri, job_id = published_uri(fields, named), get_text(video.result, "task_id")
    return StoredMedium(uri=uri, content_type="video/mp4", identity={"task_id": job_id}) if uri else None


def _published_subtitles(video: Video) -> StoredMedium | None:
    """The WebVTT file beside the published video, at the name that publishing gives it."""
    named = video.publication.get("subtitles")
    found = _published_medium(video, "result")
    if found is None or not isinstance(named, Mapping) or not get_text(named, "vtt"):
        return None
    uri = f"{found.uri.rpartition('.')[0]}.vtt"
    if not is_allowed(video.publish_fields, uri):
        return None
    return StoredMedium(uri=uri, content_type=_SUBTITLES_TYPE, identity=found.identity, beside=found.uri)


def _content_type(path: str) -> str | None:
    """The content type of a file that a browser may play, by the suffix of its name."""
    found = media_type_of_name(unquote(path))
    return found.content_type if found is not None and found.kind in ("video", "audio") else None
