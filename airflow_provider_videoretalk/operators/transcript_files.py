"""The files of a transcript: the whole of it as JSON, and subtitles. The JSON is read again where it is translated."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_videoretalk.batches.table_text import MAX_BYTES
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.reply_values import parse_reply
from airflow_provider_videoretalk.operators.template_values import as_text, check_word

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_videoretalk.editing.subtitles import Cue
    from airflow_provider_videoretalk.operators.batch_sources import BatchSources

TranscriptFormat = Literal["srt", "vtt", "json"]
FORMATS: tuple[TranscriptFormat, ...] = ("srt", "vtt", "json")
"""In the order in which they are written. Where the JSON is, the others are."""

_CONTENT_TYPES = {"srt": "application/x-subrip", "vtt": "text/vtt", "json": "application/json"}

log = logging.getLogger(__name__)


def transcript_paths(
    destination: object, *, formats: object, storage_conn_id: str | None, allowed_destinations: object
) -> dict[TranscriptFormat, ObjectStoragePath]:
    """The paths of the files, in stores that can be opened. Writes nothing.

    :param destination: URI of the files without their suffix, e.g. ``s3://aws_default@bucket/talks/monday``
    :param formats: a list of :data:`TranscriptFormat`
    :raises InputError: a destination is not allowed, or a format is unknown
    :raises ConfigurationError: a store cannot be opened
    """
    from airflow_provider_videoretalk.operators.destination_path import open_destination

    uri = as_text("destination", destination).strip()
    if uri.endswith("/"):
        raise InputError(
            f"destination is {uri!r}, allowed is the name of the files without their suffix",
            remedy="Add a name, such as s3://bucket/talks/monday.",
        )
    given = [formats] if isinstance(formats, str) else formats
    if not isinstance(given, Sequence) or not given:
        raise InputError(f"formats is {formats!r}, allowed is a list of {', '.join(FORMATS)}", remedy="Name one.")
    for name in given:
        check_word("formats", name, FORMATS)
    return {
        name: open_destination(
            f"{uri}.{name}", storage_conn_id=storage_conn_id, allowed_destinations=allowed_destinations
        )
        for name in FORMATS
        if name in given
    }


def write_transcript(
    paths: Mapping[TranscriptFormat, ObjectStoragePath],
    transcript: Mapping[str, Any],
) -> dict[TranscriptFormat, str]:
    """Writes the files, and returns their URIs. Files of these names are replaced.

    Subtitles whose times are impossible are left out: the transcript is paid for, and a retry would read the same one.

    :param transcript: what the JSON file has: a
        :class:`~airflow_provider_videoretalk.operators.transcribe.TranscriptionResult` without ``files``
    :raises TransportError: a store failed; a retry can help
    """
    # Loads fsspec.
    from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of
    from airflow_provider_videoretalk.publishing.object_store import store_errors_named, write_object

    written: dict[TranscriptFormat, str] = {}
    cues = _cues(transcript) if paths.keys() - {"json"} else None
    for name, path in paths.items():
        content = _content(name, transcript, cues)
        if content is None:
            continue
        with store_errors_named(path):
            write_object(path, content, content_type=_CONTENT_TYPES[name])
        written[name] = uri_of(path)
    return written


def is_written(path: ObjectStoragePath) -> bool:
    """
    :raises TransportError: the store failed
    """
    # Loads fsspec.
    from airflow_provider_videoretalk.publishing.object_store import find_object, store_errors_named

    with store_errors_named(path):
        return find_object(path) is not None


def read_written(path: ObjectStoragePath) -> dict[str, Any] | None:
    """What :func:`write_transcript` wrote to a JSON file; ``None`` if there is none, or it is another one.

    :raises TransportError: the store failed
    """
    # Loads fsspec.
    from airflow_provider_videoretalk.publishing.object_store import read_object, store_errors_named

    with store_errors_named(path):
        content = read_object(path)
    try:
        found = json.loads(content or b"null")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("segments"), list) else None


def read_transcript(field: str, location: str, *, sources: BatchSources) -> Mapping[str, Any]:
    """The transcript in a JSON file that :func:`write_transcript` wrote.

    :param field: that names it, for messages
    :raises InputError: the location is not allowed or cannot be read, or has no transcript
    :raises TransportError: it cannot be read now
    """
    content = sources.table(location, field=field)
    if len(content) > MAX_BYTES:
        raise InputError(
            f"{field} at {location} has over {MAX_BYTES:,} bytes, allowed are {MAX_BYTES:,}",
            remedy="Transcribe it without words.",
        )
    try:
        transcript = parse_reply(content)
    except ValueError:
        transcript = None
    if not isinstance(transcript, Mapping):
        raise InputError(f"{field} at {location} is no transcript", remedy="Give what TranscribeOperator returned.")
    return transcript


def _cues(transcript: Mapping[str, Any]) -> Sequence[Cue] | None:
    """The subtitles; ``None`` if the times of the transcript are impossible."""
    # Only files need them.
    from airflow_provider_videoretalk.editing.subtitles import ScriptPart
    from airflow_provider_videoretalk.editing.transcript_cues import subtitles_of_transcript

    parts = [ScriptPart(start=each["start"], end=each["end"], text=each["text"]) for each in transcript["segments"]]
    try:
        return subtitles_of_transcript(parts, language=transcript["language"]).cues if parts else ()
    except InputError as error:
        log.warning("No subtitles are written, since the service's transcript does not allow them: %s", error)
        return None


def _content(name: TranscriptFormat, transcript: Mapping[str, Any], cues: Sequence[Cue] | None) -> bytes | None:
    # Only files need them.
    from airflow_provider_videoretalk.editing.subtitle_files import subtitle_file

    if name == "json":
        return json.dumps(transcript, ensure_ascii=False, indent=1).encode()
    return None if cues is None else subtitle_file(cues, name)
