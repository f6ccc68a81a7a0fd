"""Pictures out of a video: forwards while decoding, and backwards from a store on disk.

A picture is an array of shape (height, width, 3), RGB, upright, with even sides.
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

from airflow_provider_videoretalk.emulator.engine.container import damage_refused, opened, picture_stream
from airflow_provider_videoretalk.limits import VIDEO_CONTAINERS

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from types import TracebackType

    from av.video.frame import VideoFrame

Picture = NDArray[np.uint8]

# By the numbers of FFmpeg's AVColorSpace, ITU 709 for any other: also for untagged videos, which players take for high
# definition from 577 lines on, as all videos the service takes have.
_MATRICES = {4: Colorspace.FCC, 5: Colorspace.ITU601, 6: Colorspace.ITU601, 7: Colorspace.SMPTE240M}
_STORE_QUALITY = 92


def pictures_of(path: Path) -> Generator[Picture, None, None]:
    """The pictures of a video in the order shown; damaged ones are left out, as players do.

    The rotation a file declares is carried out, and a side of odd length loses its last line, because H.264 with the
    colours every player can show has even sides only.

    :raises MediaRefusedError: not a video the service takes
    """
    reformatter = VideoReformatter()
    with opened(path, allowed=VIDEO_CONTAINERS) as container, damage_refused():
        stream = picture_stream(container)
        stream.thread_type = "AUTO"
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                continue
            for frame in frames:
                yield _upright(_rgb(frame, reformatter), frame.rotation)


def _rgb(frame: VideoFrame, reformatter: VideoReformatter) -> Picture:
    matrix = _MATRICES.get(int(frame.colorspace), Colorspace.ITU709)
    return cast(
        "Picture",
        reformatter.reformat(frame, format="rgb24", src_colorspace=matrix, dst_colorspace=matrix).to_ndarray(),
    )


def _upright(picture: Picture, rotation: int) -> Picture:
    """Turn by quarters; FFmpeg gives the rotation to apply in degrees, anticlockwise."""
    turned = np.rot90(picture, round(rotation / 90) % 4)
    height, width = turned.shape[0] // 2 * 2, turned.shape[1] // 2 * 2
    return np.ascontiguousarray(turned[:height, :width])


class PictureStore:
    """Pictures in a temporary file, to be read back in any order.

    Each is a JPEG of its own: a minute of 1280x720 takes about 200 MB on disk, against 4 GB in memory.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._ends = [0]

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __enter__(self) -> PictureStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, picture: Picture) -> None:
        self._file.seek(self._ends[-1])
        Image.fromarray(picture).save(self._file, "jpeg", quality=_STORE_QUALITY)
        self._ends.append(self._file.tell())

    def __getitem__(self, position: int) -> Picture:
        start, end = self._ends[position : position + 2]
        self._file.seek(start)
        with Image.open(BytesIO(self._file.read(end - start)), formats=["jpeg"]) as image:
            return np.array(image)


def there_and_back(position: int, *, length: int) -> int:
    """Which picture of ``length`` is shown at a position when playback turns round at either end.

    Neither end is shown twice: for three pictures 0, 1, 2, 1, 0, 1, 2 and so on.
    """
    if length == 1:
        return 0
    within = position % (2 * length - 2)
    return within if within < length else 2 * length - 2 - within
