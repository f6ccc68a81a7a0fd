"""Encodes pictures as H.264 into a file. The module is heavy: it loads FFmpeg (PyAV)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from av.video.reformatter import VideoReformatter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Eight bits, 4:2:0: what every decoder reads.
_KEPT_FORMATS = ("yuv420p", "yuvj420p")
_SAFE_FORMAT = "yuv420p"

_SECONDS_BETWEEN_KEYFRAMES = 2

# More threads need more memory: each holds several pictures.
MAX_THREADS = 4


@dataclass(frozen=True, kw_only=True)
class PictureFormat:
    """How pictures are stored.

    :param width: in pixels, as stored, before the rotation
    :param height: in pixels
    :param pixels: FFmpeg's name of the pixel format
    :param rotation: anticlockwise, in degrees, by which a player turns the pictures
    :param pixel_aspect: width of a pixel divided by its height; ``None`` if the file does not state it
    :param colours: range, primaries, transfer and matrix, by FFmpeg's numbers
    """

    width: int
    height: int
    pixels: str
    rotation: int
    pixel_aspect: Fraction | None
    colours: tuple[int, int, int, int]


def picture_format(frame: VideoFrame, *, pixel_aspect: Fraction | None) -> PictureFormat:
    """The format of a decoded picture."""
    return PictureFormat(
        width=frame.width,
        height=frame.height,
        pixels=frame.format.name,
        rotation=round(frame.rotation / 90) * 90 % 360,
        pixel_aspect=pixel_aspect or None,
        colours=(int(frame.color_range), int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace)),
    )


class H264Stream:
    """A stream of a new file, at a constant rate. A picture of another size or pixel format is converted.

    :param like: the format of the pictures. Sides of odd length lose a line, and other pixel formats become yuv420p
    :param quality: x264's constant rate factor: the lower, the better
    :param max_bits: per second, for a file that may not be larger
    """

    def __init__(
        self,
        container: OutputContainer,
        *,
        like: PictureFormat,
        rate: Fraction,
        quality: int,
        max_bits: int | None = None,
    ) -> None:
        self.frames = 0
        self._rate = rate
        self._reformatter = VideoReformatter()
        self._pixels = like.pixels if like.pixels in _KEPT_FORMATS else _SAFE_FORMAT
        self._stream = container.add_stream("libx264", rate=rate)
        context = self._stream.codec_context
        context.width, context.height = like.width // 2 * 2, like.height // 2 * 2
        context.pix_fmt = self._pixels
        context.time_base = 1 / rate
        context.thread_count = MAX_THREADS
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = like.colours
        if like.pixel_aspect is not None:
            context.sample_aspect_ratio = like.pixel_aspect
        # Without B-frames the first time stamp is zero, so that no player and no service needs an edit list.
        options: dict[str, object] = {"crf": str(quality), "preset": "veryfast", "bf": "0"}
        options["g"] = str(round(_SECONDS_BETWEEN_KEYFRAMES * rate))
        if max_bits is not None:
            options |= {"maxrate": str(max_bits), "bufsize": str(max_bits)}
        self._stream.options = options
        if like.rotation:
            self._stream.set_display_rotation(like.rotation)

    def encode(self, picture: VideoFrame) -> Iterator[Packet[VideoStream]]:
        """Appends a picture. The same picture may be given several times."""
        context = self._stream.codec_context
        frame = self._reformatter.reformat(picture, width=context.width, height=context.height, format=self._pixels)
        frame.pts, frame.time_base = self.frames, 1 / self._rate
        # Else the encoder would repeat the types of the source's pictures.
        frame.pict_type = 0
        self.frames += 1
        yield from self._stream.encode(frame)

    def finish(self) -> Iterator[Packet[VideoStream]]:
        """The last pictures."""
        yield from self._stream.encode(None)
