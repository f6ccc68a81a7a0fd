"""Measures one face in a picture. The module is heavy: it loads NumPy and Pillow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from airflow_provider_videoretalk.faces.face_detection import Face
from airflow_provider_videoretalk.faces.video_pictures import Picture

_SHARPNESS_SIDE = 64


@dataclass(frozen=True, kw_only=True)
class FaceMeasures:
    """
    :param height: of the face from forehead to chin, in pixels
    :param picture_share: the height as a share of the picture's height
    :param turn: how far the nose is from the middle between the eyes, in distances between the eyes; 0 if frontal
    :param eye_distance: between the eyes, as a share of the height; small for a face that is turned far
    :param tilt: angle of the line through the eyes, in degrees from horizontal, 0 to 180
    :param sharpness: standard deviation of the Laplacian divided by that of the brightness, of the face at 64 pixels.
        A sharp face has 0.4 or more, whatever its contrast
    :param brightness: mean of the face, 0 (black) to 255
    """

    height: float
    picture_share: float
    turn: float
    eye_distance: float
    tilt: float
    sharpness: float
    brightness: float


def measure_face(picture: Picture, face: Face) -> FaceMeasures:
    """
    :param picture: in which the face was found
    """
    left, top, right, bottom = face.box
    height = bottom - top
    left_eye, right_eye, nose = face.points[:3].astype(float)
    line = right_eye - left_eye
    distance = max(float(np.hypot(*line)), 1e-6)
    across = float(np.dot(nose - (left_eye + right_eye) / 2, line)) / distance
    grey = _grey(picture, (left, top, right, bottom))
    return FaceMeasures(
        height=height,
        picture_share=height / picture.shape[0],
        turn=abs(across) / distance,
        eye_distance=distance / height,
        tilt=abs(float(np.degrees(np.arctan2(line[1], line[0])))),
        sharpness=_sharpness(grey),
        brightness=float(np.asarray(grey, np.float32).mean()),
    )


def _grey(picture: Picture, box: tuple[float, float, float, float]) -> Image.Image:
    """The face in shades of grey, without what is outside the picture."""
    height, width = picture.shape[:2]
    left, right = (int(min(max(edge, 0), width)) for edge in (box[0], box[2]))
    top, bottom = (int(min(max(edge, 0), height)) for edge in (box[1], box[3]))
    return Image.fromarray(picture[top : max(bottom, top + 1), left : max(right, left + 1)]).convert("L")


def _sharpness(grey: Image.Image) -> float:
    side = (_SHARPNESS_SIDE, _SHARPNESS_SIDE)
    pixels = np.asarray(grey.resize(side, Image.Resampling.BOX), np.float32)
    neighbours = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:]
    return float((4 * pixels[1:-1, 1:-1] - neighbours).std()) / max(float(pixels.std()), 1.0)
