"""Joins stretches of sound without a click."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator

# A step between two samples that is heard in silence, of full scale 1.
_HEARD_STEP = 0.003

# By how much more than its neighbours a step is no part of the sound.
_STANDS_OUT = 2

FADE_SECONDS = 0.005


def without_clicks(stretches: Iterable[Iterable[array[float]]], *, rate: int, channels: int) -> Iterator[array[float]]:
    """The samples of all stretches, one after another.

    Where one stretch meets the next, the samples may jump. If they jump more than twice as far as those around do, and
    far enough to be heard, 5 ms before the seam fade out and 5 ms behind it fade in. Before the first stretch is
    silence, and behind the last.

    :param stretches: blocks of packed samples. The first block of a stretch is at least 5 ms long, if the stretch is
    """
    fade = math.ceil(FADE_SECONDS * rate) * channels
    tail = array("f")
    for stretch in stretches:
        is_first = True
        for block in stretch:
            if not block:
                continue
            if is_first and _clicks(tail, block[:fade], channels):
                _fade_out(tail, channels)
                _fade_in(block, fade, channels)
            is_first = False
            tail += block
            if len(tail) > fade:
                yield tail[:-fade]
                tail = tail[-fade:]
    if _clicks(tail, array("f"), channels):
        _fade_out(tail, channels)
    yield tail


def _clicks(before: array[float], behind: array[float], channels: int) -> bool:
    silent = array("f", bytes(4 * channels))
    last, first = before[-channels:] or silent, behind[:channels] or silent
    jump = max(abs(one - other) for one, other in zip(last, first, strict=True))
    around = max(_largest_step(before, channels), _largest_step(behind, channels))
    return jump > max(_HEARD_STEP, _STANDS_OUT * around)


def _largest_step(samples: array[float], channels: int) -> float:
    steps = zip(samples, samples[channels:], strict=False)
    return max((abs(one - other) for one, other in steps), default=0.0)


def _fade_out(samples: array[float], channels: int) -> None:
    moments = len(samples) // channels
    for i in range(len(samples)):
        samples[i] *= _gain(moments - 1 - i // channels, moments)


def _fade_in(samples: array[float], length: int, channels: int) -> None:
    length = min(length, len(samples))
    for i in range(length):
        samples[i] *= _gain(i // channels, length // channels)


def _gain(moment: int, moments: int) -> float:
    """A half wave of a cosine, whose ends have no corner."""
    return (1 - math.cos(math.pi * moment / moments)) / 2
