"""Small videos whose frames bear their numbers, as black and white blocks that survive coding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

_BITS = 16
_COLUMNS = 4


def picture_of(number: int, *, width: int = 64, height: int = 64) -> NDArray[np.uint8]:
    """A grey picture of 4 x 4 blocks, one for each bit of the number, the lowest one first."""
    bits = np.array([number >> bit & 1 for bit in range(_BITS)], np.uint8).reshape(_BITS // _COLUMNS, _COLUMNS)
    blocks = np.kron(bits, np.ones((height // _COLUMNS, width // _COLUMNS), np.uint8)) * 200 + 25
    grey = np.zeros((height, width), np.uint8)
    grey[: blocks.shape[0], : blocks.shape[1]] = blocks
    return grey


def number_of(picture: VideoFrame) -> int:
    """The number that a decoded picture bears."""
    grey = picture.to_ndarray(format="gray")
    rows, columns = grey.shape[0] // _COLUMNS, grey.shape[1] // _COLUMNS
    middles = grey[rows // 2 :: rows, columns // 2 :: columns][:_COLUMNS, :_COLUMNS].ravel()
    return sum(int(value > 125) << bit for bit, value in enumerate(middles))


def numbered_video(
    path: Path,
    numbers: Iterable[int],
    *,
    rate: Fraction | int = 25,
    codec: str = "libx264",
    options: Mapping[str, str] | None = None,
    size: tuple[int, int] = (64, 64),
    pixels: str = "yuv420p",
    rotation: int = 0,
    moments: Sequence[int] | None = None,
    sound: NDArray[np.float32] | None = None,
    sound_rate: int = 44_100,
    sound_codec: str = "aac",
    muxer_options: Mapping[str, str] | None = None,
) -> Path:
    """Writes one frame for each number.

    :param options: of the encoder
    :param moments: times of the frames in 1/1000 s, for a variable rate
    :param sound: samples of shape (channels, samples)
    :param sound_codec: ``alac`` loses nothing, also where the sound begins and ends
    """
    with av.open(path, mode="w", options=dict(muxer_options or {})) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.options = {"preset": "ultrafast", "crf": "20", "g": "12", **(options or {})}
        step = 1 / Fraction(rate)
        if moments is not None:
            stream.codec_context.time_base = step = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        voice = None
        if sound is not None:
            layout = "mono" if len(sound) == 1 else "stereo"
            voice = output.add_stream(sound_codec, rate=sound_rate, layout=layout)
            voice.codec_context.bit_rate = 192_000
        for position, number in enumerate(numbers):
            grey = picture_of(number, width=size[0], height=size[1])
            frame = VideoFrame.from_ndarray(grey, format="gray").reformat(format=pixels)
            frame.pts = position if moments is None else moments[position]
            frame.time_base = step
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if voice is not None and sound is not None:
            for start in range(0, sound.shape[1], 4410):
                samples = np.ascontiguousarray(sound[:, start : start + 4410], np.float32)
                heard = av.AudioFrame.from_ndarray(samples, format="fltp", layout=voice.layout.name)
                heard.sample_rate, heard.pts, heard.time_base = sound_rate, start, Fraction(1, sound_rate)
                output.mux(voice.encode(heard))
            output.mux(voice.encode(None))
    return path


def video_with_hidden_frames(whole: Path, path: Path) -> Path:
    """A copied cut, whose edit list hides the frames before the cut: those of a fifth of a second."""
    with av.open(whole) as read, av.open(path, mode="w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None and packet.pts is not None:
                packet.stream = stream
                shift = round(Fraction(1, 5) / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                written.mux(packet)
    return path


def numbers_in(path: Path) -> list[int]:
    """The numbers of all frames that a player shows."""
    with av.open(path) as container:
        return [number_of(picture) for picture in container.decode(video=0)]


def moments_in(path: Path) -> list[Fraction]:
    """The times of all frames, in seconds."""
    with av.open(path) as container:
        return [picture.pts * picture.time_base for picture in container.decode(video=0)]


def sound_in(path: Path) -> NDArray[np.float32]:
    """The samples that a player gives, of shape (channels, samples)."""
    with av.open(path) as container:
        return np.concatenate(
            [np.asarray(frame.to_ndarray(), np.float32) for frame in container.decode(audio=0)], axis=1
        )
