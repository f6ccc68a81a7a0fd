"""Compares a made video with its presenter: did the lips change.

The service keeps the lips where it finds no face, bills the video, and calls it a success. A video whose pictures were
only coded anew differs everywhere a little. So a mouth counts as changed where it differs by more than the eyes do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.faces.presenter_check import smallest_face
from airflow_provider_videoretalk.optional_dependencies import require_extra

if TYPE_CHECKING:
    from airflow_provider_videoretalk.faces.face_regions import RegionDifferences

FRAMES = 24
"""Frames of a video that are looked at, evenly spread."""

LEAST_SHARE = 0.15
"""Share of the compared frames in which the lips of a lip-synced video differ. In pauses of speech they need not."""

_TIMES_EYES, _BEYOND_EYES = 1.5, 1.5
# Eyes that differ by more are those of another moment, or of another person.
_MOST_EYES = 20.0


@dataclass(frozen=True, kw_only=True)
class LipChange:
    """
    :param frames: how many frames were compared
    :param changed_frames: in how many of these the lips differ
    :param reason: why no frame could be compared; ``None`` if some were
    """

    frames: int
    changed_frames: int
    reason: str | None = None

    @property
    def share(self) -> float | None:
        return self.changed_frames / self.frames if self.frames else None

    @property
    def changed(self) -> bool | None:
        """Whether the video was lip-synced; ``None`` if that cannot be told."""
        return None if self.share is None else self.share >= LEAST_SHARE

    def __str__(self) -> str:
        if self.share is None:
            return f"the lips could not be compared: {self.reason}"
        return f"the lips differ from the presenter's in {self.share:.0%} of {self.frames} frames"

    def to_json(self) -> dict[str, Any]:
        """``changed``, ``share`` and ``frames``, and ``reason`` if there is one, as JSON-safe values."""
        known = {"changed": self.changed, "share": self.share, "frames": self.frames}
        return known if self.reason is None else known | {"reason": self.reason}


def compare_lips(video: Path, presenter: Path) -> LipChange:
    """Compares :data:`FRAMES` frames of a video with the same frames of its presenter.

    Beyond the presenter's end, they are those that ``video_extension`` plays: backwards, forwards, and so on. The video
    may have another size and rate. Takes some seconds, and the memory of a few pictures.

    :param video: made of the presenter's clip, from its first frame on
    :raises InputError: a file cannot be read, or has no picture
    :raises ConfigurationError: the extra ``faces`` is not installed
    """
    require_extra("faces", part="The check of the lips")
    # Heavy.
    from airflow_provider_videoretalk.faces.face_detection import FaceFinder
    from airflow_provider_videoretalk.faces.face_regions import region_differences
    from airflow_provider_videoretalk.faces.video_pictures import open_pictures, spread_positions

    found: list[RegionDifferences] = []
    with (
        open_pictures(video, field="the video") as made,
        open_pictures(presenter, field="the presenter's clip") as clip,
    ):
        finder: FaceFinder | None = None
        for position in spread_positions(length=made.count, count=FRAMES):
            original = clip.at(round(position * clip.rate / made.rate))
            if finder is None:
                finder = FaceFinder(smallest=smallest_face(original))
            faces = finder.find(original)
            if faces:
                found.append(region_differences(original, made.at(position), faces[0]))
    return _verdict(found)


def _verdict(found: list[RegionDifferences]) -> LipChange:
    compared = [one for one in found if one.eyes <= _MOST_EYES]
    changed = sum(one.mouth > _TIMES_EYES * one.eyes + _BEYOND_EYES for one in compared)
    reason = None
    if not found:
        reason = "no face was found in the presenter's clip"
    elif not compared:
        reason = "the video shows other pictures than the presenter's clip"
    return LipChange(frames=len(compared), changed_frames=changed, reason=reason)
