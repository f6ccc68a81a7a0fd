"""Transcribes recordings in which this emulator's own speech is heard. Of any other speech it finds the times only.

A speech that the emulator made is recognised by its loudness over time, which a codec, a video, or other sound before
and after it hardly change. When each word is spoken is then measured on the recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.sound_levels import LEVELS_PER_SECOND, sound_levels
from airflow_provider_videoretalk.editing.speech_alignment import align_words, part_of
from airflow_provider_videoretalk.editing.speech_pauses import SpeechSound, pauses_of
from airflow_provider_videoretalk.editing.spoken_text import BreakKind, spoken_script, words_of
from airflow_provider_videoretalk.editing.subtitle_rules import rules_for
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.engine.language_detection import language_of

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy.typing as npt

    Levels: TypeAlias = npt.NDArray[np.float64]

UNKNOWN_TEXT = "[speech that this emulator did not make]"

# Levels below this are noise, which a codec changes. In dB of full scale.
_QUIET = -55.0
# Two different speeches hardly correlate above 0.6; a speech and its copy from a video do above 0.95.
_SAME = 0.9
# Speech without a pause of so many seconds is one sentence, if its words are not known.
_SENTENCE_PAUSE = 0.6


class KnownSpeech(Protocol):
    """A speech that the emulator made: the file, its text, the language that was named, and the voice."""

    @property
    def path(self) -> Path: ...

    @property
    def text(self) -> str: ...

    @property
    def language(self) -> str | None: ...

    @property
    def voice(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word with the punctuation around it. Times in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence. Times in seconds; ``language`` and ``voice`` are ``None`` if they are not known."""

    start: float
    end: float
    text: str
    language: str | None
    voice: str | None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """What is heard in a recording of so many seconds."""

    seconds: float
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class _Heard:
    """A known speech in a recording, in seconds."""

    speech: KnownSpeech
    start: float
    end: float


def recognise(recording: Path, known: Sequence[KnownSpeech]) -> Recognised:
    """What is said in a recording, and when.

    :raises MediaRefusedError: it has no sound that can be decoded
    """
    try:
        levels = sound_levels(recording, field="the recording")
    except InputError as error:
        raise MediaRefusedError("InvalidFile.Format", error.message) from None
    sound = pauses_of(levels)
    heard = _heard(_clipped(levels), known)
    sentences = [sentence for each in heard for sentence in _sentences(each, sound)]
    sentences += _unknown_sentences(sound, heard)
    return Recognised(seconds=sound.seconds, sentences=tuple(sorted(sentences, key=lambda sentence: sentence.start)))


def _heard(levels: Levels, known: Sequence[KnownSpeech]) -> list[_Heard]:
    """The known speeches, wherever they are heard; the longest first, none within another."""
    found: list[_Heard] = []
    patterns = [(speech, pattern) for speech in known if (pattern := _pattern(str(speech.path))) is not None]
    for speech, pattern in sorted(patterns, key=lambda pair: -len(pair[1])):
        for start in _places(levels, pattern):
            span = _Heard(speech, start / LEVELS_PER_SECOND, (start + len(pattern)) / LEVELS_PER_SECOND)
            if all(span.end <= other.start + 0.1 or span.start >= other.end - 0.1 for other in found):
                found.append(span)
    return found


@lru_cache(maxsize=512)
def _pattern(path: str) -> Levels | None:
    """The loudness of a speech from its first to its last word; ``None`` without any, or without a file."""
    try:
        levels = sound_levels(Path(path))
    except (InputError, OSError):
        return None
    sound = pauses_of(levels)
    pattern = _clipped(levels)[
        round(sound.speech_start * LEVELS_PER_SECOND) : round(sound.speech_end * LEVELS_PER_SECOND)
    ]
    return pattern if len(pattern) >= LEVELS_PER_SECOND // 2 and pattern.std() > 0 else None


def _clipped(levels: Sequence[float]) -> Levels:
    return np.maximum(np.asarray(levels, dtype=np.float64), _QUIET)


def _places(levels: Levels, pattern: Levels) -> Iterator[int]:
    """Where a pattern is heard, by the correlation with the levels at each place."""
    correlation = _correlation(levels, pattern)
    while len(correlation) and (best := int(correlation.argmax())) >= 0 and correlation[best] >= _SAME:
        yield best
        correlation[max(0, best - len(pattern)) : best + len(pattern)] = 0.0


def _correlation(levels: Levels, pattern: Levels) -> Levels:
    """Pearson's coefficient of the pattern and the levels from each place on."""
    length = len(pattern)
    if len(levels) < length:
        return np.zeros(0)
    centred = pattern - pattern.mean()
    size = 1 << (len(levels) + length).bit_length()
    products = np.fft.irfft(np.fft.rfft(levels, size) * np.conj(np.fft.rfft(centred, size)), size)
    sums = np.concatenate([[0.0], np.cumsum(levels)])
    squares = np.concatenate([[0.0], np.cumsum(levels * levels)])
    total, square = sums[length:] - sums[:-length], squares[length:] - squares[:-length]
    deviation = np.sqrt(np.maximum(square - total * total / length, 1e-9))
    found: Levels = products[: len(levels) - length + 1] / (deviation * np.sqrt((centred * centred).sum()))
    return found


def _sentences(heard: _Heard, sound: SpeechSound) -> Iterator[Sentence]:
    """The sentences of a known speech, with the measured times of their words."""
    language = language_of(heard.speech.text, hint=heard.speech.language)
    rules, _ = rules_for(language, heard.speech.text)
    words = words_of(spoken_script(heard.speech.text), rules)
    spans = align_words(words, part_of(sound, start=heard.start, end=heard.end)) if words else []
    first = 0
    for number, word in enumerate(words, 1):
        if number == len(words) or word.ends is BreakKind.SENTENCE:
            timed = tuple(
                Word(start=span.start, end=span.end, text=each.text)
                for each, span in zip(words[first:number], spans[first:number], strict=True)
            )
            text = "".join(f"{' ' if each.spaced else ''}{each.text}" for each in words[first:number]).strip()
            yield Sentence(
                start=timed[0].start,
                end=timed[-1].end,
                text=text,
                language=language,
                voice=heard.speech.voice,
                words=timed,
            )
            first = number


def _unknown_sentences(sound: SpeechSound, heard: Sequence[_Heard]) -> Iterator[Sentence]:
    """The speech between the known ones, cut at its long pauses."""
    if sound.speech_end <= sound.speech_start:
        return
    starts = [sound.speech_start, *(pause.end for pause in sound.pauses if pause.seconds >= _SENTENCE_PAUSE)]
    ends = [*(pause.start for pause in sound.pauses if pause.seconds >= _SENTENCE_PAUSE), sound.speech_end]
    for start, end in zip(starts, ends, strict=True):
        middle = (start + end) / 2
        if not any(each.start <= middle <= each.end for each in heard):
            yield Sentence(start=start, end=end, text=UNKNOWN_TEXT, language=None, voice=None)
