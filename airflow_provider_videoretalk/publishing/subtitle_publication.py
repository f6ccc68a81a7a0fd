"""Subtitle files beside a published object, timed by the object's own sound."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.editing.subtitle_files import CONTENT_TYPES, SubtitleFormat, subtitle_file
from airflow_provider_videoretalk.editing.subtitle_track import add_subtitle_track
from airflow_provider_videoretalk.editing.subtitles import ScriptPart, Subtitles, make_subtitles
from airflow_provider_videoretalk.publishing.atomic_object import Destination, is_local, open_atomic_object
from airflow_provider_videoretalk.publishing.media_edit import MediaEdit, working_folder
from airflow_provider_videoretalk.publishing.media_types import suffix_of_name
from airflow_provider_videoretalk.publishing.object_store import (
    find_object,
    remove_object,
    store_errors_named,
    write_object,
)
from airflow_provider_videoretalk.publishing.publication import already_exists_error, json_of, metadata_path
from airflow_provider_videoretalk.publishing.stored_source import StoredSource
from airflow_provider_videoretalk.publishing.transfer import PublishedObject

SUBTITLES_FIELD = "subtitles"
"""The field of the metadata file that names the subtitle files: a URI by format."""

TRACK_FIELD = "subtitle_track"
"""The field of the metadata file that describes the subtitle track: its ``language``."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SubtitleSource:
    """
    :param script: all that is spoken in the object
    :param language: a code or an English name; ``None`` if it is not known
    :param parts: of the script, if it is known when each is spoken
    """

    script: str
    language: str | None
    parts: tuple[ScriptPart, ...] = ()

    def make(self, media: Path) -> Subtitles:
        script = self.parts or self.script
        return make_subtitles(media, script=script, language=self.language, field="the published file")


def subtitle_path(destination: Destination, file_format: SubtitleFormat) -> Destination:
    """The path at which players look for an object's subtitles: ``welcome.srt`` beside ``welcome.mp4``."""
    suffix = suffix_of_name(destination.name, ("video", "audio"))
    stem = destination.name[: -len(suffix)] if suffix else destination.name
    return destination.with_name(f"{stem}.{file_format}")


def publish_subtitles(
    published: Sequence[PublishedObject],
    source: SubtitleSource,
    *,
    formats: Sequence[SubtitleFormat],
    name_uri: Callable[[Destination], str],
    create_only: bool,
) -> list[PublishedObject]:
    """Writes subtitle files beside published objects, and names them in their metadata files.

    It comes after the objects: whatever fails here, they are published, and their metadata files name no subtitles that
    are not there. An object that was kept and has all its subtitle files is left as it is. So a retry makes only what
    is missing, of the published object.

    :param published: the same object at each destination
    :param formats: at least one
    :param name_uri: the URI of a path
    :param create_only: never replace a subtitle file
    :returns: the objects, with what their metadata files now say
    :raises InputError: no subtitles can be made of the script and the object, see
        :func:`~airflow_provider_videoretalk.editing.subtitles.make_subtitles`
    :raises ConfigurationError: the extra ``media`` is not installed
    :raises TransportError: a store failed; a retry can help
    """
    lacking = [each for each in published if not (each.kept and _has_subtitles(each, formats, name_uri))]
    if not lacking:
        return list(published)
    with _after_publishing(lacking, formats, create_only=create_only):
        with _local_file(lacking[0].destination) as path:
            subtitles = source.make(path)
        written = {
            id(each): _write(each, subtitles, formats, name_uri=name_uri, create_only=create_only) for each in lacking
        }
    return [written.get(id(each), each) for each in published]


