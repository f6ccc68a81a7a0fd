"""Downloads the transcript that the service has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.dashscope.reply_values import parse_reply
from airflow_provider_videoretalk.dashscope.task import NO_RESULT_REMEDY
from airflow_provider_videoretalk.model_catalog.transcription import parse_transcript
from airflow_provider_videoretalk.outbound.download import Download
from airflow_provider_videoretalk.outbound.signed_url import safe_url

if TYPE_CHECKING:
    from airflow_provider_videoretalk.model_catalog.transcription import TranscribedSegment
    from airflow_provider_videoretalk.outbound.host_access import AccessRule

MAX_BYTES = 64 * 1024 * 1024
"""Twelve hours of speech with the times of all words have less."""


def download_transcript(url: str, *, words: bool, access: AccessRule) -> list[TranscribedSegment]:
    """The sentences of a transcript.

    :param words: whether the times of words are kept
    :param access: how the host of the URL may be connected to
    :raises ResultExpiredError: the URL has expired
    :raises TransportError: the transcript cannot be fetched, or is none
    """
    content = bytearray()
    with Download(url, access=access) as download:
        for chunk in download:
            content += chunk
            if len(content) > MAX_BYTES:
                raise TransportError(
                    f"the transcript at {safe_url(url)} has over {MAX_BYTES:,} bytes",
                    remedy="Transcribe the recording in parts.",
                )
    try:
        return parse_transcript(parse_reply(bytes(content)), words=words)
    except ValueError as error:
        raise TransportError(f"what is at {safe_url(url)} is no transcript: {error}", remedy=NO_RESULT_REMEDY) from None
