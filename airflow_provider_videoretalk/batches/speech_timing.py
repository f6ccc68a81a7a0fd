"""When each speech of a dub begins, and how much faster it is played, so that it fits its segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# In seconds. A shorter overlap with the next segment is not heard as one.
_UNHEARD = 0.05


@dataclass(frozen=True, kw_only=True)
class SpokenSegment:
    """
    :param start: when the segment begins in the original, in seconds; so is ``end``
    :param seconds: how long its speech is
    """

    start: float
    end: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class PlacedSegment:
    """
    :param start: when its speech begins, in seconds
    :param end: when it ends
    :param tempo: how much faster it is played; 1 as it was spoken
    :param late: by how many seconds it begins after its segment, because the one before it was too long
    """

    start: float
    end: float
    tempo: float
    late: float


def place_segments(
    segments: Sequence[SpokenSegment], *, seconds: float, max_tempo: float = 1.0
) -> tuple[PlacedSegment, ...]:
    """Places speeches so that each begins with its segment, as far as the one before it allows.

    A speech may last until the next segment begins. One that is longer is played faster, up to ``max_tempo``. One that
    is too long even then makes the next one late.

    :param segments: in the order of their begin
    :param seconds: length of the original
    :param max_tempo: 1 or more
    """
    placed: list[PlacedSegment] = []
    free = 0.0
    for number, segment in enumerate(segments):
        following = segments[number + 1].start if number + 1 < len(segments) else max(seconds, segment.end)
        start = max(segment.start, free)
        room = following - start
        # What is too late already has no room at all.
        tempo = max_tempo if room <= 0 else min(max(segment.seconds / room, 1.0), max_tempo)
        end = start + segment.seconds / tempo
        late = start - segment.start
        placed.append(
            PlacedSegment(
                start=round(start, 3),
                end=round(end, 3),
                tempo=round(tempo, 4),
                late=round(late, 3) if late > _UNHEARD else 0.0,
            )
        )
        free = end
    return tuple(placed)
