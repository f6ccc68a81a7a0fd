"""Reads single pictures of a video: sought, not played. The module is heavy: it loads FFmpeg (PyAV) and NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from airflow_provider_videoretalk.editing.presenter_frames import PresenterFrames, open_frames

Picture = NDArray[np.uint8]
"""Shape (height, width, 3), RGB, upright."""


class VideoPictures:
    """The pictures of an open video. One is in memory at a time."""

    def __init__(self, frames: PresenterFrames) -> None:
        self._frames = frames

    @property
    def count(self) -> int:
        """How many pictures the video shows."""
        return self._frames.index.frames

    @property
    def rate(self) -> Fraction:
        """Pictures per second."""
        return self._frames.index.rate

    def at(self, position: int) -> Picture:
        """The picture at a position. Beyond its end, a video plays backwards and forwards in turns.

        :raises InputError: the video cannot be decoded
        """
        (frame,) = self._frames.play(start=position, count=1)
        # FFmpeg gives the rotation in degrees, anticlockwise.
        turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))


@contextmanager
def open_pictures(path: Path, *, field: str) -> Iterator[VideoPictures]:
    """
    :param field: what the file is, for messages
    :raises InputError: the file cannot be read, or has no picture
    """
    with open_frames(path, field=field) as frames:
        yield VideoPictures(frames)


def spread_positions(*, length: int, count: int) -> list[int]:
    """Positions in the middles of ``count`` equal parts, each once."""
    return sorted({(2 * part + 1) * length // (2 * count) for part in range(count)})
