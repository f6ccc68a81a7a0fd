"""Looks at a presenter's clip before a render is paid for: is there a face that can be lip-synced.

The limits are this package's. The vendor asks for a frontal close shot of a face that is not tiny, without numbers.
A render job with a worse clip may succeed, and is billed, and keeps the lips of the clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_videoretalk.optional_dependencies import require_extra

if TYPE_CHECKING:
    from airflow_provider_videoretalk.faces.face_detection import FaceFinder
    from airflow_provider_videoretalk.faces.face_measures import FaceMeasures
    from airflow_provider_videoretalk.faces.video_pictures import Picture

FaceProblem = Literal["no_face", "face_missing", "too_small", "turned", "tilted", "blurred", "dark", "several_faces"]

FRAMES = 12
"""Frames of a clip that are looked at, evenly spread."""

LEAST_SHARE_WITH_FACE = 0.8
LEAST_HEIGHT, LEAST_PICTURE_SHARE = 80, 0.06
MOST_TURN, LEAST_EYE_DISTANCE = 0.2, 0.28
MOST_TILT = 30
LEAST_SHARPNESS = 0.25
LEAST_BRIGHTNESS = 30
MOST_SHARE_WITH_SEVERAL = 0.25

# Another face counts if it is at least this much as high as the largest one: a portrait on the wall does not.
_OTHER_FACE = 0.4
_SMALLEST_PIXELS, _SMALLEST_PART = 24, 24


@dataclass(frozen=True, kw_only=True)
class FaceFinding:
    """One problem of a clip.

    :param value: what was found, in words
    :param limit: the allowed values, in words
    :param remedy: what the user can do
    """

    code: FaceProblem
    value: str
    limit: str
    remedy: str

    @property
    def message(self) -> str:
        return f"{self.value}, allowed is {self.limit}"


@dataclass(frozen=True, kw_only=True)
class PresenterFaces:
    """The faces of a clip. All but the shares are medians over the frames with a face, and ``None`` without one.

    :param frames: how many frames were looked at
    :param share_with_face: of these, from 0 to 1
    :param share_with_several: of these, with two faces or more of similar size
    :param height: of the largest face, in pixels
    :param picture_share: that height as a share of the picture's height
    :param turn: see :class:`~airflow_provider_videoretalk.faces.face_measures.FaceMeasures`, like the following
    """

    frames: int
    share_with_face: float
    share_with_several: float
    height: float | None = None
    picture_share: float | None = None
    turn: float | None = None
    eye_distance: float | None = None
    tilt: float | None = None
    sharpness: float | None = None
    brightness: float | None = None

    @property
    def findings(self) -> tuple[FaceFinding, ...]:
        """The problems, the gravest first. What a small face lacks in sharpness is not said of it."""
        if self.height is None or self.picture_share is None:
            return (_no_face(self.frames),)
        is_small = self.height < LEAST_HEIGHT or self.picture_share < LEAST_PICTURE_SHARE
        found = (
            _face_missing(self.share_with_face) if self.share_with_face < LEAST_SHARE_WITH_FACE else None,
            _too_small(self.height, self.picture_share) if is_small else None,
            _turned(self.turn or 0) if self._is_turned else None,
            _tilted(self.tilt) if self.tilt is not None and self.tilt > MOST_TILT else None,
            _blurred(self.sharpness) if not is_small and _is_below(self.sharpness, LEAST_SHARPNESS) else None,
            _dark(self.brightness or 0) if _is_below(self.brightness, LEAST_BRIGHTNESS) else None,
            _several(self.share_with_several) if self.share_with_several > MOST_SHARE_WITH_SEVERAL else None,
        )
        return tuple(finding for finding in found if finding is not None)

    @property
    def _is_turned(self) -> bool:
        return (self.turn is not None and self.turn > MOST_TURN) or _is_below(self.eye_distance, LEAST_EYE_DISTANCE)

    def to_json(self) -> dict[str, Any]:
        """The measures as JSON-safe values, rounded, with the codes of the findings."""
        measures = {name: round(value, 3) for name, value in vars(self).items() if value is not None}
        return measures | {"findings": [finding.code for finding in self.findings]}


def check_presenter(path: Path) -> PresenterFaces:
    """Looks at :data:`FRAMES` frames of a video file. Takes a few seconds, and the memory of a few pictures.

    :raises InputError: the file cannot be read, or has no picture
    :raises ConfigurationError: the extra ``faces`` is not installed
    """
    require_extra("faces", part="The check of the presenter's face")
    # Heavy.
    from airflow_provider_videoretalk.faces.face_detection import FaceFinder
    from airflow_provider_videoretalk.faces.video_pictures import open_pictures, spread_positions

    largest: list[FaceMeasures] = []
    several = 0
    with open_pictures(path, field="the presenter's clip") as pictures:
        positions = spread_positions(length=pictures.count, count=FRAMES)
        finder: FaceFinder | None = None
        for position in positions:
            picture = pictures.at(position)
            if finder is None:
                finder = FaceFinder(smallest=smallest_face(picture))
            faces = measure_faces(finder, picture)
            largest += faces[:1]
            several += len(faces) > 1
    return _summary(largest, frames=len(positions), several=several)


def measure_faces(finder: FaceFinder, picture: Picture) -> list[FaceMeasures]:
    """The faces of similar size in a picture, the largest first."""
    # Heavy.
    from airflow_provider_videoretalk.faces.face_measures import measure_face

    faces = [measure_face(picture, face) for face in finder.find(picture)]
    return [face for face in faces if face.height >= _OTHER_FACE * faces[0].height]


def smallest_face(picture: Picture) -> int:
    """The side in pixels of the smallest face to look for."""
    height, width = picture.shape[:2]
    return max(_SMALLEST_PIXELS, int(min(height, width)) // _SMALLEST_PART)


def _summary(largest: Sequence[FaceMeasures], *, frames: int, several: int) -> PresenterFaces:
    names = vars(largest[0]) if largest else ()
    medians = {name: median(getattr(one, name) for one in largest) for name in names}
    return PresenterFaces(
        frames=frames, share_with_face=len(largest) / frames, share_with_several=several / frames, **medians
    )


def _is_below(value: float | None, limit: float) -> bool:
    return value is not None and value < limit


def _no_face(frames: int) -> FaceFinding:
    return FaceFinding(
        code="no_face",
        value=f"no face was found in {frames} frames of the clip",
        limit=f"a face in {LEAST_SHARE_WITH_FACE:.0%} of the frames",
        remedy="Give a clip of a person who looks at the camera. Without a face, only the sound is replaced.",
    )


def _face_missing(share: float) -> FaceFinding:
    return FaceFinding(
        code="face_missing",
        value=f"a face was found in {share:.0%} of the frames",
        limit=f"at least {LEAST_SHARE_WITH_FACE:.0%}",
        remedy="Cut the clip to the part that shows the presenter's whole face. Elsewhere the lips stay as they are.",
    )


def _too_small(height: float, share: float) -> FaceFinding:
    return FaceFinding(
        code="too_small",
        value=f"the face is {height:.0f} px high, {share:.0%} of the picture",
        limit=f"at least {LEAST_HEIGHT} px and {LEAST_PICTURE_SHARE:.0%}",
        remedy="Give a closer shot, or crop the clip around the presenter.",
    )


def _turned(turn: float) -> FaceFinding:
    return FaceFinding(
        code="turned",
        value=f"the face is turned away: the nose is {turn:.2f} of the eyes' distance off their middle",
        limit=f"at most {MOST_TURN}, with both eyes visible",
        remedy="Give a clip in which the presenter looks at the camera.",
    )


def _tilted(tilt: float) -> FaceFinding:
    return FaceFinding(
        code="tilted",
        value=f"the face is tilted by {tilt:.0f} degrees",
        limit=f"at most {MOST_TILT} degrees",
        remedy="Rotate the clip so that the presenter is upright.",
    )


def _blurred(sharpness: float | None) -> FaceFinding:
    return FaceFinding(
        code="blurred",
        value=f"the face is blurred: its sharpness is {sharpness or 0:.2f}",
        limit=f"at least {LEAST_SHARPNESS}",
        remedy="Give a clip in which the face is in focus and does not move fast.",
    )


def _dark(brightness: float) -> FaceFinding:
    return FaceFinding(
        code="dark",
        value=f"the face is dark: its brightness is {brightness:.0f} of 255",
        limit=f"at least {LEAST_BRIGHTNESS}",
        remedy="Brighten the clip, or give one with more light on the face.",
    )


def _several(share: float) -> FaceFinding:
    return FaceFinding(
        code="several_faces",
        value=f"several faces of similar size are in {share:.0%} of the frames",
        limit=f"at most {MOST_SHARE_WITH_SEVERAL:.0%}",
        remedy="Name the face with ref_image_url, or crop the clip to one person. By default the largest one speaks.",
    )
