"""Draws flat shapes with smooth edges on transparent sheets, which can be moved over a backdrop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence

Colour = tuple[int, int, int]
Point = tuple[float, float]

GRID = 720
"""All coordinates are on a grid of this many units, independent of the size of the image."""
_SUPERSAMPLING = 3
_MARGIN = 24
_GRADIENT_EDGE = 180
"""Value of Pillow's radial gradient in the middle of a side; it is 255 only in the corners."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A drawing with transparency, and the position of its upper left corner in the image."""

    image: Image.Image
    position: tuple[int, int]


class Layer:
    """A transparent sheet that is drawn larger and reduced at the end, for smooth edges."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._scale = size * _SUPERSAMPLING / GRID
        self._image = Image.new("RGBA", (size * _SUPERSAMPLING,) * 2)
        self._draw = ImageDraw.Draw(self._image)

    def ellipse(self, x: float, y: float, half_width: float, half_height: float, colour: Colour) -> None:
        self._draw.ellipse(
            self._scaled([(x - half_width, y - half_height), (x + half_width, y + half_height)]), fill=colour
        )

    def shape(self, outline: Sequence[Point], colour: Colour) -> None:
        self._draw.polygon(self._scaled(outline), fill=colour)

    def stroke(self, line: Sequence[Point], width: float, colour: Colour) -> None:
        """A line with round ends."""
        self._draw.line(self._scaled(line), fill=colour, width=round(width * self._scale), joint="curve")
        for x, y in (line[0], line[-1]):
            self.ellipse(x, y, width / 2, width / 2, colour)

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: int) -> None:
        """A soft spot on the existing drawing; ``strength`` is its opacity in the middle, 0 to 255."""
        left, top, right, bottom = (
            round(edge * self._scale) for edge in (x - radius, y - radius, x + radius, y + radius)
        )
        spot = Image.radial_gradient("L").resize((right - left, bottom - top))
        spot = spot.point([round(strength * _smooth(max(0.0, 1 - value / _GRADIENT_EDGE))) for value in range(256)])
        drawn = self._image.getchannel("A").crop((left, top, right, bottom))
        self._image.paste((*colour, 255), (left, top), ImageChops.multiply(spot, drawn))

    def finished(self) -> Sheet:
        """The sheet in its final size, cropped to the drawing and a margin for its movement."""
        image = self._image.resize((self._size, self._size), Image.Resampling.BOX)
        left, top, right, bottom = image.getbbox() or (0, 0, self._size, self._size)
        margin = round(_MARGIN * self._size / GRID)
        position = (left - margin, top - margin)
        return Sheet(image=image.crop((*position, right + margin, bottom + margin)), position=position)

    def _scaled(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._scale, y * self._scale) for x, y in points]


def curve(*points: Point, steps: int = 24) -> list[Point]:
    """A Bézier curve from the first to the last point; the others are its control points."""
    rows = np.array(points, float)
    parts = np.linspace(0, 1, steps)[:, None, None]
    level = np.broadcast_to(rows, (steps, *rows.shape))
    while level.shape[1] > 1:
        level = level[:, :-1] * (1 - parts) + level[:, 1:] * parts
    return [(float(x), float(y)) for x, y in level[:, 0]]


def _smooth(part: float) -> float:
    """Smoothstep: 0 to 1 with a slow start and a slow end."""
    return part * part * (3 - 2 * part)
