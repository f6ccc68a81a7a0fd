"""Transcribes a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_urls
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.inputs.priced_result import PricedResult
from airflow_provider_videoretalk.model_catalog.transcription import (
    DEFAULT_MODEL,
    MAX_SPEAKERS,
    TRANSCRIPTION_MODELS,
    TranscribedSegment,
    TranscriptionModel,
    TranscriptionModelName,
    text_of,
)
from airflow_provider_videoretalk.operators.catalog_model import CatalogModelOperator
from airflow_provider_videoretalk.operators.job_submission import content_fingerprint
from airflow_provider_videoretalk.operators.location_fields import is_task_output, location_of_output, url_of_output
from airflow_provider_videoretalk.operators.template_values import (
    as_bool,
    as_int,
    as_optional_text,
    check_word,
    is_empty,
)
from airflow_provider_videoretalk.operators.transcript_files import (
    FORMATS,
    TranscriptFormat,
    is_written,
    read_written,
    transcript_paths,
    write_transcript,
)

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_videoretalk.dashscope.task import Task
    from airflow_provider_videoretalk.inputs.job_inputs import JobInputs
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob
    from airflow_provider_videoretalk.submission.record import Intent

# Airflow keeps return values in its database.
_MAX_SEGMENTS = 2_000

TranscriptIfExists = Literal["overwrite", "skip_same"]
"""What to do about files that are there."""

_MADE_OF = "made_of"

_URL_FIELDS = ("video_url", "audio_url", "url")


class TranscriptionResult(PricedResult):
    """A finished transcription: the return value of ``TranscribeOperator``.

    :param text: all that is said
    :param language: the language of most sentences, a code such as ``en``; ``None`` if the service names none
    :param segments: the sentences; empty if there are more than 2,000, and the JSON file has them
    :param files: the URIs of the files by format; empty without ``destination``
    """

    text: str
    language: str | None
    segments: list[TranscribedSegment]
    files: dict[TranscriptFormat, str]


class TranscribeOperator(CatalogModelOperator):
    """Transcribes an audio or a video: what is said, by whom, and when.

    It returns a :class:`TranscriptionResult`. Its ``video_url`` is ``None``.

    :param file_url: The recording: a location, or what another task of this package returned. (templated)
    :param model: A :data:`~airflow_provider_videoretalk.model_catalog.transcription.TranscriptionModelName`.
    :param language: The language that is spoken, a code such as ``en``. By default the service detects it. (templated)
    :param words: Whether each segment has its ``words``, with their times. (templated)
    :param speakers: How many speakers are told apart, 2 to 100, or 0 for as many as there are. By default none are.
        ``qwen3-asr-flash-filetrans`` tells none apart. (templated)
    :param destination: Where the files are written: their URI without a suffix, e.g.
        ``s3://aws_default@bucket/talks/monday``. By default none are written. (templated)
    :param formats: Which files are written: ``srt`` and ``vtt`` are subtitles, ``json`` has the whole result.
    :param if_exists: What to do about files of these names. ``overwrite`` replaces them. ``skip_same`` returns the
        transcript in the JSON file, and pays for nothing, if it was made of the same recording by the same model with
        the same parameters; otherwise it replaces them.
    :param storage_conn_id: The Airflow connection of the store, if the URI names none. (templated)
    :param allowed_destinations: Where files may be written, as of ``PublishMediaOperator``. (templated)

    All other parameters are those of
    :class:`~airflow_provider_videoretalk.operators.catalog_model.CatalogModelOperator`.
    """

    catalog_entry: TranscriptionModel = TRANSCRIPTION_MODELS[DEFAULT_MODEL]
    template_fields: Sequence[str] = (
        "file_url",
        "language",
        "words",
        "speakers",
        "destination",
        "storage_conn_id",
        "allowed_destinations",
        *CatalogModelOperator.template_fields,
    )

    def __init__(
        self,
        *,
        file_url: Location | Mapping[str, Any],
        model: TranscriptionModelName = DEFAULT_MODEL,
        language: str | None = None,
        words: bool | str = False,
        speakers: int | str | None = None,
        destination: str | None = None,
        formats: Sequence[TranscriptFormat] = FORMATS,
        if_exists: TranscriptIfExists = "overwrite",
        storage_conn_id: str | None = None,
        allowed_destinations: Sequence[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_word("model", model, TRANSCRIPTION_MODELS)
        check_word("if_exists", if_exists, get_args(TranscriptIfExists))
        if if_exists == "skip_same" and "json" not in formats:
            raise InputError(
                f"formats is {formats!r}, allowed with if_exists='skip_same' is a list with 'json'",
                remedy="The JSON file says what the others were made of.",
            )
        self.catalog_entry = TRANSCRIPTION_MODELS[model]
        self.model = model
        self.file_url = file_url
        self._file_is_output = is_task_output(file_url)
        self.language = language
        self.words = words
        self.speakers = speakers
        self.destination = destination
        self.formats = formats
        self.if_exists = if_exists
        self.storage_conn_id = storage_conn_id
        self.allowed_destinations = allowed_destinations

    def job_inputs(self) -> JobInputs:
        # Loads requests.
        from airflow_provider_videoretalk.inputs.job_inputs import JobInputs
        from airflow_provider_videoretalk.inputs.source import source_of

        parameters = self.catalog_entry.parameters(
            language=as_optional_text("language", self.language),
            words=self._with_words,
            speakers=self._speaker_count(),
        )
        sources = {"file_url": source_of("file_url", self._file_location())}
        return JobInputs(model=self.catalog_entry, sources=sources, parameters=parameters)

    @property
    def output_fields(self) -> Collection[str]:
        is_output = self._file_is_output and isinstance(self.file_url, Mapping)
        return ("file_url",) if is_output and location_of_output(cast("Any", self.file_url)) is None else ()

    def _file_location(self) -> Location:
        given = self.file_url
        if not isinstance(given, Mapping):
            return self.location("file_url", given)
        stored = location_of_output(given)
        return self.location("file_url", str(stored)) if stored else url_of_output("file_url", given, _URL_FIELDS)

    @property
    def _with_words(self) -> bool:
        return as_bool("words", self.words, default=False)

    def _speaker_count(self) -> int | None:
        """
        :raises InputError: no such number, or the model tells no speakers apart
        """
        if is_empty(self.speakers):
            return None
        speakers = as_int("speakers", self.speakers)
        if not self.catalog_entry.takes_list:
            able = [repr(model.name) for model in TRANSCRIPTION_MODELS.values() if model.takes_list]
            raise InputError(
                f"speakers is {speakers}, but {self.model} tells no speakers apart",
                remedy=f"Use as model one of {', '.join(able)}.",
            )
        if speakers != 0 and not 2 <= speakers <= MAX_SPEAKERS:
            raise InputError(
                f"speakers is {speakers}, allowed is 0 or 2 to {MAX_SPEAKERS}", remedy="0 lets the service count them."
            )
        return speakers

    def prepare(self, intent: Intent) -> Intent:
        prepared = super().prepare(intent)
        # The recording may be another one when its transcript is there.
        return replace(prepared, cost_estimate={**prepared.cost_estimate, _MADE_OF: intent.fingerprint})

    def _paths(self) -> dict[TranscriptFormat, ObjectStoragePath]:
        if is_empty(self.destination):
            return {}
        return transcript_paths(
            self.destination,
            formats=self.formats,
            storage_conn_id=self.storage_conn_id,
            allowed_destinations=self.allowed_destinations,
        )

    def attempt(self, context: Context, *, refusals: int, since: float) -> Any:
        kept = None if as_bool("dry_run", self.is_dry_run) else self._kept()
        if kept is not None:
            return kept
        result = super().attempt(context, refusals=refusals, since=since)
        # The record of an earlier try has the URL of the transcript.
        return self._with_transcript(result) if "transcription_url" in result else result

    def execute_complete(self, context: Context, event: dict[str, Any]) -> TranscriptionResult:
        return self._with_transcript(super().execute_complete(context, event))

    def task_result(self, task: Task, awaited: AwaitedJob) -> PricedResult:
        task.raise_for_subtasks(remedy="Give a recording that the service can fetch and decode.")
        result = super().task_result(task, awaited)
        made_of = {_MADE_OF: awaited.cost_estimate.get(_MADE_OF), "transcription_url": result["video_url"]}
        return cast("PricedResult", {**result, **made_of, "video_url": None})

    def _kept(self) -> TranscriptionResult | None:
        """What an earlier run has made of the same recording; ``None`` if it has to be made."""
        # Loads fsspec.
        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of

        # A destination that cannot be written to is reported before anything is paid.
        paths = self._paths()
        if self.if_exists != "skip_same" or not paths:
            return None
        kept = read_written(paths["json"])
        made_of = kept and kept.pop(_MADE_OF, None)
        if kept is None or made_of is None or made_of != content_fingerprint(self):
            return None
        self.log.info("The transcript of this recording is at %s: nothing is paid", uri_of(paths["json"]))
        files = {name: uri_of(path) for name, path in paths.items() if name == "json" or is_written(path)}
        return self._small({**kept, "expires_at": None}, files)

    def _with_transcript(self, result: Mapping[str, Any]) -> TranscriptionResult:
        """
        :raises TransportError: the transcript cannot be read, or a file cannot be written; a retry pays for nothing
        """
        # Loads requests.
        from airflow_provider_videoretalk.operators.transcript_download import download_transcript

        url = str(result["transcription_url"])
        mask_urls(url)
        segments = download_transcript(url, words=self._with_words, access=self.hook.media_access)
        made_of = {_MADE_OF: result.get(_MADE_OF)}
        dropped = ("transcription_url", "expires_at", _MADE_OF)
        job = {name: value for name, value in result.items() if name not in dropped}
        found = {"text": text_of(segments), "language": self._language_of(segments), "segments": segments}
        self.log.info("The transcript has %s sentences in %s", len(segments), found["language"])
        files = self._write({**job, **found, **made_of})
        return self._small({**job, "expires_at": None, **found}, files)

    def _small(self, transcript: Mapping[str, Any], files: Mapping[TranscriptFormat, str]) -> TranscriptionResult:
        """The return value."""
        segments = transcript["segments"]
        if "json" in files and len(segments) > _MAX_SEGMENTS:
            self.log.info("The sentences are in %s only", files["json"])
            segments = []
        return cast("TranscriptionResult", {**transcript, "segments": segments, "files": dict(files)})

    def _language_of(self, segments: Sequence[TranscribedSegment]) -> str | None:
        languages = Counter(segment["language"] for segment in segments if "language" in segment)
        return as_optional_text("language", self.language) or max(languages, key=languages.__getitem__, default=None)

    def _write(self, transcript: Mapping[str, Any]) -> dict[TranscriptFormat, str]:
        paths = self._paths()
        files = write_transcript(paths, transcript) if paths else {}
        for uri in files.values():
            self.log.info("Wrote %s", uri)
        return files