class SubtitleTrack:
    """The edit that adds subtitles to a video as a track. It never prevents the video from being published.

    :ivar problem: why there is no track; ``None`` if there is one, or the edit was not applied
    """

    def __init__(self, source: SubtitleSource) -> None:
        self._source = source
        self.problem: DashScopeError | None = None

    @property
    def edit(self) -> MediaEdit:
        script = hashlib.sha256(self._source.script.encode("utf-8", "surrogatepass")).hexdigest()
        settings = {"script": script, "language": self._source.language}
        return MediaEdit(name=TRACK_FIELD, settings=settings, apply=self._apply)

    def _apply(self, source: Path, target: Path) -> Mapping[str, Any]:
        try:
            subtitles = self._source.make(source)
            add_subtitle_track(source, target, cues=subtitles.cues, language=subtitles.language)
        except DashScopeError as error:
            self.problem = error
            shutil.copyfile(source, target)
            return {}
        return {TRACK_FIELD: {"language": subtitles.language}}


def without_subtitles(published: Sequence[PublishedObject], error: DashScopeError) -> DashScopeError:
    """The error, whose message now says that the objects are published all the same."""
    names = ", ".join(str(each.destination) for each in published)
    error.message = f"{names} is published, but without all of its subtitles: {error.message}"
    return error


def _has_subtitles(
    published: PublishedObject, formats: Sequence[SubtitleFormat], name_uri: Callable[[Destination], str]
) -> bool:
    named = published.metadata.get(SUBTITLES_FIELD)
    paths = {each: subtitle_path(published.destination, each) for each in formats}
    if not isinstance(named, Mapping) or any(named.get(each) != name_uri(path) for each, path in paths.items()):
        return False
    with store_errors_named(published.destination):
        return all(find_object(path) is not None for path in paths.values())


@contextmanager
def _local_file(destination: Destination) -> Iterator[Path]:
    """The published object as a file on this machine."""
    if is_local(destination):
        yield Path(destination.path)
        return
    with working_folder() as folder:
        copy = folder / f"published{suffix_of_name(destination.name, ('video', 'audio'))}"
        with StoredSource(destination) as source, copy.open("xb") as file:
            for chunk in source:
                file.write(chunk)
        yield copy


def _write(
    published: PublishedObject,
    subtitles: Subtitles,
    formats: Sequence[SubtitleFormat],
    *,
    name_uri: Callable[[Destination], str],
    create_only: bool,
) -> PublishedObject:
    paths = {each: subtitle_path(published.destination, each) for each in formats}
    for file_format, path in paths.items():
        content = subtitle_file(subtitles.cues, file_format)
        with store_errors_named(path):
            _write_file(path, content, content_type=CONTENT_TYPES[file_format], create_only=create_only)
    named = {file_format: name_uri(path) for file_format, path in paths.items()}
    metadata = {**published.metadata, SUBTITLES_FIELD: named}
    described = metadata_path(published.destination)
    with store_errors_named(described):
        write_object(described, json_of(metadata), content_type="application/json")
    return replace(published, metadata=metadata)


def _write_file(path: Destination, content: bytes, *, content_type: str, create_only: bool) -> None:
    written = open_atomic_object(path, content_type=content_type, create_only=create_only)
    try:
        if create_only and find_object(path) is not None:
            raise already_exists_error(path)
        written.write(content)
        written.seal()
        written.commit()
    except FileExistsError:
        raise already_exists_error(path) from None
    finally:
        written.discard()


@contextmanager
def _after_publishing(
    published: Sequence[PublishedObject], formats: Sequence[SubtitleFormat], *, create_only: bool
) -> Iterator[None]:
    """Says in an error that the objects are published, and removes subtitles of the objects that they replaced."""
    try:
        yield
    except BaseException as error:
        if not create_only:
            _remove_older([each for each in published if not each.kept], formats)
        if isinstance(error, DashScopeError):
            without_subtitles(published, error)
        raise


def _remove_older(published: Sequence[PublishedObject], formats: Sequence[SubtitleFormat]) -> None:
    for each in published:
        for path in (subtitle_path(each.destination, file_format) for file_format in formats):
            try:
                if find_object(path) is not None:
                    remove_object(path)
            except Exception as error:
                log.warning("%s may be of an older video, and remains: %s", path, type(error).__name__)
