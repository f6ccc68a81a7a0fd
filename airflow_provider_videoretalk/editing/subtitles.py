"""Subtitles of a speech: from its script, and from the sound that was made of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.cue_breaks import WordRange, break_into_cues, text_of
from airflow_provider_videoretalk.editing.letters import columns
from airflow_provider_videoretalk.editing.speech_alignment import Span, align_words, part_of
from airflow_provider_videoretalk.editing.speech_pauses import SpeechSound, find_pauses
from airflow_provider_videoretalk.editing.spoken_text import Word, spoken_script, words_of
from airflow_provider_videoretalk.editing.subtitle_rules import (
    GAP_SECONDS,
    MAX_SECONDS,
    MIN_SECONDS,
    SubtitleRules,
    language_code,
    rules_for,
)

# In seconds. A cue stays a little after its last word, and until the next one if that comes soon.
_LINGER, _SOON = 0.5, 0.5

# Nobody speaks this fast: the script is not that of the sound.
_MOST_LETTERS_PER_SECOND = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Cue:
    """What is shown at one time.

    :param start: in seconds, rounded to a millisecond
    :param end: in seconds, later than ``start``, and no later than the next cue's start
    :param lines: one or two
    """

    start: float
    end: float
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ScriptPart:
    """A part of a script, and where in the sound it is spoken: a piece of a long video, for example.

    :param start: in seconds
    :param end: in seconds
    """

    start: float
    end: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Subtitles:
    """
    :param cues: in order; they do not overlap
    :param language: a code such as ``en``; ``None`` if it is not known
    :param notes: what a reader should know, such as that the language has no rules of its own
    """

    cues: tuple[Cue, ...]
    language: str | None
    notes: tuple[str, ...] = ()


def make_subtitles(
    media: Path, *, script: str | Sequence[ScriptPart], language: str | None = None, field: str = "the video"
) -> Subtitles:
    """Makes subtitles of a script, timed by the sound that was made of it.

    :param media: any file with the sound, see :func:`~.speech_pauses.find_pauses`
    :param script: all that is spoken, in order; SSML if it begins with ``<speak>``. Or its parts, of which it is known
        when each begins, so that no error grows over a long video
    :param language: a code such as ``en``, or an English name; ``None`` to go by the letters
    :param field: name of the media, for messages
    :raises InputError: the sound cannot be read; the script has no words; or it has far more than the sound can hold
    :raises ConfigurationError: the extra ``media`` is not installed
    """
    return subtitles_of(find_pauses(media, field=field), script=script, language=language, field=field)


def subtitles_of(
    sound: SpeechSound, *, script: str | Sequence[ScriptPart], language: str | None = None, field: str = "the video"
) -> Subtitles:
    """Like :func:`make_subtitles`, for a sound whose pauses are known."""
    parts = script if not isinstance(script, str) else None
    texts = [spoken_script(part.text) for part in parts] if parts is not None else [spoken_script(str(script))]
    rules, are_own = rules_for(language, "".join(texts))
    words = [words_of(text, rules) for text in texts]
    if not any(words):
        raise InputError("the script has no words to show", remedy="Give the text that is spoken.")
    sounds = [part_of(sound, start=part.start, end=part.end) for part in parts] if parts is not None else [sound]
    spans = [span for here, heard in zip(words, sounds, strict=True) if here for span in _aligned(here, heard, field)]
    notes: tuple[str, ...] = ()
    if not are_own:
        notes = (f"subtitles in {language!r} follow the general rules: this language has none of its own",)
        log.info("The %s", notes[0])
    every = [word for here in words for word in here]
    cues = _timed(every, spans, break_into_cues(every, spans, rules), rules, sound.seconds)
    return Subtitles(cues=tuple(cues), language=language_code(language), notes=notes)


def _aligned(words: Sequence[Word], sound: SpeechSound, field: str) -> list[Span]:
    letters = sum(word.length for word in words)
    seconds = sound.speech_end - sound.speech_start or sound.seconds
    if letters > _MOST_LETTERS_PER_SECOND * seconds:
        raise InputError(
            f"the script has about {letters:.0f} letters, and {field} has {seconds:.1f} s of speech: at most "
            f"{_MOST_LETTERS_PER_SECOND:g} letters are spoken in a second",
            remedy="Give the script of this speech.",
        )
    return align_words(words, sound)


def _timed(
    words: Sequence[Word],
    spans: Sequence[Span],
    ranges: Sequence[WordRange],
    rules: SubtitleRules,
    seconds: float,
) -> list[Cue]:
    cues: list[Cue] = []
    for number, cue in enumerate(ranges):
        start = spans[cue.start].start
        next_start = spans[ranges[number + 1].start].start if number + 1 < len(ranges) else None
        lines = [text_of(words[cue.start : cue.second_line]), text_of(words[cue.second_line : cue.end])]
        shown = tuple(line for line in lines if line)
        reading = sum(map(columns, shown)) / rules.columns_per_second
        end = _end(start, spans[cue.end - 1].end, next_start, reading=reading, seconds=seconds)
        # Players show nothing of a cue that takes no time.
        first = max(round(start * 1000), round(cues[-1].end * 1000) if cues else 0)
        cues.append(Cue(start=first / 1000, end=max(first + 1, round(end * 1000)) / 1000, lines=shown))
    return cues


def _end(start: float, spoken_until: float, next_start: float | None, *, reading: float, seconds: float) -> float:
    """Until when a cue is shown: long enough to be read, if the next one, or the end of the sound, leaves the time."""
    wished = max(spoken_until + _LINGER, start + MIN_SECONDS, min(start + reading, start + MAX_SECONDS))
    if next_start is None:
        return min(wished, max(seconds, start))
    limit = max(next_start - GAP_SECONDS, (start + next_start) / 2)
    return limit if wished + _SOON > limit and limit - start <= MAX_SECONDS else min(wished, limit)
