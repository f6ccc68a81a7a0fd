"""Finds the pauses of speech in the sound of a media file."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from airflow_provider_videoretalk.editing.sound_levels import DIGITAL_SILENCE, LEVELS_PER_SECOND, sound_levels

SHORTEST_PAUSE = 0.15
"""In seconds. Shorter silence is within words: the lips are closed for up to 0.12 s in ``p`` and ``b``."""

# The noise and the loudness are those of the surroundings: this block, and three before and after it.
_BLOCK_SECONDS = 5
_NEIGHBOURS = 3

# Shares of the time by which the loudness of speech and the noise between words are judged.
_LOUD_SHARE, _NOISE_SHARE = 0.98, 0.05

# In dB. Speech fades out over about 40 dB. What is louder than noise by the least difference is no noise.
_SPEECH_RANGE, _ABOVE_NOISE = 42.0, 8.0
# What is quieter than speech by this is a pause even in loud noise; in sound that has digital silence there is none.
_BELOW_SPEECH, _BELOW_CLEAN_SPEECH = 14.0, 25.0
_QUIETEST_SPEECH = -70.0
# A piece that is quieter than the rest is not taken for noise, down to this.
_QUIETER_PIECE = 20.0

# In seconds: a click within a pause, as a seam or a mouth makes it, and the silence on both sides of it.
_CLICK, _BESIDE_CLICK = 0.03, 0.08


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Silence between words, in seconds from the beginning of the file."""

    start: float
    end: float

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class SpeechSound:
    """Where a file speaks, in seconds from its beginning.

    :param seconds: length of the sound
    :param speech_start: where the first word begins; 0 if nothing is spoken
    :param speech_end: where the last word ends; 0 if nothing is spoken
    :param pauses: the pauses between, in order; none shorter than :data:`SHORTEST_PAUSE`
    """

    seconds: float
    speech_start: float
    speech_end: float
    pauses: tuple[Pause, ...]


def find_pauses(media: Path, *, field: str = "the file") -> SpeechSound:
    """Finds where the sound of a file is silent between words.

    Silence is what is quieter than the speech around it, by a threshold between the noise and the loudness of about
    half a minute. So noise, hum and digital silence are told from speech, also if they change. Music is not.

    :param media: any file with sound: WAV, MP3, AAC, FLAC, Ogg, MP4, MOV, AVI. It is decoded as a stream
    :param field: name of the input, for messages
    :raises InputError: the file cannot be read, or has no sound
    :raises ConfigurationError: the extra ``media`` is not installed
    """
    return pauses_of(sound_levels(media, field=field))


def pauses_of(levels: array[float]) -> SpeechSound:
    """The pauses of a sound, by its levels (:func:`~.sound_levels.sound_levels`)."""
    seconds = len(levels) / LEVELS_PER_SECOND
    spoken = _without_clicks(_runs(_is_speech(levels)))
    first = next((run for run in spoken if run.speech), None)
    if first is None:
        return SpeechSound(seconds=seconds, speech_start=0.0, speech_end=0.0, pauses=())
    last = next(run for run in reversed(spoken) if run.speech)
    pauses = tuple(
        Pause(start=run.start / LEVELS_PER_SECOND, end=run.end / LEVELS_PER_SECOND)
        for run in spoken
        if not run.speech
        and first.end <= run.start < last.start
        and run.end - run.start >= SHORTEST_PAUSE * LEVELS_PER_SECOND
    )
    return SpeechSound(
        seconds=seconds,
        speech_start=first.start / LEVELS_PER_SECOND,
        speech_end=last.end / LEVELS_PER_SECOND,
        pauses=pauses,
    )


@dataclass(frozen=True)
class _Run:
    """Consecutive levels that are all speech or all silence."""

    speech: bool
    start: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / LEVELS_PER_SECOND


def _runs(speech: Iterator[bool]) -> list[_Run]:
    runs, start = [], 0
    for value, group in groupby(speech):
        end = start + sum(1 for _ in group)
        runs.append(_Run(value, start, end))
        start = end
    return runs


def _without_clicks(runs: list[_Run]) -> list[_Run]:
    """The runs, in which a click is part of the silence around it."""
    result: list[_Run] = []
    for index, run in enumerate(runs):
        beside = [each for each in (runs[index - 1] if index else None, *runs[index + 1 : index + 2]) if each]
        is_click = run.speech and run.seconds <= _CLICK and all(each.seconds >= _BESIDE_CLICK for each in beside)
        speech = run.speech and not is_click
        if result and result[-1].speech == speech:
            result[-1] = _Run(speech, result[-1].start, run.end)
        else:
            result.append(_Run(speech, run.start, run.end))
    return result


def _is_speech(levels: array[float]) -> Iterator[bool]:
    size = _BLOCK_SECONDS * LEVELS_PER_SECOND
    blocks = [_Histogram.of(levels[start : start + size]) for start in range(0, len(levels), size)]
    loudest = _Histogram.total(blocks).loudness()
    for number in range(len(blocks)):
        around = _Histogram.total(blocks[max(0, number - _NEIGHBOURS) : number + _NEIGHBOURS + 1])
        threshold = _threshold(around, loudest)
        yield from (level > threshold for level in levels[number * size : (number + 1) * size])


def _threshold(around: _Histogram, loudest: float) -> float:
    """The level above which there is speech, by the sound around."""
    if loudest < _QUIETEST_SPEECH:
        return 0.0
    loudness = max(around.loudness(), loudest - _QUIETER_PIECE)
    highest = loudness - (_BELOW_CLEAN_SPEECH if around.has_digital_silence() else _BELOW_SPEECH)
    return min(max(around.noise() + _ABOVE_NOISE, loudness - _SPEECH_RANGE), highest)


class _Histogram:
    """How often each whole dB occurs. Digital silence is counted apart, because it is no noise."""

    def __init__(self, counts: list[int]) -> None:
        self._counts = counts

    @classmethod
    def of(cls, levels: array[float]) -> _Histogram:
        counts = [0] * (1 - int(DIGITAL_SILENCE))
        for level in levels:
            counts[int(min(level, 0.0) - DIGITAL_SILENCE)] += 1
        return cls(counts)

    @classmethod
    def total(cls, parts: list[_Histogram]) -> _Histogram:
        return cls([sum(column) for column in zip(*(part._counts for part in parts), strict=True)])

    def loudness(self) -> float:
        return self._level_at(_LOUD_SHARE)

    def noise(self) -> float:
        return self._level_at(_NOISE_SHARE)

    def has_digital_silence(self) -> bool:
        return self._counts[0] >= _NOISE_SHARE * sum(self._counts)

    def _level_at(self, share: float) -> float:
        """The level that this share of the sound does not exceed."""
        wanted, counted = share * sum(self._counts[1:]), 0
        for above, count in enumerate(self._counts[1:], 1):
            counted += count
            if counted and counted >= wanted:
                return above + DIGITAL_SILENCE
        return DIGITAL_SILENCE
