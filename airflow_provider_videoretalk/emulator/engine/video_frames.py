"""Reads the frames of a video: forwards while decoding, and backwards from a store on disk.

A frame is an array of shape (height, width, 3), RGB, upright, with even sides.
"""

from __future__ import annotations

import tempfile
from io import BytesIO
from typing import TYPE_CHECKING, cast

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from airflow_provider_videoretalk.emulator.engine.container import open_media, refuse_damaged_media, video_stream
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEO_CONTAINERS

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from types import TracebackType

    from av.video.frame import VideoFrame

RgbFrame = NDArray[np.uint8]

# The keys are FFmpeg's AVColorSpace. Every other video uses ITU 709, also an untagged one: players use it from 577
# lines on, and the service accepts no smaller video.
_MATRICES = {4: Colorspace.FCC, 5: Colorspace.ITU601, 6: Colorspace.ITU601, 7: Colorspace.SMPTE240M}
_STORE_QUALITY = 92


def read_frames(path: Path) -> Generator[RgbFrame, None, None]:
    """The frames of a video in display order; damaged ones are skipped, as players do.

    The declared rotation is applied. A side of odd length loses its last line, because H.264 with the colours that
    every player supports has even sides only.

    :raises MediaRefusedError: the service does not accept the video
    """
    reformatter = VideoReformatter()
    with open_media(path, allowed=VIDEO_CONTAINERS) as container, refuse_damaged_media():
        stream = video_stream(container)
        stream.thread_type = "AUTO"
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                continue
            for frame in frames:
                yield _upright(_rgb(frame, reformatter), frame.rotation)


def _rgb(frame: VideoFrame, reformatter: VideoReformatter) -> RgbFrame:
    matrix = _MATRICES.get(int(frame.colorspace), Colorspace.ITU709)
    return cast(
        "RgbFrame",
        reformatter.reformat(frame, format="rgb24", src_colorspace=matrix, dst_colorspace=matrix).to_ndarray(),
    )


def _upright(picture: RgbFrame, rotation: int) -> RgbFrame:
    """A frame rotated by multiples of 90 degrees; FFmpeg gives the rotation in degrees, anticlockwise."""
    turned = np.rot90(picture, round(rotation / 90) % 4)
    height, width = turned.shape[0] // 2 * 2, turned.shape[1] // 2 * 2
    return np.ascontiguousarray(turned[:height, :width])


class FrameStore:
    """Frames in a temporary file, which can be read in any order.

    Each frame is a JPEG: a minute of 1280x720 takes about 200 MB on disk, instead of 4 GB in memory.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._ends = [0]

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __enter__(self) -> FrameStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, picture: RgbFrame) -> None:
        self._file.seek(self._ends[-1])
        Image.fromarray(picture).save(self._file, "jpeg", quality=_STORE_QUALITY)
        self._ends.append(self._file.tell())

    def __getitem__(self, position: int) -> RgbFrame:
        start, end = self._ends[position : position + 2]
        self._file.seek(start)
        with Image.open(BytesIO(self._file.read(end - start)), formats=["jpeg"]) as image:
            return np.array(image)


def ping_pong_index(position: int, *, length: int) -> int:
    """The index of the frame at a position, if ``length`` frames play forwards and backwards in turns.

    The first and the last frame are not repeated: three frames give 0, 1, 2, 1, 0, 1, 2 and so on.
    """
    if length == 1:
        return 0
    within = position % (2 * length - 2)
    return within if within < length else 2 * length - 2 - within
