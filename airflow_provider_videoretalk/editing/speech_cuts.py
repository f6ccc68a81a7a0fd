"""Decides where a long speech is cut into pieces: in its pauses, never within a word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.speech_pauses import Pause, SpeechSound
from airflow_provider_videoretalk.model_catalog.videoretalk import AUDIO_SECONDS

SHORTEST_PIECE = float(AUDIO_SECONDS.low or 0)
LONGEST_PIECE = float(AUDIO_SECONDS.high or 0)
USUAL_PIECE = 60.0

# A pause this long ends a sentence, as a rule. A shorter one costs as much as a length that is wrong by a third.
_SENTENCE_PAUSE = 0.5
_SHORT_PAUSE_COST = 0.1

# In seconds. Longer silence may be cut at several points.
_LONG_SILENCE = 10.0

_REMEDY = "Give speech with a pause there, e.g. with a full stop in its script, or give the pieces yourself."


@dataclass(frozen=True)
class _Way:
    """The best way to cut the speech up to a candidate."""

    cost: float
    cut_before: int


def choose_cuts(
    sound: SpeechSound,
    *,
    shortest: float = SHORTEST_PIECE,
    longest: float = LONGEST_PIECE,
    usual: float = USUAL_PIECE,
    field: str = "the speech",
) -> tuple[float, ...]:
    """The seconds at which a speech is cut, each in the middle of a pause; none if it is no longer than ``longest``.

    Long pauses are preferred, and pieces of about the usual length. All ways to cut are compared.

    :param sound: what :func:`~.speech_pauses.find_pauses` found
    :param shortest: of a piece, in seconds; by default what the service takes
    :param longest: of a piece, in seconds; by default what the service takes
    :param usual: length of a piece that is aimed at, in seconds
    :param field: name of the input, for messages
    :raises InputError: there is no pause for longer than a piece may be; the message says where
    """
    if sound.seconds <= longest:
        return ()
    points = _points(sound)
    candidates = [0.0, *points, sound.seconds]
    costs = [*points.values(), 0.0]
    ways: list[_Way | None] = [_Way(0.0, 0)]
    begin = 0
    for index in range(1, len(candidates)):
        while candidates[index] - candidates[begin] > longest:
            begin += 1
        ways.append(_best_way(ways, candidates, index, begin, shortest=shortest, usual=usual, cost=costs[index - 1]))
    if ways[-1] is None:
        raise _no_pause(candidates, ways, shortest=shortest, longest=longest, field=field)
    return tuple(_cuts(ways, candidates))


def _points(sound: SpeechSound) -> dict[float, float]:
    """The seconds at which the speech may be cut, in order, with what each cut costs."""
    points = {}
    beginning = Pause(start=0.0, end=sound.speech_start)
    end = Pause(start=sound.speech_end, end=sound.seconds)
    for pause in (beginning, *sound.pauses, end):
        cost = _SHORT_PAUSE_COST * max(0.0, 1 - pause.seconds / _SENTENCE_PAUSE)
        if pause.seconds > _LONG_SILENCE:
            parts = math.ceil(pause.seconds / _LONG_SILENCE)
            points.update({pause.start + pause.seconds * part / parts: cost for part in range(1, parts)})
        elif pause not in (beginning, end):
            points[pause.middle] = cost
    return points


def _best_way(
    ways: Sequence[_Way | None],
    candidates: Sequence[float],
    index: int,
    begin: int,
    *,
    shortest: float,
    usual: float,
    cost: float,
) -> _Way | None:
    options = []
    for before in range(begin, index):
        way, length = ways[before], candidates[index] - candidates[before]
        if way is not None and length >= shortest:
            options.append(_Way(way.cost + (length / usual - 1) ** 2 + cost, before))
    return min(options, key=lambda way: way.cost, default=None)


def _cuts(ways: Sequence[_Way | None], candidates: Sequence[float]) -> list[float]:
    cuts, index = [], len(ways) - 1
    while (way := ways[index]) is not None and way.cut_before:
        index = way.cut_before
        cuts.append(candidates[index])
    return cuts[::-1]


def _no_pause(
    candidates: Sequence[float], ways: Sequence[_Way | None], *, shortest: float, longest: float, field: str
) -> InputError:
    """The error for the first place that no piece bridges."""
    last = max(index for index, way in enumerate(ways) if way is not None)
    start, end = candidates[last], candidates[last + 1]
    return InputError(
        f"{field} has no pause from second {start:.1f} to second {end:.1f} at which it can be cut: a piece has "
        f"{shortest:g} to {longest:g} s",
        remedy=_REMEDY,
    )
