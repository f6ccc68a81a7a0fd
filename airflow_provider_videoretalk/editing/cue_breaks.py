"""Decides which words are shown together: on one line, and at one time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from airflow_provider_videoretalk.editing.letters import columns
from airflow_provider_videoretalk.editing.speech_alignment import Span
from airflow_provider_videoretalk.editing.spoken_text import BreakKind, Word
from airflow_provider_videoretalk.editing.subtitle_rules import MAX_SECONDS, MIN_SECONDS, SubtitleRules

# What a break costs after each kind of word, between two cues and between two lines of one.
_CUE_BREAK = {
    BreakKind.SENTENCE: 0.0,
    BreakKind.CLAUSE: 1.0,
    BreakKind.LINK: 2.5,
    BreakKind.WORD: 4.0,
    BreakKind.LETTER: 6.0,
}
_LINE_BREAK = {
    BreakKind.SENTENCE: 0.0,
    BreakKind.CLAUSE: 0.2,
    BreakKind.LINK: 0.5,
    BreakKind.WORD: 1.0,
    BreakKind.LETTER: 2.5,
}
_CUE, _SECOND_LINE = 1.2, 0.2
_UNEVEN_LINES = 0.7
_SENTENCE_WITHIN = 2.5
# For each second that a cue is too short, or speech pauses within it; and for each time that it is read too fast.
_TOO_SHORT, _PAUSE_WITHIN, _TOO_FAST = 6.0, 2.0, 2.0
_PAUSE_ALLOWED = 0.5


@dataclass(frozen=True)
class WordRange:
    """Words that are shown at one time.

    :param start: number of the first word
    :param second_line: number of the first word of the second line; ``end`` if there is one line
    :param end: number of the word after the last one
    """

    start: int
    second_line: int
    end: int


def break_into_cues(words: Sequence[Word], spans: Sequence[Span], rules: SubtitleRules) -> list[WordRange]:
    """The words of each cue, so that the breaks are best on the whole.

    No cue has more than two lines, and no line more columns than the rules allow. A cue of more than one word is spoken
    in at most seven seconds.

    :param words: none is longer than a line
    :param spans: when each word is spoken
    """
    text = _Text(words, spans, rules)
    best: list[tuple[float, WordRange | None]] = [(0.0, None)]
    for end in range(1, len(words) + 1):
        ways = (
            (best[cue.start][0] + cost, cue) for cue, cost in text.cues_until(end) if best[cue.start][0] < float("inf")
        )
        best.append(min(ways, key=lambda way: way[0]))
    cues: list[WordRange] = []
    cue = best[-1][1]
    while cue is not None:
        cues.append(cue)
        cue = best[cue.start][1]
    return cues[::-1]


def text_of(words: Sequence[Word]) -> str:
    """The words as one line shows them."""
    return "".join(f" {word.text}" if word.spaced and number else word.text for number, word in enumerate(words))


class _Text:
    """The words with what is asked of them often: sums over ranges of words."""

    def __init__(self, words: Sequence[Word], spans: Sequence[Span], rules: SubtitleRules) -> None:
        self._spans, self._rules = spans, rules
        self._ends = [word.ends for word in words]
        self._spaces = [int(word.spaced) for word in words]
        self._columns = list(accumulate((columns(word.text) + word.spaced for word in words), initial=0))
        sentences = (_SENTENCE_WITHIN * (word.ends is BreakKind.SENTENCE) for word in words)
        self._sentences = list(accumulate(sentences, initial=0.0))
        self._gaps = [after.start - span.end for span, after in pairwise(spans)] + [1.0]
        pauses = (_PAUSE_WITHIN * max(0.0, gap - _PAUSE_ALLOWED) for gap in self._gaps)
        self._pauses = list(accumulate(pauses, initial=0.0))

    def cues_until(self, end: int) -> Iterator[tuple[WordRange, float]]:
        """All cues that end before a word, each with its cost."""
        for start in range(end - 1, -1, -1):
            is_long = self._spans[end - 1].end - self._spans[start].start > MAX_SECONDS
            if end - start > 1 and (is_long or self._width(start, end) > 2 * self._rules.line_columns + 1):
                return
            line = self._best_line_break(start, end)
            if line is not None:
                cost, second_line = line
                yield WordRange(start, second_line, end), cost + self._cost(start, end)

    def _width(self, start: int, end: int) -> int:
        return self._columns[end] - self._columns[start] - self._spaces[start]

    def _best_line_break(self, start: int, end: int) -> tuple[float, int] | None:
        """The cost of the best break between two lines, and the first word of the second; none if no break fits."""
        limit = self._rules.line_columns
        if self._width(start, end) <= limit:
            return 0.0, end
        best: tuple[float, int] | None = None
        for middle in range(end - 1, start, -1):
            right = self._width(middle, end)
            if right > limit:
                break
            left = self._width(start, middle)
            if left <= limit:
                uneven = _UNEVEN_LINES * abs(left - right) / limit
                cost = _SECOND_LINE + _LINE_BREAK[self._ends[middle - 1]] + uneven
                best = min(best or (cost, middle), (cost, middle))
        return best

    def _cost(self, start: int, end: int) -> float:
        last = end - 1
        gap = self._gaps[last]
        following = self._spans[end].start if end < len(self._spans) else self._spans[last].end + gap
        available = following - self._spans[start].start
        reading = self._width(start, end) / self._rules.columns_per_second
        cost = _CUE + _CUE_BREAK[self._ends[last]] * (1 - 0.8 * min(1.0, gap))
        cost += self._sentences[last] - self._sentences[start] + self._pauses[last] - self._pauses[start]
        cost += _TOO_SHORT * max(0.0, MIN_SECONDS - available)
        return cost + _TOO_FAST * max(0.0, reading / max(available, 0.1) - 1)
