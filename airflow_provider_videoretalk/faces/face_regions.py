"""Compares parts of a face in two pictures of the same moment. The module is heavy: it loads NumPy and Pillow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from airflow_provider_videoretalk.faces.face_detection import Face
from airflow_provider_videoretalk.faces.video_pictures import Picture

Floats = NDArray[np.float32]

# Pixels of a compared region, and how many times finer it is sampled before. Single pixels differ after each coding.
_WIDTH, _HEIGHT, _FINER = 32, 24, 4

# Left, top, right, bottom of the regions, in widths of the mouth and in distances between the eyes.
_MOUTH = (-0.8, -0.35, 0.8, 0.85)
_EYES = (-0.9, -0.55, 0.9, 0.4)


@dataclass(frozen=True, kw_only=True)
class RegionDifferences:
    """Mean differences of brightness, 0 to 255, without what the whole region differs by.

    :param mouth: of the mouth, with the chin's upper part
    :param eyes: of the eyes, with the lower part of the forehead
    """

    mouth: float
    eyes: float


def region_differences(one: Picture, other: Picture, face: Face) -> RegionDifferences:
    """
    :param face: found in ``one``
    :param other: may have another size
    """
    first = Image.fromarray(one).convert("L")
    second = Image.fromarray(other).convert("L")
    if second.size != first.size:
        second = second.resize(first.size, Image.Resampling.BILINEAR)
    left_eye, right_eye, _, left_corner, right_corner = face.points.astype(np.float64)
    return RegionDifferences(
        mouth=_difference(first, second, left_corner, right_corner, _MOUTH),
        eyes=_difference(first, second, left_eye, right_eye, _EYES),
    )


def _difference(
    first: Image.Image,
    second: Image.Image,
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    box: tuple[float, float, float, float],
) -> float:
    regions = [_region(picture, left, right, box) for picture in (first, second)]
    flat = [region - region.mean() for region in regions]
    return float(np.abs(flat[0] - flat[1]).mean())


def _region(
    picture: Image.Image,
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    box: tuple[float, float, float, float],
) -> Floats:
    """The part of a picture around two points, upright; a box unit is their distance."""
    along = right - left
    down = np.array([-along[1], along[0]])
    x_step = along * (box[2] - box[0]) / (_WIDTH * _FINER)
    y_step = down * (box[3] - box[1]) / (_HEIGHT * _FINER)
    corner = (left + right) / 2 + along * box[0] + down * box[1]
    affine = (x_step[0], y_step[0], corner[0], x_step[1], y_step[1], corner[1])
    fine = picture.transform(
        (_WIDTH * _FINER, _HEIGHT * _FINER),
        Image.Transform.AFFINE,
        tuple(float(value) for value in affine),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(fine.resize((_WIDTH, _HEIGHT), Image.Resampling.BOX), np.float32)
