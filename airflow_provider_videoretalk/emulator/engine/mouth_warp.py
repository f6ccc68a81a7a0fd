"""Opens the mouth in a frame: moves the pixels below the lip line down, and paints the gap.

The mouth follows the loudness only, not the phonemes. It suits faces that look at the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.engine.video_frames import RgbFrame

Floats = NDArray[np.float32]

_JUST_OPEN = 0.04
_NARROWEST_MOUTH = 12

# All lengths below are in widths of the mouth.
_WIDEST_GAP = 0.34
_GAP_HALF_WIDTH = 0.46
_JAW_HALF_WIDTH = 0.98
_JAW_DEPTH = 1.0
_LIP_LINE, _LIP_CURVE = 0.0, 0.09
_TONGUE_HALF_WIDTH = 0.30
_EDGE = 0.06
_TEETH_DEPTH, _TEETH_HALF_WIDTH = 0.055, 0.36

_CAVITY = np.array([52, 18, 22], np.float32)
_TONGUE = np.array([158, 72, 76], np.float32)
_TEETH = np.array([236, 230, 222], np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Patch:
    """The part of the frame around mouth and jaw, in coordinates of the mouth.

    :param across: shape (height, width), along the mouth from its middle, in mouth widths
    :param down: shape (height, width), towards the chin, in mouth widths
    :param axis: unit vector of ``down`` in pixels, x and y
    """

    left: int
    top: int
    across: Floats
    down: Floats
    axis: Floats
    mouth_width: float


def open_mouth(picture: RgbFrame, points: Floats, *, opening: float) -> None:
    """Open the mouth of one face; changes the frame in place.

    :param picture: shape (height, width, 3), RGB
    :param points: the five landmarks of a face, shape (5, 2); see :class:`...faces.face_detection.Face`
    :param opening: 0 (closed) to 1 (wide open); below 0.04 the frame is unchanged
    """
    if opening < _JUST_OPEN:
        return
    patch = _patch(picture, points)
    if patch is None:
        return
    height, width = patch.across.shape
    part = picture[patch.top : patch.top + height, patch.left : patch.left + width]
    gap, lip_line = _gap(patch, opening)
    moved = _slide(part, patch, _jaw_shift(patch, gap, lip_line, opening))
    part[:] = np.clip(_paint(moved, patch, gap, lip_line), 0, 255).astype(np.uint8)


def _patch(picture: RgbFrame, points: Floats) -> _Patch | None:
    """The part of the frame to change; ``None`` for a mouth that is too small or outside the frame."""
    nose, left_corner, right_corner = (np.asarray(point, np.float32) for point in points[2:])
    middle = (left_corner + right_corner) / 2
    mouth_width = float(np.linalg.norm(right_corner - left_corner))
    if mouth_width < _NARROWEST_MOUTH:
        return None
    along = (right_corner - left_corner) / mouth_width
    axis = np.array([-along[1], along[0]], np.float32)
    if float(np.dot(axis, middle - nose)) < 0:
        axis = -axis
    reach = mouth_width * (1 + 0.3 * abs(float(axis[0])))
    left, right = max(0, int(middle[0] - reach)), min(picture.shape[1], int(middle[0] + reach))
    top, bottom = (
        max(0, int(middle[1] - mouth_width * (0.12 + abs(float(axis[0]))))),
        min(picture.shape[0], int(middle[1] + mouth_width * 1.15)),
    )
    if right - left < 8 or bottom - top < 8:
        return None
    x = np.arange(left, right, dtype=np.float32)[None, :] - middle[0]
    y = np.arange(top, bottom, dtype=np.float32)[:, None] - middle[1]
    return _Patch(
        left=left,
        top=top,
        across=(x * along[0] + y * along[1]) / np.float32(mouth_width),
        down=(x * axis[0] + y * axis[1]) / np.float32(mouth_width),
        axis=axis,
        mouth_width=mouth_width,
    )


def _gap(patch: _Patch, opening: float) -> tuple[Floats, Floats]:
    """For each pixel's column the height of the gap and the position of its upper edge, in mouth widths."""
    bow = np.clip(1 - (patch.across / np.float32(_GAP_HALF_WIDTH)) ** 2, 0, 1)
    gap = np.float32(opening * _WIDEST_GAP) * np.sqrt(bow)
    lip_line = np.float32(_LIP_LINE) + np.float32(_LIP_CURVE) * bow
    return gap, lip_line


def _jaw_shift(patch: _Patch, gap: Floats, lip_line: Floats, opening: float) -> Floats:
    """The vertical offset of each pixel's source: the whole gap at the lip, decreasing towards throat and cheeks."""
    widest = np.float32(opening * _WIDEST_GAP)
    sideways = np.clip(1 - (patch.across / np.float32(_JAW_HALF_WIDTH)) ** 2, 0, 1)
    below = patch.down - lip_line
    fading = np.clip(1 - below / np.float32(_JAW_DEPTH - 0.05), 0, 1)
    fading = fading * fading * (3 - 2 * fading)
    pulled = np.minimum(np.maximum(gap, widest * np.float32(0.8) * sideways), widest) * fading * sideways
    return np.where(below > 0, -np.minimum(pulled, below), 0).astype(np.float32)


def _slide(part: RgbFrame, patch: _Patch, shift: Floats) -> Floats:
    """Each pixel's source at ``shift`` mouth widths along the axis, interpolated between two lines."""
    height, width = shift.shape
    pixels = shift * np.float32(patch.mouth_width)
    x = np.rint(np.arange(width, dtype=np.float32)[None, :] + pixels * patch.axis[0]).clip(0, width - 1)
    y = (np.arange(height, dtype=np.float32)[:, None] + pixels * patch.axis[1]).clip(0, height - 1.001)
    line = y.astype(np.intp)
    column = x.astype(np.intp)
    upper = part[line, column].astype(np.float32)
    lower = part[line + 1, column].astype(np.float32)
    blended: Floats = upper + (lower - upper) * (y - line)[..., None]
    return blended


def _paint(moved: Floats, patch: _Patch, gap: Floats, lip_line: Floats) -> Floats:
    """The open mouth with tongue and upper teeth, with soft edges."""
    below = patch.down - lip_line
    depth = np.clip(below / np.maximum(gap, np.float32(1e-3)), 0, 1)
    tongue = np.clip(
        1 - ((depth - 1) ** 2 / np.float32(0.22) + (patch.across / np.float32(_TONGUE_HALF_WIDTH)) ** 2), 0, 1
    )
    colour = _CAVITY + (_TONGUE - _CAVITY) * tongue[..., None]
    softness = np.float32(1.5 / patch.mouth_width)
    teeth = _step(np.float32(_TEETH_DEPTH) - below, softness) * _step(
        np.float32(_TEETH_HALF_WIDTH) - np.abs(patch.across), softness
    )
    colour = colour + (_TEETH - colour) * (teeth * _step(gap - np.float32(_TEETH_DEPTH * 1.6), softness * 4))[..., None]
    inside = _step(np.minimum(below, gap - below), np.float32(_EDGE / 2))[..., None]
    painted: Floats = moved + (colour - moved) * inside
    return painted


def _step(distance: Floats, width: np.float32) -> Floats:
    """A linear edge: 0 outside, 1 from ``width`` inside the edge on."""
    return np.clip(distance / width, 0, 1).astype(np.float32)
