"""Cuts the presenter's clip for one piece of a long video. Its functions load FFmpeg (PyAV, the extra ``media``)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEO_BYTES
from airflow_provider_videoretalk.optional_dependencies import require_extra

_QUALITY = 16

# Of a file's size limit: the rest is for the index, and for what the encoder exceeds its mean by.
_USED_PART = 0.9
_MOST_BITS = 60_000_000


@dataclass(frozen=True, kw_only=True)
class PresenterLength:
    """
    :param frames: pictures of the clip
    :param rate: pictures per second
    """

    frames: int
    rate: Fraction

    @property
    def seconds(self) -> float:
        return float(self.frames / self.rate)


@dataclass(frozen=True, kw_only=True)
class PresenterPart(PresenterLength):
    """A part that was written.

    :param next_frame: the ``start_frame`` of the part that continues it
    """

    next_frame: int


def presenter_length(source: Path) -> PresenterLength:
    """Length and rate of a clip, by its index; the pictures are not decoded.

    A clip of variable rate is played at its average rate, which is what the emulator does. The service documents no
    rule.

    :raises InputError: the file cannot be read, or has no picture
    :raises ConfigurationError: the extra ``media`` is not installed
    """
    require_extra("media", part="A long video")
    # Heavy.
    from airflow_provider_videoretalk.editing.presenter_frames import open_frames

    with open_frames(source) as frames:
        return PresenterLength(frames=frames.index.frames, rate=frames.index.rate)


def cut_presenter(source: Path, target: Path, *, start_frame: int, frames: int) -> PresenterPart:
    """Writes a part of the endless sequence in which ``video_extension`` plays a clip: forwards, backwards, forwards.

    The part that begins at :attr:`PresenterPart.next_frame` continues this one without a visible jump. The vendor says
    "normal then reversed"; that the frame at a turn is shown once is the emulator's rule.

    - The part is an MP4 without sound: H.264 with constant rate, a keyframe every two seconds, no B-frames.
    - Size, rotation, shape of the pixels, colours and rate are those of the clip. Pictures with more than eight bits or
      with full colour resolution become yuv420p, and sides of odd length lose a line.
    - It is smaller than VideoRetalk's limit of 300 MB.
    - The limits of size and rate are not checked here: preflight does.
    - Memory is bounded for clips of any length.

    :param start_frame: position in the sequence, from 0 on
    :param frames: number of frames to write, at least 1
    :raises InputError: the clip cannot be read, has no picture, or a value is out of range
    :raises TransportError: the part cannot be written
    :raises ConfigurationError: the extra ``media`` is not installed
    """
    _check(start_frame=start_frame, frames=frames)
    require_extra("media", part="A long video")
    # Heavy.
    import av

    from airflow_provider_videoretalk.editing.h264_stream import H264Stream, picture_format
    from airflow_provider_videoretalk.editing.media_file import write_whole_file
    from airflow_provider_videoretalk.editing.presenter_frames import open_frames

    with write_whole_file(target) as partial, open_frames(source) as clip:
        rate = clip.index.rate
        pictures = clip.play(start=start_frame, count=frames)
        first = next(pictures)
        with av.open(partial, mode="w", format="mp4", options={"movflags": "+faststart"}) as output:
            stream = H264Stream(
                output,
                like=picture_format(first, pixel_aspect=clip.pixel_aspect),
                rate=rate,
                quality=_QUALITY,
                max_bits=_max_bits(float(frames / rate)),
            )
            for picture in chain([first], pictures):
                output.mux(list(stream.encode(picture)))
            output.mux(list(stream.finish()))
    return PresenterPart(frames=frames, rate=rate, next_frame=start_frame + frames)


def _check(*, start_frame: int, frames: int) -> None:
    for field, value, least in (("start_frame", start_frame, 0), ("frames", frames, 1)):
        if value < least:
            raise InputError(f"{field} is {value}, allowed is at least {least}", remedy="Count from 0.")


def _max_bits(seconds: float) -> int:
    return round(min(_MOST_BITS, (VIDEO_BYTES.high or 0) * 8 * _USED_PART / seconds))
