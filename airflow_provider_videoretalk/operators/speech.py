"""Synthesizes speech from a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_videoretalk.airflow_adapters.tracing import step_span
from airflow_provider_videoretalk.dashscope.errors import ThrottledError
from airflow_provider_videoretalk.model_catalog.limit import Limit
from airflow_provider_videoretalk.model_catalog.speech import (
    SPEECH_CURRENCY,
    speech_cost,
    synthesize_speech,
)
from airflow_provider_videoretalk.operators.base import DashScopeOperator
from airflow_provider_videoretalk.operators.speaking_voice import model_and_voice
from airflow_provider_videoretalk.operators.speech_result import speech_result
from airflow_provider_videoretalk.operators.template_values import (
    as_optional_mapping,
    as_optional_text,
    as_text,
    check_word,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.model_catalog.speech import AudioFormat, SpeechResult
    from airflow_provider_videoretalk.model_catalog.voices import VoiceResult


class TextToSpeechOperator(DashScopeOperator):
    """Synthesizes speech over HTTP.

    Returns a :class:`~airflow_provider_videoretalk.model_catalog.speech.SpeechResult`.

    The duration of WAV is measured from a few kilobytes of the file. The task fails if it is outside ``min_seconds`` to
    ``max_seconds``, before a video is paid for. The duration of other formats is not known and not checked.

    An optional field without a value is left out: None, an empty text, or the text ``None``, which a template renders.

    :param text: The script. (templated)
    :param model: A CosyVoice, Qwen-Audio or Qwen-TTS model. Its name determines the endpoint. Defaults to the model of
        an enrolled voice, else to ``cosyvoice-v3-flash``. (templated)
    :param voice: A voice of the model, or the return value of ``VoiceOperator``. Defaults to a system voice of the
        model's family. (templated)
    :param audio_format: ``wav``, ``mp3``, ``pcm`` or ``opus``. Qwen-TTS always answers ``wav``. VideoRetalk accepts
        ``wav`` and ``mp3``.
    :param sample_rate: In Hz. Qwen-TTS always answers 24000.
    :param language: A code such as ``en``, for Qwen-TTS also a name such as ``English``. By default the service detects
        it. (templated)
    :param options: Further fields of the request's ``input``, e.g. ``{"rate": 1.1}``. (templated)
    :param min_seconds: Shortest accepted speech, or None.
    :param max_seconds: Longest accepted speech, or None.
    :param dashscope_conn_id: The Airflow connection of type ``dashscope``. (templated)
    :param throttle_timeout: How long to go on sending while the account is throttled. Defaults to the connection's
        ``throttle_timeout``, or one hour. An operator may only shorten a value that the connection sets.
    :raises InputError: the text is empty or exceeds the model's limit, or the voice is enrolled for another model
    :raises AirflowFailException: the speech is too short or too long
    :raises DashScopeError: see :mod:`airflow_provider_videoretalk.dashscope.errors`
    """

    template_fields: Sequence[str] = ("text", "model", "voice", "language", "options", "dashscope_conn_id")

    def __init__(
        self,
        *,
        text: str,
        model: str | None = None,
        voice: str | VoiceResult | None = None,
        audio_format: AudioFormat = "wav",
        sample_rate: int = 24_000,
        language: str | None = None,
        options: Mapping[str, Any] | None = None,
        min_seconds: float | None = 2.0,
        max_seconds: float | None = 120.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.text = text
        self.model = model
        self.voice = voice
        check_word("audio_format", audio_format, ("wav", "mp3", "pcm", "opus"))
        self.audio_format = audio_format
        self.sample_rate = sample_rate
        self.language = language
        self.options = options
        self.min_seconds = min_seconds
        self.max_seconds = max_seconds

    def attempt(self, context: Context, *, refusals: int, since: float) -> SpeechResult:
        model, voice = model_and_voice(model=self.model, voice=self.voice)
        text = as_text("text", self.text)
        request = synthesize_speech(
            text=text,
            model=model,
            voice=voice,
            audio_format=self.audio_format,
            sample_rate=self.sample_rate,
            language=as_optional_text("language", self.language),
            options=as_optional_mapping("options", self.options),
        )
        self.hook.settings.check(**self.own_settings)
        try:
            with step_span("speech", connection_id=self.dashscope_conn_id, model=model):
                speech = self.hook.client.send(request)
        except ThrottledError as error:
            self.retry_throttled(error, refusals=refusals, since=since)
        self.charges(context, "speech").add(speech_cost(text, model), currency=SPEECH_CURRENCY, model=model)
        result = speech_result(speech, model=model, voice=voice, audio_format=self.audio_format, hook=self.hook)
        self._check(result["seconds"])
        return result

    def _check(self, seconds: float | None) -> None:
        limit = Limit(field="the speech", low=self.min_seconds, high=self.max_seconds, unit="s", code="")
        if seconds is not None and not limit.allows(seconds):
            change = "Lengthen" if self.min_seconds is not None and seconds < self.min_seconds else "Shorten"
            # Not retried: a retry would pay for the same speech again.
            raise AirflowFailException(f"{limit.refusal(seconds)}. {change} the script; no video was submitted.")
