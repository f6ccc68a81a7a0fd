"""The subtitles that a publish task is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_videoretalk.batches.pieces import PARTS_FIELD
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError
from airflow_provider_videoretalk.operators.template_values import as_bool, check_word, is_empty

# The imports inside functions load fsspec and requests, which parsing a DAG does not need.
if TYPE_CHECKING:
    from airflow_provider_videoretalk.editing.subtitle_files import SubtitleFormat
    from airflow_provider_videoretalk.editing.subtitles import ScriptPart
    from airflow_provider_videoretalk.publishing.media_edit import MediaEdit
    from airflow_provider_videoretalk.publishing.subtitle_publication import SubtitleSource
    from airflow_provider_videoretalk.publishing.transfer import PublishedObject

_FORMATS: tuple[SubtitleFormat, ...] = ("srt", "vtt")


class RequestedSubtitles:
    """Subtitle files, a subtitle track, both, or neither. Nothing that is missing for them prevents the publishing.

    :param formats: of the files: a list, or one text with commas between them
    :param track: whether a video gets a track
    :param metadata: of the object: its ``script`` and ``language``, and the ``parts`` of a long video
    :raises InputError: another format, or ``track`` is no boolean
    """

    def __init__(self, *, formats: object, track: object, metadata: Mapping[str, Any]) -> None:
        from airflow_provider_videoretalk.publishing.subtitle_publication import SubtitleTrack

        self._formats = _formats(formats)
        self._source: SubtitleSource | None = None
        self._track: SubtitleTrack | None = None
        self._problem: DashScopeError | None = None
        has_track = as_bool("subtitle_track", track, default=False)
        if not (self._formats or has_track):
            return
        try:
            self._source = _source(metadata)
        except InputError as error:
            self._problem = error
        else:
            self._track = SubtitleTrack(self._source) if has_track else None

    @property
    def edits(self) -> list[MediaEdit]:
        """Comes before the edits that mark a file: FFmpeg, which writes the track, does not keep marks."""
        return [self._track.edit] if self._track is not None else []

    def add_to(self, published: Sequence[PublishedObject], *, create_only: bool) -> list[PublishedObject]:
        """Writes the files beside the published objects.

        :param create_only: never replace a subtitle file
        :returns: the objects, with what their metadata files now say
        :raises DashScopeError: there are no subtitles, or no track. The message says that the object is published
        """
        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of
        from airflow_provider_videoretalk.publishing.subtitle_publication import publish_subtitles, without_subtitles

        if self._formats and self._source is not None:
            published = publish_subtitles(
                published, self._source, formats=self._formats, name_uri=uri_of, create_only=create_only
            )
        problem = self._problem or (self._track.problem if self._track is not None else None)
        if problem is not None:
            raise without_subtitles(published, problem)
        return list(published)


def _formats(value: object) -> tuple[SubtitleFormat, ...]:
    """
    :raises InputError: another format
    """
    if is_empty(value):
        return ()
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
        raise InputError(
            f"subtitles is {value!r}, allowed is a list of srt and vtt, or a text", remedy="Give subtitles=['srt']."
        )
    formats = dict.fromkeys(each.strip().lower() for each in given if each.strip())
    for each in formats:
        check_word("subtitles", each, _FORMATS)
    return cast("tuple[SubtitleFormat, ...]", tuple(formats))


def _source(metadata: Mapping[str, Any]) -> SubtitleSource:
    """
    :raises InputError: the metadata has no script
    """
    from airflow_provider_videoretalk.publishing.subtitle_publication import SubtitleSource

    script, language = metadata.get("script"), metadata.get("language")
    if not isinstance(script, str) or not script.strip():
        raise InputError(
            "the metadata has no script, from which subtitles are made",
            remedy="Give metadata={'script': ..., 'language': ...}, or leave subtitles out.",
        )
    return SubtitleSource(
        script=script,
        language=language if isinstance(language, str) and language else None,
        parts=_parts(metadata.get(PARTS_FIELD)),
    )


def _parts(value: object) -> tuple[ScriptPart, ...]:
    """The pieces of a long video. Without them, or if they are damaged, the script is timed as a whole."""
    from airflow_provider_videoretalk.editing.subtitles import ScriptPart

    try:
        return tuple(
            ScriptPart(start=float(part["start"]), end=float(part["end"]), text=str(part["text"]))
            for part in cast("Sequence[Mapping[str, Any]]", value or ())
        )
    except (KeyError, TypeError, ValueError):
        return ()
