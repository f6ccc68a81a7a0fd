"""Finds when each word of a script is spoken, by the pauses of the speech.

Speech has pauses where its script has sentence ends and commas, but not at all of them, and some elsewhere. The ends of
sentences and clauses are matched to pauses so that two things fit best: the time that is spoken between two matches, by
the letters of the words; and the length of each pause, by the punctuation. All ways to match are compared (dynamic
programming). Between two matches, words take time by their letters.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from airflow_provider_videoretalk.editing.speech_pauses import Pause, SpeechSound
from airflow_provider_videoretalk.editing.spoken_text import BreakKind, Word

# At most this many ends of clauses, and pauses, lie between two matches.
_MOST_SKIPPED = 12

# The variance of the time that a stretch of text takes, in square seconds: at least, and for each second.
_LEAST_VARIANCE, _VARIANCE_PER_SECOND = 0.04, 0.06

# In seconds. A match further from where an even speech would be is not tried.
_NEAR, _NEAR_SHARE, _NEAR_AT_MOST = 4.0, 0.05, 30.0

# A pause is moved to the word boundary next to it, if that is within this many spoken seconds.
_SNAP_SECONDS = 0.5

# The numbers of the match that is the beginning of the speech.
_BEGINNING = (-1, -1)

# What it costs that the end of a sentence or clause has no pause.
_SKIPPED_END = {BreakKind.SENTENCE: 4.0, BreakKind.CLAUSE: 0.8}


@dataclass(frozen=True)
class Span:
    """From when to when something is spoken, in seconds."""

    start: float
    end: float


@dataclass(frozen=True)
class _Match:
    """The best way to match everything up to one end of a clause and one pause."""

    cost: float
    before: tuple[int, int]


@dataclass(frozen=True)
class _End:
    """The end of a sentence or clause.

    :param position: number of words before it
    :param spoken: seconds that are spoken before it, if the speech is even
    """

    position: int
    spoken: float
    kind: BreakKind


def align_words(words: Sequence[Word], sound: SpeechSound) -> list[Span]:
    """When each word is spoken. The spans are in order and do not overlap; a pause lies between two words.

    :param words: all that is spoken in the sound, in order
    """
    clock = _Clock(sound)
    weights = list(accumulate((word.length for word in words), initial=0.0))
    even = [clock.spoken * weight / weights[-1] for weight in weights]
    ends = [
        _End(position, even[position], word.ends)
        for position, word in enumerate(words[:-1], 1)
        if word.ends in _SKIPPED_END
    ]
    matched = {0: 0.0, len(words): clock.spoken}
    matched |= {ends[end].position: clock.moments[pause] for end, pause in _Matching(ends, clock).best()}
    fixed = _with_other_pauses(matched, even, clock)
    moments = _between(fixed, even)
    return [
        Span(clock.time_after(start), max(clock.time_after(start), clock.time_before(end)))
        for start, end in pairwise(moments)
    ]


def part_of(sound: SpeechSound, *, start: float, end: float) -> SpeechSound:
    """The sound between two seconds, on the same time line."""
    pauses = [pause for pause in sound.pauses if pause.end > start and pause.start < end]
    first = max(start, sound.speech_start)
    last = min(end, sound.speech_end)
    if pauses and pauses[0].start <= first:
        first = pauses.pop(0).end
    if pauses and pauses[-1].end >= last:
        last = pauses.pop().start
    if first >= last:
        return replace(sound, speech_start=start, speech_end=end, pauses=())
    return replace(sound, speech_start=first, speech_end=last, pauses=tuple(pauses))


class _Clock:
    """Converts between spoken seconds, which do not count pauses, and seconds of the file."""

    def __init__(self, sound: SpeechSound) -> None:
        is_silent = sound.speech_end <= sound.speech_start
        self._start = 0.0 if is_silent else sound.speech_start
        self.pauses: tuple[Pause, ...] = sound.pauses
        self._paused = list(accumulate((pause.seconds for pause in self.pauses), initial=0.0))
        # The spoken second at which each pause is.
        self.moments = [pause.start - self._start - self._paused[j] for j, pause in enumerate(self.pauses)]
        self.spoken = (sound.seconds if is_silent else sound.speech_end) - self._start - self._paused[-1]

    def time_before(self, spoken: float) -> float:
        """The second of the file; before a pause that is at this moment."""
        return self._start + spoken + self._paused[bisect_left(self.moments, spoken)]

    def time_after(self, spoken: float) -> float:
        """The second of the file; after a pause that is at this moment."""
        return self._start + spoken + self._paused[bisect_right(self.moments, spoken)]


class _Matching:
    """Compares all ways to match the ends of clauses to pauses, in order.

    Before the first and after the last of both lie the beginning and the end of the speech, with the numbers -1 and the
    count.
    """

    def __init__(self, ends: Sequence[_End], clock: _Clock) -> None:
        self._ends, self._clock = ends, clock
        self._expected = [*(end.spoken for end in ends), clock.spoken, 0.0]
        self._moments = [*clock.moments, clock.spoken, 0.0]
        # What it costs that the ends, and the pauses, before each one are not matched.
        self._skipped_ends = list(accumulate((_SKIPPED_END[end.kind] for end in ends), initial=0.0))
        skipped = (min(5.0, 10 * (pause.seconds - 0.1)) for pause in clock.pauses)
        self._skipped_pauses = list(accumulate(skipped, initial=0.0))
        self._matches: list[dict[int, _Match]] = []

    def best(self) -> list[tuple[int, int]]:
        """Pairs of an end of a clause and a pause, by their numbers; none if no way to match them was found."""
        near = min(_NEAR + _NEAR_SHARE * self._clock.spoken, _NEAR_AT_MOST)
        for i, end in enumerate(self._ends):
            first = bisect_left(self._clock.moments, end.spoken - near)
            last = bisect_right(self._clock.moments, end.spoken + near)
            found = ((j, self._best_until(i, j)) for j in range(first, last))
            self._matches.append(
                {
                    j: _Match(match.cost + _misfit(end.kind, self._clock.pauses[j].seconds), match.before)
                    for j, match in found
                    if match is not None
                }
            )
        final = self._best_until(len(self._ends), len(self._clock.pauses))
        pairs: list[tuple[int, int]] = []
        before = final.before if final is not None else _BEGINNING
        while before != _BEGINNING:
            pairs.append(before)
            before = self._matches[before[0]][before[1]].before
        return pairs[::-1]

    def _best_until(self, i: int, j: int) -> _Match | None:
        """The best way to match everything before an end and a pause that match each other."""
        best: _Match | None = None
        for end in range(max(-1, i - 1 - _MOST_SKIPPED), i):
            length = self._expected[i] - self._expected[end]
            skipped = self._skipped_ends[i] - self._skipped_ends[end + 1] + self._skipped_pauses[j]
            variance = 2 * (_LEAST_VARIANCE + _VARIANCE_PER_SECOND * length)
            for pause, cost in self._costs_at(end):
                if j - 1 - _MOST_SKIPPED <= pause < j:
                    wrong = self._moments[j] - self._moments[pause] - length
                    cost += skipped - self._skipped_pauses[pause + 1] + wrong * wrong / variance
                    if best is None or cost < best.cost:
                        best = _Match(cost, (end, pause))
        return best

    def _costs_at(self, end: int) -> Iterator[tuple[int, float]]:
        if end < 0:
            yield -1, 0.0
        else:
            for pause, match in self._matches[end].items():
                yield pause, match.cost


def _misfit(kind: BreakKind, pause: float) -> float:
    """What it costs that a pause has another length than its punctuation suggests."""
    if kind is BreakKind.SENTENCE:
        return 1.5 if pause < 0.25 else 0.0
    return 0.3 if pause > 0.8 else 0.0


def _with_other_pauses(matched: dict[int, float], even: Sequence[float], clock: _Clock) -> dict[int, float]:
    """The matches, and those of the pauses that are at no end of a clause: each with the word boundary next to it."""
    fixed = dict(matched)
    known = set(matched.values())
    others = [j for j, moment in enumerate(clock.moments) if moment not in known]
    for j in sorted(others, key=lambda j: -clock.pauses[j].seconds):
        moment = clock.moments[j]
        positions = sorted(fixed)
        after = bisect_left([fixed[position] for position in positions], moment)
        if not 0 < after < len(positions):
            continue
        begin, end = positions[after - 1], positions[after]
        if end - begin < 2 or not fixed[begin] < moment < fixed[end]:
            continue
        moments = _stretched(even[begin : end + 1], fixed[begin], fixed[end])
        nearest = min(range(1, end - begin), key=lambda k: abs(moments[k] - moment))
        if abs(moments[nearest] - moment) <= _SNAP_SECONDS:
            fixed[begin + nearest] = moment
    return fixed


def _between(fixed: dict[int, float], even: Sequence[float]) -> list[float]:
    """The spoken second of each word boundary: as fixed, and between by the letters of the words."""
    positions = sorted(fixed)
    moments = [fixed[positions[0]]]
    for begin, end in pairwise(positions):
        moments += [*_stretched(even[begin : end + 1], fixed[begin], fixed[end])[1:-1], fixed[end]]
    return moments


def _stretched(even: Sequence[float], start: float, end: float) -> list[float]:
    length = even[-1] - even[0]
    return [start + (end - start) * ((moment - even[0]) / length if length else 0.0) for moment in even]
