"""VideoRetalk replaces the lip movements in a video so that they match new speech.

Source of the limits: the vendor's VideoRetalk page, edition of October 2026. Preflight refuses inputs by these limits
before anything is paid for. The emulator applies the same limits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE, Limit
from airflow_provider_videoretalk.model_catalog.model import InputLength, MediaInput, Model, OutputLength
from airflow_provider_videoretalk.model_catalog.price import Price

DEFAULT_FACE_THRESHOLD = 170

# The Chinese edition states the bounds of durations as exclusive, the English one as "between 2 and 120": inclusive.
VIDEO_SECONDS = Limit(
    field="video duration",
    low=2,
    high=120,
    unit="s",
    code="InvalidFile.Duration",
    way_above="MakeVideoOperator makes longer videos of a script or a recording, in pieces.",
)
VIDEO_BYTES = Limit(field="video size", high=300 * MEGABYTE, unit="bytes", code="InvalidFile.Size")
VIDEO_FPS = Limit(field="video frame rate", low=15, high=60, unit="fps", code="InvalidFile.FPS")
VIDEO_SIDE = Limit(field="video side", low=640, high=2048, unit="px", code="InvalidFile.Resolution")
AUDIO_SECONDS = replace(VIDEO_SECONDS, field="audio duration")
AUDIO_BYTES = Limit(field="audio size", high=30 * MEGABYTE, unit="bytes", code="InvalidFile.Size")
IMAGE_BYTES = Limit(field="reference image size", high=10 * MEGABYTE, unit="bytes", code="InvalidFile.Size")
IMAGE_SIDE = Limit(field="reference image side", high=4096, unit="px", code="InvalidFile.ImageSize")
IMAGE_ASPECT = Limit(field="reference image aspect ratio", high=2, code="InvalidFile.ImageSize")
FACE_THRESHOLD = Limit(field="query_face_threshold", low=120, high=200, code="InvalidParameter")

VIDEO_CONTAINERS = ("mp4", "avi", "mov")
VIDEO_CODECS = ("h264", "hevc")
AUDIO_CONTAINERS = ("wav", "mp3", "aac")
IMAGE_FORMATS = ("jpeg", "png", "bmp", "webp")

# The output ends with a complete frame. A last frame of less than this part of its time is omitted, because it is
# mostly rounding. The service documents no such rule; this one is the emulator's.
_MIN_FRAME_PART = Fraction(1, 20)

_LONGEST_FRAME_SECONDS = 1 / 15
_MAX_RATE_DENOMINATOR = 1001
_MICROSECONDS = 1_000_000


def check_face_threshold(value: int) -> None:
    """
    :raises InputError: the service would refuse the value
    """
    if not FACE_THRESHOLD.allows(value):
        raise InputError(
            FACE_THRESHOLD.refusal(value),
            code=FACE_THRESHOLD.code,
            remedy=f"{DEFAULT_FACE_THRESHOLD} is the service's default.",
        )


def output_length(inputs: Mapping[str, InputLength], parameters: Mapping[str, Any]) -> OutputLength:
    """The length of the output, by the vendor's rules.

    - With ``video_extension`` the output is as long as the audio.
    - Without it the output is as long as the shorter one of video and audio.
    - The output has complete frames. If the frame rate is not known, it may be longer by a frame of the lowest rate.
    """
    extended = bool(parameters.get("video_extension"))
    video, audio = inputs.get("video_url", InputLength()), inputs.get("audio_url", InputLength())
    # Without a known rate, the last frame may last as long as the lowest rate allows.
    spoken = audio.seconds if audio.seconds is None or video.fps else audio.seconds + _LONGEST_FRAME_SECONDS
    shown = None if extended else video.seconds
    known = [seconds for seconds in (spoken, shown) if seconds is not None]
    is_known = len(known) == (1 if extended else 2)
    if not is_known or not video.fps:
        longest = min([*known, *_upper_bounds(extended)])
        return OutputLength(seconds=round(longest, 2), exact=is_known and longest == shown)
    rate = Fraction(video.fps).limit_denominator(_MAX_RATE_DENOMINATOR)
    frames = _frames_of_audio(audio.seconds or 0, rate)
    if not extended:
        frames = min(frames, max(1, round((video.seconds or 0) * rate)))
    return OutputLength(seconds=round(float(frames / rate), 2), exact=True)


def _upper_bounds(extended: bool) -> tuple[float, ...]:
    limits = (AUDIO_SECONDS,) if extended else (AUDIO_SECONDS, VIDEO_SECONDS)
    return tuple(limit.high for limit in limits if limit.high is not None)


def _frames_of_audio(seconds: float, rate: Fraction) -> int:
    """Frames that show all of the audio."""
    return max(1, math.ceil(Fraction(seconds).limit_denominator(_MICROSECONDS) * rate - _MIN_FRAME_PART))


VIDEORETALK = Model(
    name="videoretalk",
    path="services/aigc/image2video/video-synthesis",
    # List price, from the vendor's page on model prices. A failed job is not billed.
    price=Price(per_second=Decimal("0.08"), currency="CNY", as_of=date(2026, 11, 22)),
    # The only sample on the vendor's page: its times and its usage.
    render_factor=9.0,
    media_inputs={
        "video_url": MediaInput(
            kind="video",
            containers=VIDEO_CONTAINERS,
            codecs=VIDEO_CODECS,
            size=VIDEO_BYTES,
            seconds=VIDEO_SECONDS,
            fps=VIDEO_FPS,
            side=VIDEO_SIDE,
        ),
        "audio_url": MediaInput(kind="audio", containers=AUDIO_CONTAINERS, size=AUDIO_BYTES, seconds=AUDIO_SECONDS),
        "ref_image_url": MediaInput(
            kind="image", containers=IMAGE_FORMATS, size=IMAGE_BYTES, side=IMAGE_SIDE, aspect_ratio=IMAGE_ASPECT
        ),
    },
    output_length=output_length,
    max_output_seconds=120.0,
    result_url_field="video_url",
    billed_seconds_field="video_duration",
)
MODEL = VIDEORETALK.name
