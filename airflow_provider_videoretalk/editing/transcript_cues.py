"""Subtitles of a transcript, whose sentences have times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from airflow_provider_videoretalk.editing.speech_pauses import SHORTEST_PAUSE, Pause, SpeechSound
from airflow_provider_videoretalk.editing.subtitles import ScriptPart, Subtitles, subtitles_of


def subtitles_of_transcript(sentences: Sequence[ScriptPart], *, language: str | None = None) -> Subtitles:
    """Subtitles with the times of the sentences. Within a sentence, words take time by their letters.

    :param sentences: in the order of their begin
    :param language: a code or an English name; ``None`` to go by the letters
    :raises InputError: there are no words
    """
    return subtitles_of(_sound_of(sentences), script=list(_apart(sentences)), language=language, field="the recording")


def _apart(sentences: Sequence[ScriptPart]) -> Iterable[ScriptPart]:
    """The sentences, of which two speakers may have said some at the same time, one after another."""
    until = 0.0
    for sentence in sentences:
        start = max(sentence.start, until)
        until = max(sentence.end, start)
        yield ScriptPart(start=start, end=until, text=sentence.text)


def _sound_of(sentences: Sequence[ScriptPart]) -> SpeechSound:
    """The sound in which these sentences are heard: it is silent between them."""
    apart = list(_apart(sentences))
    gaps = ((one.end, other.start) for one, other in pairwise(apart))
    pauses = tuple(Pause(start=start, end=end) for start, end in gaps if end - start >= SHORTEST_PAUSE)
    first, last = (apart[0].start, apart[-1].end) if apart else (0.0, 0.0)
    return SpeechSound(seconds=last, speech_start=first, speech_end=last, pauses=pauses)
