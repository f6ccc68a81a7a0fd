"""Transcription of recordings: the models, and the transcript that they write.

Source: the vendor's pages on non-realtime speech recognition, editions of September and October 2026. Two families
share a path. One takes ``file_url`` and answers one ``result``. The other takes ``file_urls``, and answers a row of
``results`` for each file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, TypedDict

from airflow_provider_videoretalk.dashscope.media_url import media_url
from airflow_provider_videoretalk.dashscope.reply_values import line, mapping, number, web_url
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Submission, submit_task
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE, Limit
from airflow_provider_videoretalk.model_catalog.model import InputLength, MediaInput, Model, OutputLength
from airflow_provider_videoretalk.model_catalog.price import Price

TranscriptionModelName = Literal[
    "qwen3-asr-flash-filetrans", "qwen-audio-3.0-asr-flash-filetrans", "fun-asr", "paraformer-v2"
]
TRANSCRIPTION_PATH = "services/audio/asr/transcription"
DEFAULT_MODEL: TranscriptionModelName = "qwen3-asr-flash-filetrans"

_SPLIT = "Split the recording, or give its sound alone."
MEDIA_SECONDS = Limit(field="recording duration", high=12 * 3600, unit="s", code="InvalidFile.Duration", remedy=_SPLIT)
MEDIA_BYTES = Limit(field="recording size", high=2048 * MEGABYTE, unit="bytes", code="InvalidFile.Size", remedy=_SPLIT)
MEDIA_CONTAINERS = ("wav", "mp3", "aac", "mp4", "mov", "avi", "matroska", "ogg", "flac")

WORD_LANGUAGES = ("zh", "en", "ja", "ko", "de", "fr", "es", "it", "pt", "ru")
"""The languages in which the first family tells the times of words."""

MAX_SPEAKERS = 100

# No word of a transcript ends later.
_MAX_MILLISECONDS = 24 * 3600 * 1000.0
_MAX_WORD = 200


class TranscribedWord(TypedDict):
    """A word. Times are seconds from the beginning of the recording.

    :param start: when it begins
    :param end: when it ends
    :param text: the word
    """

    start: float
    end: float
    text: str


class TranscribedSegment(TypedDict, total=False):
    """A sentence. Times are seconds from the beginning of the recording.

    :param start: when it begins
    :param end: when it ends
    :param text: the sentence
    :param speaker: the number of the speaker; missing unless speakers were told apart
    :param language: a code such as ``en``; missing if the service names none
    :param words: missing unless words were asked for
    """

    start: float
    end: float
    text: str
    speaker: int
    language: str
    words: list[TranscribedWord]


@dataclass(frozen=True, kw_only=True)
class TranscriptionModel(Model):
    """
    :param takes_list: whether the request has ``file_urls``, and the reply ``results``
    """

    takes_list: bool

    def submit_request(self, *, urls: Mapping[str, str], parameters: Mapping[str, Any]) -> Request[Submission]:
        url = media_url("file_url", urls["file_url"])
        inputs = {"file_urls": [url]} if self.takes_list else {"file_url": url}
        return submit_task(path=self.path, model=self.name, inputs=inputs, parameters=parameters)

    def result_url(self, output: Mapping[str, Any]) -> str | None:
        rows = output.get("results")
        found = [mapping(output.get("result")), *(map(mapping, rows) if isinstance(rows, list) else ())]
        return next(filter(None, (web_url(each.get(self.result_url_field)) for each in found)), None)

    def parameters(
        self, *, language: str | None = None, words: bool = False, speakers: int | None = None
    ) -> dict[str, Any]:
        """The request's ``parameters``.

        :param language: a code such as ``en``; by default the service detects it
        :param words: whether the times of words are wanted. The second family always tells them
        :param speakers: how many speakers are told apart, 0 for as many as there are; ``None`` to tell none apart. Only
            the second family can do it
        """
        if not self.takes_list:
            return ({"language": language} if language else {}) | ({"enable_words": True} if words else {})
        found: dict[str, Any] = {"language_hints": [language]} if language else {}
        if speakers is not None:
            found |= {"diarization_enabled": True} | ({"speaker_count": speakers} if speakers else {})
        return found


def _recording_length(inputs: Mapping[str, InputLength], parameters: Mapping[str, Any]) -> OutputLength:
    """What is billed: all of the recording. Whether silence is left out is not known."""
    seconds = inputs.get("file_url", InputLength()).seconds
    longest = MEDIA_SECONDS.high or 0.0
    return OutputLength(seconds=longest if seconds is None else round(seconds, 2), exact=seconds is not None)


def _model(
    name: TranscriptionModelName, *, takes_list: bool, per_second: str, currency: str, as_of: date
) -> TranscriptionModel:
    price = Price(per_second=Decimal(per_second), currency=currency, as_of=as_of)
    recording = MediaInput(kind="audio", containers=MEDIA_CONTAINERS, size=MEDIA_BYTES, seconds=MEDIA_SECONDS)
    return TranscriptionModel(
        name=name,
        path=TRANSCRIPTION_PATH,
        price=price,
        # The vendor states no time. Until transcriptions of the account are known, this plans the first query.
        render_factor=0.1,
        media_inputs={"file_url": recording},
        output_length=_recording_length,
        max_output_seconds=MEDIA_SECONDS.high or 0.0,
        result_kind="transcript",
        result_url_field="transcription_url",
        billed_seconds_field="duration" if takes_list else "seconds",
        takes_list=takes_list,
    )


TRANSCRIPTION_MODELS: Mapping[str, TranscriptionModel] = {
    model.name: model
    for model in (
        _model(
            "qwen3-asr-flash-filetrans",
            takes_list=False,
            per_second="0.00022",
            currency="CNY",
            as_of=date(2026, 11, 25),
        ),
        _model(
            "qwen-audio-3.0-asr-flash-filetrans",
            takes_list=True,
            per_second="0.000032",
            currency="USD",
            as_of=date(2026, 11, 25),
        ),
        # The price in Singapore. That of Beijing is lower.
        _model("fun-asr", takes_list=True, per_second="0.000035", currency="USD", as_of=date(2026, 11, 27)),
        # Only seconds with speech in them are billed, so this is the most that a recording costs.
        _model("paraformer-v2", takes_list=True, per_second="0.00008", currency="CNY", as_of=date(2026, 11, 27)),
    )
}


def parse_transcript(transcript: object, *, words: bool = False) -> list[TranscribedSegment]:
    """The sentences of a transcript, in the order of their start.

    What has no text or no possible times is left out: the service's JSON is not trusted.

    :param transcript: the JSON at the result's URL, made safe
    :param words: whether the times of words are kept
    :raises ValueError: it is no transcript
    """
    channels = mapping(transcript).get("transcripts")
    if not isinstance(channels, list):
        raise ValueError("it has no transcripts")
    found = [segment for channel in channels for segment in _segments(mapping(channel), words=words)]
    return sorted(found, key=lambda segment: segment["start"])


def text_of(segments: list[TranscribedSegment]) -> str:
    """The text of all segments. Between two words there is a space, unless the language has none."""
    text = ""
    for segment in segments:
        joint = " " if text and not (_is_spaceless(text[-1]) or _is_spaceless(segment["text"][0])) else ""
        text += joint + segment["text"]
    return text


def _segments(channel: Mapping[str, Any], *, words: bool) -> Iterator[TranscribedSegment]:
    sentences = channel.get("sentences")
    for sentence in sentences if isinstance(sentences, list) else ():
        segment = _timed(mapping(sentence), max_length=8192)
        if segment is None:
            continue
        found: TranscribedSegment = {"start": segment["start"], "end": segment["end"], "text": segment["text"]}
        speaker, language = sentence.get("speaker_id"), line(sentence.get("language"), max_length=20)
        if type(speaker) is int and 0 <= speaker <= MAX_SPEAKERS:
            found["speaker"] = speaker
        if language:
            found["language"] = language
        rows = sentence.get("words")
        if words and isinstance(rows, list):
            timed = (_timed(mapping(row), max_length=_MAX_WORD) for row in rows)
            found["words"] = [word for word in timed if word is not None]
        yield found


def _timed(row: Mapping[str, Any], *, max_length: int) -> TranscribedWord | None:
    start = number(row.get("begin_time"), high=_MAX_MILLISECONDS)
    end = number(row.get("end_time"), high=_MAX_MILLISECONDS)
    text = line(row.get("text"), max_length=max_length)
    if start is None or end is None or end < start or not text:
        return None
    return {"start": round(start / 1000, 3), "end": round(end / 1000, 3), "text": text}


def _is_spaceless(character: str) -> bool:
    """Whether a character is of a script that is written without spaces: Chinese, Japanese, Thai."""
    return "\u0e00" <= character <= "\u0e7f" or "\u3000" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef"
