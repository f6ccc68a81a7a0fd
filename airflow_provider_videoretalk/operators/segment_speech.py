"""Speaks the segments of a translation on the time line of the original."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from airflow_provider_videoretalk.batches.recipe import SpeechRecipe, amount_in, digest_of
from airflow_provider_videoretalk.batches.speech_timing import PlacedSegment, SpokenSegment, place_segments
from airflow_provider_videoretalk.batches.timed_segments import read_segments
from airflow_provider_videoretalk.dashscope.errors import InputError, ThrottledError
from airflow_provider_videoretalk.model_catalog.limit import Limit
from airflow_provider_videoretalk.model_catalog.speech import (
    SPEECH_CURRENCY,
    speech_cost,
)
from airflow_provider_videoretalk.operators.base import DashScopeOperator
from airflow_provider_videoretalk.operators.job_submission import record_store_of
from airflow_provider_videoretalk.operators.output_folder import OutputFolder
from airflow_provider_videoretalk.operators.speaking_voice import model_and_voice
from airflow_provider_videoretalk.operators.speech_store import SpeechStore
from airflow_provider_videoretalk.operators.template_values import (
    as_mapping,
    as_optional_amount,
    as_optional_mapping,
    as_optional_text,
)
from airflow_provider_videoretalk.optional_dependencies import require_extra
from airflow_provider_videoretalk.submission.fault_points import fault_point

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.editing.speech_pauses import SpeechSound
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.publishing.atomic_object import Destination

RATE = Limit(field="rate", low=0.5, high=2.0, code="")
MAX_TEMPO = Limit(field="max_tempo", low=1.0, high=2.0, code="")

# A speech that could not be kept is used by the retries of the task.
_SPEECH_LIVES = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class _Segment:
    """What is said from when to when of the original, and how fast."""

    start: float
    end: float
    text: str
    rate: float


class SpokenPart(TypedDict):
    """A segment on the track. Times in seconds.

    :param start: when it begins on the track
    :param end: when it ends on the track
    :param text: what is said
    :param tempo: how much faster than spoken it is played
    :param late: by how much it begins after the segment of the original
    """

    start: float
    end: float
    text: str
    tempo: float
    late: float


class _Track(TypedDict):
    audio: str
    script: str
    seconds: float
    segments: list[SpokenPart]
    late: float


class SegmentSpeechResult(_Track):
    """The speech of a whole video: the return value of ``SegmentSpeechOperator``, as JSON-safe values.

    :param audio: URI of the track, a WAV file as long as the original
    :param script: all that is said, a segment in each line
    :param seconds: of the track
    :param segments: what is said when
    :param language: of the speech, as given
    :param late: the largest ``late`` of a segment
    :param cost: list price of all speeches in ``currency``, also of those that were kept from before; ``None`` if the
        model's price is not known
    :param currency: such as ``CNY``
    """

    language: str | None
    cost: float | None
    currency: str


class SegmentSpeechOperator(DashScopeOperator):
    """Speaks the segments of a translation, and puts the speeches on the time line of the original.

    Each speech begins with its segment. One that is too long is played faster, at the same pitch. Returns a
    :class:`SegmentSpeechResult`, whose ``audio`` is a recording for a row of a batch.

    Each speech is paid for once, and kept in ``folder``: if one sentence is corrected, that sentence alone is spoken
    again.

    :param segments: What ``TranslateOperator`` or ``TranscribeOperator`` returned: a mapping with ``segments``, each
        with ``start``, ``end`` and ``text``. A segment may have the ``rate`` at which it is spoken. (templated)
    :param folder: Where speeches and track are kept: URI of a folder, with a slash at its end. That of the batch, to
        share them. (templated)
    :param seconds: Length of the original. Defaults to the end of its last segment. (templated)
    :param model: A CosyVoice, Qwen-Audio or Qwen-TTS model. Defaults to that of the voice. (templated)
    :param voice: A voice of the model, or what ``VoiceOperator`` returned. (templated)
    :param language: As the model takes it: a code such as ``de``, or a name such as ``German`` for Qwen-TTS. By default
        the service detects it. (templated)
    :param options: Further fields of each request's ``input``. (templated)
    :param max_tempo: How much faster than spoken a segment may be played, 1 to 2.
    :param max_cost: Highest cost of all speeches, in CNY. Defaults to no limit. (templated)
    :param storage_conn_id: The Airflow connection of the store, if ``folder`` names none. (templated)
    :param allowed_destinations: Where files may be written, as of ``PublishMediaOperator``. (templated)
    :param dashscope_conn_id: The Airflow connection of type ``dashscope``. (templated)
    :param throttle_timeout: How long to go on sending while the account is throttled.
    :raises InputError: a field cannot be used, or the speeches would cost more than ``max_cost``
    :raises ConfigurationError: a store cannot be opened, or the extra ``media`` is not installed
    :raises DashScopeError: see :mod:`airflow_provider_videoretalk.dashscope.errors`
    """

    template_fields: Sequence[str] = (
        "segments",
        "folder",
        "seconds",
        "model",
        "voice",
        "language",
        "options",
        "max_cost",
        "storage_conn_id",
        "allowed_destinations",
        "dashscope_conn_id",
    )

    def __init__(
        self,
        *,
        segments: Mapping[str, Any],
        folder: str,
        seconds: float | str | None = None,
        model: str | None = None,
        voice: str | Mapping[str, Any] | None = None,
        language: str | None = None,
        options: Mapping[str, Any] | None = None,
        max_tempo: float = 1.25,
        max_cost: float | str | None = None,
        storage_conn_id: str | None = None,
        allowed_destinations: Sequence[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(max_tempo, int | float) or not MAX_TEMPO.allows(max_tempo):
            raise InputError(f"max_tempo is {max_tempo!r}, allowed is {MAX_TEMPO.range}", remedy="1.25 is the default.")
        self.segments = segments
        self.folder = folder
        self.seconds = seconds
        self.model = model
        self.voice = voice
        self.language = language
        self.options = options
        self.max_tempo = float(max_tempo)
        self.max_cost = max_cost
        self.storage_conn_id = storage_conn_id
        self.allowed_destinations = allowed_destinations

    def attempt(self, context: Context, *, refusals: int, since: float) -> SegmentSpeechResult:
        self.hook.settings.check(**self.own_settings)
        texts = self._spoken()
        recipes = [self._recipe(segment) for segment in texts]
        length, cost = self._length(texts), self._cost(recipes)
        # Not after the speeches are paid for.
        require_extra("media", part="A dub")
        store = SpeechStore(
            folder=OutputFolder.open(
                self.folder, storage_conn_id=self.storage_conn_id, allowed_destinations=self.allowed_destinations
            ),
            hook=self.hook,
            states=record_store_of(context, durable=True),
            lives_for=_SPEECH_LIVES.total_seconds(),
            charges=self.charges(context, "speech"),
        )
        try:
            speeches = [store.speech(recipe)[0] for recipe in recipes]
        except ThrottledError as error:
            # Those that were made are kept.
            self.retry_throttled(error, refusals=refusals, since=since)
        made = self._track(store, texts, recipes, speeches, length=length)
        fault_point("after_result")
        return {
            **made,
            "language": as_optional_text("language", self.language),
            "cost": None if cost is None else float(round(cost, 4)),
            "currency": SPEECH_CURRENCY,
        }

    def _spoken(self) -> list[_Segment]:
        """The segments that have words.

        :raises InputError: there is none, or one cannot be used
        """
        given = as_mapping("segments", self.segments).get("segments")
        segments = read_segments("segments", given)
        rates = [_rate(number, one) for number, one in enumerate(cast("Sequence[Mapping[str, Any]]", given))]
        spoken = [
            _Segment(start=one.start, end=one.end, text=one.text, rate=rate)
            for one, rate in zip(segments, rates, strict=True)
            if one.text
        ]
        if not spoken:
            raise InputError("segments has no segment with words", remedy="Give what is said.")
        return spoken

    def _recipe(self, segment: _Segment) -> SpeechRecipe:
        model, voice = model_and_voice(model=self.model, voice=self.voice)
        options = as_optional_mapping("options", self.options)
        return SpeechRecipe(
            script=segment.text,
            language=as_optional_text("language", self.language),
            voice=voice,
            model=model,
            options=options if segment.rate == 1.0 else {**options, "rate": segment.rate},
        )

    def _cost(self, recipes: Sequence[SpeechRecipe]) -> Decimal | None:
        """
        :raises InputError: the speeches cost more than ``max_cost``, or could
        """
        costs = [speech_cost(recipe.script, recipe.model) for recipe in recipes]
        known = [cost for cost in costs if cost is not None]
        total = sum(known, Decimal(0)) if len(known) == len(costs) else None
        limit = as_optional_amount("max_cost", self.max_cost)
        if limit is not None and (total is None or total > limit):
            said = "an amount that is not known" if total is None else f"{total.normalize():f} {SPEECH_CURRENCY}"
            raise InputError(
                f"the speeches cost {said}, allowed is at most {limit} {SPEECH_CURRENCY} (max_cost)",
                remedy="Nothing was spoken. Shorten the texts, or raise max_cost.",
            )
        return total

    def _track(
        self,
        store: SpeechStore,
        texts: Sequence[_Segment],
        recipes: Sequence[SpeechRecipe],
        speeches: Sequence[Location],
        *,
        length: float,
    ) -> _Track:
        """Puts the speeches on the time line, and writes the track unless it is there.

        :raises TransportError: a store failed; a retry pays for nothing
        """
        # Loads fsspec and PyAV.
        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of
        from airflow_provider_videoretalk.editing.speech_pauses import find_pauses
        from airflow_provider_videoretalk.editing.speech_track import TrackSpeech, write_speech_track
        from airflow_provider_videoretalk.media.local_copy import local_copy
        from airflow_provider_videoretalk.publishing.file_upload import upload_file

        with tempfile.TemporaryDirectory(prefix="videoretalk-") as name:
            files = [
                local_copy(location, Path(name, f"{number}.wav"), field="the speech", access=self.hook.media_access)
                for number, location in enumerate(speeches)
            ]
            sounds = [find_pauses(file, field="the speech") for file in files]
            placed = self._placed(texts, sounds, length=length)
            made_of = _made_of(recipes, placed, length=length)
            path = store.folder.speech(f"{digest_of(made_of)}-track.wav")
            # Some stores give an object that is written again another version, and its video would be paid for again.
            seconds = _kept_seconds(path, made_of)
            if seconds is None:
                spoken = [
                    TrackSpeech(
                        path=file, start=one.start, tempo=one.tempo, begin=words.speech_start, end=words.speech_end
                    )
                    for file, words, one in zip(files, sounds, placed, strict=True)
                ]
                target = Path(name, "track.wav")
                seconds = write_speech_track(spoken, target, seconds=length)
                upload_file(target, path, content_type="audio/wav", metadata={**made_of, "seconds": seconds})
        late = max(one.late for one in placed)
        self.log.info("Spoke %s segments on %s (%.2f s, at most %.2f s late)", len(placed), path, seconds, late)
        return {
            "audio": uri_of(path),
            "script": "\n".join(one.text for one in texts),
            "seconds": round(seconds, 3),
            "segments": [_part(text, one) for text, one in zip(texts, placed, strict=True)],
            "late": late,
        }

    def _placed(
        self, texts: Sequence[_Segment], sounds: Sequence[SpeechSound], *, length: float
    ) -> tuple[PlacedSegment, ...]:
        spoken = [
            SpokenSegment(start=one.start, end=one.end, seconds=_length_of(sound))
            for one, sound in zip(texts, sounds, strict=True)
        ]
        return place_segments(spoken, seconds=length, max_tempo=self.max_tempo)

    def _length(self, texts: Sequence[_Segment]) -> float:
        """
        :raises InputError: ``seconds`` is no possible length
        """
        last = max(one.end for one in texts)
        given = as_optional_amount("seconds", self.seconds)
        return last if given is None else max(float(given), last)


def _kept_seconds(path: Destination, made_of: Mapping[str, Any]) -> float | None:
    """The length of a track that an earlier try has written; ``None`` if there is none."""
    # Loads requests.
    from airflow_provider_videoretalk.publishing.publication import read_metadata

    metadata = read_metadata(path) or {}
    return amount_in(metadata, "seconds") if {name: metadata.get(name) for name in made_of} == made_of else None


def _made_of(recipes: Sequence[SpeechRecipe], placed: Sequence[PlacedSegment], *, length: float) -> dict[str, Any]:
    """What tells a track from another one."""
    return {
        "speeches": [recipe.file_name for recipe in recipes],
        "starts": [one.start for one in placed],
        "tempos": [one.tempo for one in placed],
        "least_seconds": length,
    }


def _rate(number: int, segment: Mapping[str, Any]) -> float:
    """
    :raises InputError: it is no speed of speech
    """
    rate = segment.get("rate", 1.0)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not RATE.allows(rate):
        raise InputError(
            f"segments[{number}].rate is {rate!r}, allowed is {RATE.range}", remedy="1 is the usual speed."
        )
    return float(rate)


def _length_of(sound: SpeechSound) -> float:
    """From the first to the last word of a speech; all of one in which no word is heard."""
    return sound.speech_end - sound.speech_start or sound.seconds


def _part(segment: _Segment, placed: PlacedSegment) -> SpokenPart:
    return {
        "start": placed.start,
        "end": placed.end,
        "text": segment.text,
        "tempo": placed.tempo,
        "late": placed.late,
    }
