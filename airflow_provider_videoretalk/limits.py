"""What VideoRetalk accepts, as one table.

Each row holds the bounds the vendor's VideoRetalk page gives (edition of October 2026) and the code the service
answers when an input lies outside them. The emulator refuses by this table; the operators check by it before anything
is paid for.
"""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limit:
    """An inclusive range for one property of one input.

    :param field: the property in words, as messages name it
    :param low: smallest value accepted, ``None`` for no lower bound
    :param high: largest value accepted, ``None`` for no upper bound
    :param unit: unit of both bounds
    :param code: the service's error code for a value outside the range
    """

    field: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    code: str

    def allows(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def refusal(self, value: float) -> str:
        """A sentence that names field, value and limit."""
        return f"{self.field} is {value:g} {self.unit}".rstrip() + f", allowed is {self.range}"

    @property
    def range(self) -> str:
        if self.low is None:
            return f"at most {self.high:g} {self.unit}".rstrip()
        if self.high is None:
            return f"at least {self.low:g} {self.unit}".rstrip()
        return f"{self.low:g} to {self.high:g} {self.unit}".rstrip()


# The Chinese edition writes the durations' bounds as strict, the English one "between 2 and 120": inclusive here.
VIDEO_SECONDS = Limit(field="video duration", low=2, high=120, unit="s", code="InvalidFile.Duration")
VIDEO_BYTES = Limit(field="video size", high=300 * MEGABYTE, unit="bytes", code="InvalidFile.Size")
VIDEO_FPS = Limit(field="video frame rate", low=15, high=60, unit="fps", code="InvalidFile.FPS")
VIDEO_SIDE = Limit(field="video side", low=640, high=2048, unit="px", code="InvalidFile.Resolution")
AUDIO_SECONDS = Limit(field="audio duration", low=2, high=120, unit="s", code="InvalidFile.Duration")
AUDIO_BYTES = Limit(field="audio size", high=30 * MEGABYTE, unit="bytes", code="InvalidFile.Size")
IMAGE_BYTES = Limit(field="reference image size", high=10 * MEGABYTE, unit="bytes", code="InvalidFile.Size")
IMAGE_SIDE = Limit(field="reference image side", high=4096, unit="px", code="InvalidFile.ImageSize")
IMAGE_ASPECT = Limit(field="reference image aspect ratio", high=2, code="InvalidFile.ImageSize")
FACE_THRESHOLD = Limit(field="query_face_threshold", low=120, high=200, code="InvalidParameter")

VIDEO_CONTAINERS = ("mp4", "avi", "mov")
VIDEO_CODECS = ("h264", "hevc")
AUDIO_CONTAINERS = ("wav", "mp3", "aac")
IMAGE_FORMATS = ("jpeg", "png", "bmp", "webp")

# The vendor's page on error messages: InternalError.Timeout, for any asynchronous model.
TASK_SECONDS = 3 * 3600.0
"""How long after its submit the service drops a task that has no result, queued or not."""

# The one sample of the vendor's page: its times and its usage.
RENDER_FACTOR = 9.0
"""Seconds that a render takes per second of output, as long as nothing better is known."""
