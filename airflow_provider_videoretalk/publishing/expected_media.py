"""What the result of a task should be, by what the task says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_videoretalk.publishing.media_types import ContentKind, kind_of_name, suffix_of_name

_MEDIA: tuple[ContentKind, ...] = ("video", "audio", "image")
_AUDIO: tuple[ContentKind, ...] = ("audio",)

# Models that bill whole seconds round up. A few frames of difference are usual between a file's tracks, and between the
# frame rates of input and output.
_TOLERANCE_SECONDS = 1.0
_TOLERANCE_SHARE = 0.02

# What is longer is no length of media.
_MAX_SECONDS = 1e6


@dataclass(frozen=True, kw_only=True)
class ExpectedMedia:
    """The content that is published; another one is refused.

    :param kinds: the allowed kinds
    :param seconds: how long it should be; ``None`` to accept any length
    :param headerless: whether it is audio samples without a header, which cannot be recognised
    :param suffix: of an object that is named by its render job or speech request, if the URL has none
    """

    kinds: tuple[ContentKind, ...] = _MEDIA
    seconds: float | None = None
    headerless: bool = False
    suffix: str = ""

    def __str__(self) -> str:
        names = {"audio": "audio", "json": "a JSON document"}
        return " or ".join(names.get(kind, f"{'an' if kind == 'image' else 'a'} {kind}") for kind in self.kinds)

    def has_length(self, seconds: float) -> bool:
        """Whether a file of this length is about as long as expected."""
        if self.seconds is None:
            return True
        return abs(seconds - self.seconds) <= _TOLERANCE_SECONDS + _TOLERANCE_SHARE * self.seconds


ANY_MEDIA = ExpectedMedia()


def expected_media(source: Mapping[str, Any], url: str) -> ExpectedMedia:
    """What the result that ``source`` describes should be.

    - ``audio_url``: audio, as long as ``seconds`` says
    - ``video_url`` with a ``cost``, of a model in the catalog: a video, as long as it was billed
    - ``video_url`` of any other model: what the suffix of the URL says. Without a known suffix, a video if seconds were
      billed, and else any media
    - ``video_location``: a video, as long as ``seconds`` says, or as it was billed
    - ``url``: any media, or JSON if the URL ends with ``.json``

    :param source: the return value of a task, or a mapping with ``url``
    """
    named = kind_of_name(urlsplit(url).path)
    if source.get("video_url"):
        billed = _billed_seconds(source)
        kind: ContentKind | None = "video" if "cost" in source else named or ("video" if billed else None)
        if kind == "video":
            return ExpectedMedia(kinds=("video",), seconds=billed, suffix=".mp4")
        return ExpectedMedia(kinds=(kind,) if kind else _MEDIA)
    if source.get("audio_url"):
        return _speech(source)
    if source.get("video_location"):
        seconds = _positive(source.get("seconds")) or _billed_seconds(source)
        return ExpectedMedia(kinds=("video",), seconds=seconds, suffix=".mp4")
    return ExpectedMedia(kinds=(*_MEDIA, "json") if named == "json" else _MEDIA)


def _speech(source: Mapping[str, Any]) -> ExpectedMedia:
    audio_format = str(source.get("format") or "")
    return ExpectedMedia(
        kinds=_AUDIO,
        seconds=_positive(source.get("seconds")),
        headerless=audio_format == "pcm",
        suffix=suffix_of_name(f"speech.{audio_format}", _AUDIO),
    )


def _billed_seconds(source: Mapping[str, Any]) -> float | None:
    """The seconds of the output that were billed. Some models bill those of their input too, and name both."""
    usage = source.get("usage")
    output = _positive(usage.get("output_video_duration")) if isinstance(usage, Mapping) else None
    return output or _positive(source.get("billed_seconds"))


def _positive(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < _MAX_SECONDS else None
