"""An animated picture of what a person sees."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from .person import Person

_WIDTH = 960
_PAUSE_MS = 2500


class _Frame(NamedTuple):
    image: Image.Image
    milliseconds: int


class Film:
    """Pictures of a person's window, and for how long each is shown."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._frames: list[_Frame] = []

    def shows(self) -> None:
        """Adds what the window shows now, for a while."""
        self._frames.append(_Frame(self._picture(), _PAUSE_MS))

    def follows(self, *, seconds: float) -> None:
        """Adds what the window shows from now on, as fast as pictures can be taken."""
        ends_at = time.monotonic() + seconds
        while (taken_at := time.monotonic()) < ends_at:
            picture = self._picture()
            self._frames.append(_Frame(picture, round((time.monotonic() - taken_at) * 1000)))

    def save(self, path: Path) -> None:
        """Writes an animated WebP that repeats."""
        first, *others = (frame.image for frame in self._frames)
        durations = [frame.milliseconds for frame in self._frames]
        first.save(path, save_all=True, append_images=others, duration=durations, loop=0, quality=55, method=4)

    def _picture(self) -> Image.Image:
        taken = Image.open(io.BytesIO(self._person.browser.get_screenshot_as_png())).convert("RGB")
        return taken.resize((_WIDTH, round(taken.height * _WIDTH / taken.width)), Image.Resampling.LANCZOS)
