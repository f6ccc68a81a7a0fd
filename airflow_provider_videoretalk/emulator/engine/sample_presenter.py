"""Draws a presenter for demonstrations and tests: not a real person, and free of copyright.

Backdrop, body and head are drawn once. The frames of the video move them: the chest rises, the head moves and tilts
slightly, and the eyes blink.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from airflow_provider_videoretalk.emulator.engine.drawing import GRID, Colour, Layer, Point, Sheet, curve
from airflow_provider_videoretalk.emulator.engine.mp4_writer import AUDIO_SAMPLE_RATE, Mp4Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.engine.audio import Samples

Eyes = Literal["open", "half", "shut"]

_MIDDLE = 360.0
_NECK = (360.0, 500.0)
_SKIN: Colour = (231, 182, 152)
_SKIN_SHADE: Colour = (212, 158, 128)
_SKIN_LIGHT: Colour = (240, 196, 168)
_HAIR: Colour = (62, 42, 33)
_HAIR_LIGHT: Colour = (84, 58, 45)
_JACKET: Colour = (43, 66, 101)
_JACKET_SHADE: Colour = (33, 52, 82)
_SHIRT: Colour = (240, 242, 245)
_LIP: Colour = (196, 98, 94)
_LIP_LINE: Colour = (140, 60, 60)

_BLINK_EVERY, _BLINK_SECONDS = 2.7, 0.2


def _mirrored(points: Sequence[Point]) -> list[Point]:
    return [(2 * _MIDDLE - x, y) for x, y in points]


def _backdrop(size: int) -> Image.Image:
    """A bright office, out of focus."""
    rows = np.linspace(0, 1, size)[:, None, None]
    wall = np.array([214, 221, 228]) * (1 - rows) + np.array([176, 190, 205]) * rows
    image = Image.fromarray(np.broadcast_to(wall, (size, size, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    unit = size / GRID
    for left, top, right, bottom, colour in (
        (40, 60, 190, 330, (236, 241, 244)),
        (560, 90, 690, 110, (148, 128, 110)),
        (575, 40, 600, 90, (178, 96, 84)),
        (606, 30, 628, 90, (96, 128, 140)),
        (634, 48, 660, 90, (204, 176, 112)),
        (0, 560, 720, 720, (150, 160, 172)),
    ):
        draw.rectangle([left * unit, top * unit, right * unit, bottom * unit], fill=colour)
    return image.filter(ImageFilter.GaussianBlur(14 * unit))


def _body(size: int) -> Sheet:
    layer = Layer(size)
    shoulder = curve((_MIDDLE, 528), (470, 540), (640, 560), (668, 740))
    layer.shape([*shoulder, *_mirrored(shoulder)[::-1]], _JACKET)
    layer.shape([(292, 528), (428, 528), (382, 740), (338, 740)], _SHIRT)
    collar = [(420, 522), (462, 556), (402, 640), (360, 600)]
    layer.shape(collar, _SHIRT)
    layer.shape(_mirrored(collar), _SHIRT)
    lapel = [(440, 536), (478, 548), (500, 640), (380, 760), (392, 680)]
    layer.shape(lapel, _JACKET_SHADE)
    layer.shape(_mirrored(lapel), _JACKET_SHADE)
    neck = curve((414, 420), (412, 520), (410, 540), (_MIDDLE, 600))
    layer.shape([*neck, *_mirrored(neck)[::-1]], _SKIN_SHADE)
    layer.glow(_MIDDLE, 484, 76, (176, 120, 94), 210)
    return layer.finished()


def _head(size: int, eyes: Eyes) -> Sheet:
    layer = Layer(size)
    layer.ellipse(_MIDDLE, 276, 172, 196, _HAIR)
    for side in (-1, 1):
        layer.ellipse(_MIDDLE + side * 150, 344, 26, 42, _SKIN_SHADE)
        layer.ellipse(_MIDDLE + side * 147, 344, 16, 28, _SKIN)
    jaw = curve((508, 300), (512, 440), (450, 530), (_MIDDLE, 532))
    crown = curve((508, 300), (506, 190), (430, 170), (_MIDDLE, 170))
    layer.shape([*crown[::-1], *jaw, *_mirrored(jaw)[::-1], *_mirrored(crown)], _SKIN)
    layer.glow(_MIDDLE, 270, 130, _SKIN_LIGHT, 200)
    for side in (-1, 1):
        layer.glow(_MIDDLE + side * 92, 402, 50, (226, 140, 122), 130)
    _fringe(layer)
    for side in (-1, 1):
        _eye(layer, side, eyes)
    _nose(layer)
    _lips(layer)
    return layer.finished()


def _fringe(layer: Layer) -> None:
    hairline = curve((206, 330), (214, 190), (330, 214), (430, 150))
    rest = curve((430, 150), (500, 190), (508, 250), (514, 336))
    outside = curve((514, 336), (566, 20), (154, 20), (206, 330))
    layer.shape([*hairline, *rest, *outside], _HAIR)
    layer.stroke(curve((250, 190), (300, 120), (380, 108)), 7, _HAIR_LIGHT)
    layer.stroke(curve((270, 206), (330, 150), (410, 132)), 5, _HAIR_LIGHT)


def _eye(layer: Layer, side: int, eyes: Eyes) -> None:
    """One eye with its brow; ``side`` is -1 on the left of the picture, 1 on the right."""

    def across(*points: Point) -> list[Point]:
        return [(_MIDDLE + side * x, y) for x, y in points]

    layer.stroke(curve(*across((34, 262), (66, 238), (102, 262))), 9, _HAIR)
    x, y = _MIDDLE + side * 66, 304.0
    if eyes == "shut":
        layer.stroke(curve(*across((36, 306), (66, 322), (98, 306))), 5, _HAIR)
        return
    height = 15.0 if eyes == "open" else 9.0
    layer.ellipse(x, y, 32, height, (250, 250, 250))
    layer.ellipse(x, y, 15, min(15.0, height), (84, 58, 42))
    layer.ellipse(x, y, 7, min(7.0, height), (16, 12, 12))
    layer.ellipse(x - 5, y - 5, 4, 4 if eyes == "open" else 2, (255, 255, 255))
    layer.stroke(curve(*across((33, y + 2), (66, y - 2 * height - 2), (99, y))), 5, _HAIR)
    layer.stroke(curve(*across((38, y + 8), (66, y + 1.6 * height + 4), (94, y + 6))), 2, _SKIN_SHADE)


def _nose(layer: Layer) -> None:
    layer.glow(_MIDDLE, 372, 30, _SKIN_LIGHT, 200)
    layer.stroke(curve((350, 318), (342, 360), (336, 380)), 4, _SKIN_SHADE)
    layer.stroke(curve((334, 384), (340, 402), (360, 396), (380, 402), (386, 384)), 6, (190, 132, 106))
    for side in (-1, 1):
        layer.ellipse(_MIDDLE + side * 12, 393, 5, 3, (158, 100, 82))


def _lips(layer: Layer) -> None:
    """A closed, smiling mouth, whose line is lower in the middle than at its corners."""
    left, right = (306.0, 436.0), (414.0, 436.0)
    line = curve(left, (334, 456), (386, 456), right)
    upper = curve(right, (384, 432), (368, 432), (360, 440)) + curve((360, 440), (352, 432), (336, 432), left)
    lower = curve(right, (392, 478), (328, 478), left)
    layer.shape([*line, *upper], (182, 86, 84))
    layer.shape([*line, *lower], _LIP)
    layer.stroke(curve((340, 458), (360, 464), (380, 458)), 4, (214, 128, 122))
    layer.stroke(line, 4, _LIP_LINE)
    layer.stroke(curve((330, 482), (360, 490), (390, 482)), 3, _SKIN_SHADE)


class _Presenter:
    """The finished layers of one picture size."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._backdrop = _backdrop(size)
        self._body = _body(size)
        eyes: tuple[Eyes, ...] = ("open", "half", "shut")
        self._heads = {state: _head(size, state) for state in eyes}

    def at(self, seconds: float) -> Image.Image:
        """The frame at a time of the video."""
        picture = self._backdrop.copy()
        rise = 2 + 2 * math.sin(2 * math.pi * seconds / 3.7)
        self._place(picture, self._body, x=0, y=rise, degrees=0)
        self._place(
            picture,
            self._heads[_eyes_at(seconds)],
            x=7 * math.sin(2 * math.pi * seconds / 4.3),
            y=rise + 4 * math.sin(2 * math.pi * seconds / 2.9),
            degrees=1.8 * math.sin(2 * math.pi * seconds / 5.1 + 1),
        )
        return picture

    def _place(self, picture: Image.Image, sheet: Sheet, *, x: float, y: float, degrees: float) -> None:
        """Paste a sheet into the frame, moved by grid units and rotated about the neck."""
        unit = self._size / GRID
        left, top = sheet.position
        moved = sheet.image.rotate(
            degrees,
            Image.Resampling.BILINEAR,
            center=(_NECK[0] * unit - left, _NECK[1] * unit - top),
            translate=cast("tuple[int, int]", (x * unit, y * unit)),
        )
        picture.paste(moved, sheet.position, moved)


def _eyes_at(seconds: float) -> Eyes:
    into = seconds % _BLINK_EVERY - (_BLINK_EVERY - _BLINK_SECONDS)
    if into < 0:
        return "open"
    return "shut" if _BLINK_SECONDS / 4 <= into < _BLINK_SECONDS * 3 / 4 else "half"


def draw_presenter(path: Path, *, seconds: float = 8, fps: int = 25, size: int = 720) -> None:
    """Draw the sample video: MP4 with a silent audio track, ``size`` pixels square.

    :param size: even; the service accepts 640 to 2048
    """
    presenter = _Presenter(size)
    with Mp4Writer(path, width=size, height=size, rate=Fraction(fps), sound=_silence()) as writer:
        for i in range(round(seconds * fps)):
            writer.write(np.asarray(presenter.at(i / fps)))


def draw_portrait(path: Path, *, size: int = 720) -> None:
    """Draw the presenter's face as a reference image, in the format of the file name's suffix."""
    _Presenter(size).at(0).save(path)


def _silence() -> Iterator[Samples]:
    while True:
        yield np.zeros(AUDIO_SAMPLE_RATE // 10, np.float32)
