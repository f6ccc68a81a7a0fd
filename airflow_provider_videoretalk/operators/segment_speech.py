"""Speaks the segments of a translation on the time line of the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_videoretalk.batches.recipe import SpeechRecipe
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
from airflow_provider_videoretalk.operators.spoken_track import SegmentToSpeak, SpokenTrack, write_track
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


RATE = Limit(field="rate", low=0.5, high=2.0, code="")
MAX_TEMPO = Limit(field="max_tempo", low=1.0, high=2.0, code="")

# A speech that could not be kept is used by the retries of the task.
_SPEECH_LIVES = timedelta(hours=1)


class SegmentSpeechResult(SpokenTrack):
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
    :param language: A code such as ``de``. By default
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
        segments = self._spoken()
        recipes = [segment.recipe for segment in segments]
        seconds, cost = self._length(segments), self._cost(recipes)
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
        made = write_track(
            segments,
            speeches,
            folder=store.folder,
            seconds=seconds,
            max_tempo=self.max_tempo,
            access=self.hook.media_access,
        )
        fault_point("after_result")
        return {
            **made,
            "language": recipes[0].language,
            "cost": None if cost is None else float(round(cost, 4)),
            "currency": SPEECH_CURRENCY,
        }

    def _spoken(self) -> list[SegmentToSpeak]:
        """The segments that have words.

        :raises InputError: there is none, or one cannot be used
        """
        given = as_mapping("segments", self.segments).get("segments")
        segments = read_segments("segments", given)
        rates = [_rate(number, one) for number, one in enumerate(cast("Sequence[Mapping[str, Any]]", given))]
        spoken = [
            SegmentToSpeak(start=one.start, end=one.end, recipe=self._recipe(one.text, rate))
            for one, rate in zip(segments, rates, strict=True)
            if one.text
        ]
        if not spoken:
            raise InputError("segments has no segment with words", remedy="Give what is said.")
        return spoken

    def _recipe(self, text: str, rate: float) -> SpeechRecipe:
        model, voice = model_and_voice(model=self.model, voice=self.voice)
        options = as_optional_mapping("options", self.options)
        return SpeechRecipe(
            script=text,
            language=as_optional_text("language", self.language),
            voice=voice,
            model=model,
            options=options if rate == 1.0 else {**options, "rate": rate},
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

    def _length(self, segments: Sequence[SegmentToSpeak]) -> float:
        """
        :raises InputError: ``seconds`` is no possible length
        """
        last = max(one.end for one in segments)
        given = as_optional_amount("seconds", self.seconds)
        return last if given is None else max(float(given), last)


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
