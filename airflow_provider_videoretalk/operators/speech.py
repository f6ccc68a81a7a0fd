"""Turns a script into speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.operators.base import DashScopeOperator
from airflow_provider_videoretalk.operators.values import as_text, check_word

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.speech import AudioFormat, SpeechResult


class TextToSpeechOperator(DashScopeOperator):
    """Synthesises speech over HTTP and returns a :class:`~airflow_provider_videoretalk.dashscope.speech.SpeechResult`.

    The duration of WAV is measured from the file itself, a few kilobytes of which are fetched. Speech outside
    ``min_seconds`` to ``max_seconds`` fails here, before any video is paid for; of other formats the duration is not
    known, and not checked.

    :param text: the script (templated)
    :param model: CosyVoice, Qwen-Audio and Qwen-TTS models; the name chooses the endpoint (templated)
    :param voice: a voice of that model; the family's default where not given (templated)
    :param audio_format: ``wav``, ``mp3``, ``pcm`` or ``opus``; Qwen-TTS answers ``wav`` always. VideoRetalk takes
        ``wav`` and ``mp3``
    :param sample_rate: in Hz; Qwen-TTS answers 24000 always
    :param language: CosyVoice: a code such as ``en``; Qwen-TTS: a name such as ``English``; guessed by default
        (templated)
    :param options: further fields of the request body's ``input``, e.g. ``{"rate": 1.1}`` (templated)
    :param min_seconds: least speech that is of use; ``None`` for any
    :param max_seconds: most speech that is of use; ``None`` for any
    :param dashscope_conn_id: the connection (templated)
    :param throttle_timeout: how long to go on asking while the account is throttled
    :raises InputError: empty text, text over the model's limit
    :raises AirflowFailException: the speech is too short or too long
    :raises DashScopeError: see :mod:`airflow_provider_videoretalk.dashscope.errors`
    """

    template_fields: Sequence[str] = ("text", "model", "voice", "language", "options", "dashscope_conn_id")

    def __init__(
        self,
        *,
        text: str,
        model: str = "cosyvoice-v3-flash",
        voice: str | None = None,
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
        from airflow_provider_videoretalk.dashscope.errors import ThrottledError
        from airflow_provider_videoretalk.dashscope.speech import answered_format, family_of, synthesize_speech

        request = synthesize_speech(
            text=self.text,
            model=as_text("model", self.model),
            voice=self.voice,
            audio_format=self.audio_format,
            sample_rate=self.sample_rate,
            language=self.language,
            options=self.options,
        )
        try:
            speech = self.hook.client.send(request)
        except ThrottledError as error:
            self.send_later(error, refusals=refusals, since=since)
        audio_format = answered_format(self.model, self.audio_format)
        result: SpeechResult = {
            "audio_url": speech.audio_url,
            "format": audio_format,
            "expires_at": speech.expires_at.isoformat() if speech.expires_at else None,
            "characters": speech.characters,
            "seconds": self._measure(speech.audio_url, audio_format),
            "model": self.model,
            "voice": self.voice or family_of(self.model).voice,
            "request_id": speech.request_id,
        }
        self.log.info(
            "%s characters became %s s of speech (request_id %s)",
            result["characters"],
            result["seconds"],
            result["request_id"],
        )
        self._check(result["seconds"])
        return result

    def _measure(self, url: str, audio_format: AudioFormat) -> float | None:
        from airflow_provider_videoretalk.dashscope.errors import DashScopeError
        from airflow_provider_videoretalk.media.probe import wav_seconds

        if audio_format != "wav":
            return None
        try:
            return wav_seconds(url)
        except DashScopeError as error:
            self.log.warning("The speech's duration is not known, and not checked: %s", error)
            return None

    def _check(self, seconds: float | None) -> None:
        from airflow.providers.common.compat.sdk import AirflowFailException

        from airflow_provider_videoretalk.limits import Limit

        limit = Limit(field="the speech", low=self.min_seconds, high=self.max_seconds, unit="s", code="")
        if seconds is not None and not limit.allows(seconds):
            change = "Lengthen" if self.min_seconds is not None and seconds < self.min_seconds else "Shorten"
            # A retry would pay for the same speech again.
            raise AirflowFailException(f"{limit.refusal(seconds)}. {change} the script; no video was submitted.")
