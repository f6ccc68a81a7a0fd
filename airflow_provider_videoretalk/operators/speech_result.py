"""The reply to a speech synthesis as a return value, with the speech's measured duration."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_urls
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.model_catalog.speech import answered_format

if TYPE_CHECKING:
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
    from airflow_provider_videoretalk.model_catalog.speech import AudioFormat, Speech, SpeechResult

log = logging.getLogger(__name__)


def speech_result(
    speech: Speech, *, model: str, voice: str, audio_format: AudioFormat, hook: DashScopeHook
) -> SpeechResult:
    """
    :param audio_format: the requested one
    """
    mask_urls(speech.audio_url)
    answered = answered_format(model, audio_format)
    result: SpeechResult = {
        "audio_url": speech.audio_url,
        "format": answered,
        "expires_at": speech.expires_at.isoformat() if speech.expires_at else None,
        "characters": speech.characters,
        "seconds": _duration(speech.audio_url, answered, hook),
        "model": model,
        "voice": voice,
        "request_id": speech.request_id,
    }
    log.info(
        "Synthesized %s characters as %s s of speech (request_id %s)",
        result["characters"],
        result["seconds"],
        result["request_id"],
    )
    return result


def _duration(url: str, audio_format: AudioFormat, hook: DashScopeHook) -> float | None:
    if audio_format != "wav":
        return None
    # Loads requests.
    from airflow_provider_videoretalk.media.probe import wav_seconds

    try:
        return wav_seconds(url, access=hook.media_access)
    except DashScopeError as error:
        log.warning("The duration of the speech could not be read and is not checked: %s", error)
        return None
