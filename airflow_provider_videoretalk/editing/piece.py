"""What a piece of a long video has to say before it is joined. The module is heavy: it loads FFmpeg (PyAV)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.h264_stream import PictureFormat, picture_format
from airflow_provider_videoretalk.editing.media_file import (
    audio_stream,
    frame_rate,
    open_media,
    refuse_damaged_media,
    video_stream,
)
from airflow_provider_videoretalk.editing.sound_samples import SoundFormat

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

REMEDY = "Make this piece again, the others can be kept."

# A time stamp may be this part of a frame's time from the constant rate.
_TOLERANCE = 4

_MAX_CHANNELS = 2


@dataclass(frozen=True, kw_only=True)
class Piece:
    """
    :param field: which piece it is, for messages
    :param codec: FFmpeg's name of the video's codec
    :param extradata: the codec's parameter sets
    :param picture: the format of the first picture
    :param rate: pictures per second, on the average
    :param times: when the pictures are shown, in order, in ``time_base``. Of an AVI these are guessed
    :param time_base: seconds
    :param reordering: by how many pictures decoding is ahead of showing
    :param is_whole: whether all packets are shown, and have their times, and the first is a keyframe
    :param sound: ``None`` for a piece without sound
    :param sound_excess: by how much the sound is longer than the pictures, in seconds, as its header says
    """

    path: Path
    field: str
    codec: str
    extradata: bytes
    picture: PictureFormat
    rate: Fraction
    times: tuple[int, ...]
    time_base: Fraction
    reordering: int
    is_whole: bool
    sound: SoundFormat | None
    sound_excess: float

    @property
    def begin(self) -> Fraction:
        """The time of the first picture, in seconds."""
        return self.times[0] * self.time_base

    def frames_at(self, rate: Fraction) -> int:
        """The number of pictures that last as long as the piece, at a constant rate."""
        if self.has_rate(rate):
            return len(self.times)
        return max(1, round(len(self.times) / self.rate * rate))

    def has_rate(self, rate: Fraction) -> bool:
        """Whether the pictures are shown at this constant rate."""
        # Whole numbers, because a long video has hundreds of thousands of pictures.
        steps, parts = (self.time_base * rate).as_integer_ratio()
        first = self.times[0]
        return all(
            abs((time - first) * steps - number * parts) * _TOLERANCE < parts for number, time in enumerate(self.times)
        )


def read_piece(path: Path, *, field: str) -> Piece:
    """Reads all packets of the picture, and decodes the first.

    :raises InputError: the file does not exist, is damaged, is not complete, or has no picture
    """
    with (
        open_media(path, field=field, remedy=REMEDY) as container,
        refuse_damaged_media(path, field=field, remedy=REMEDY),
    ):
        return _read(container, path, field)


def _read(container: InputContainer, path: Path, field: str) -> Piece:
    stream = video_stream(container, field=field, remedy=REMEDY)
    context = stream.codec_context
    times: list[int] = []
    is_whole = container.format.name.startswith("mov")
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if packet.is_corrupt:
            raise InputError(f"{field} is {str(path)!r}, which is damaged or cut off", remedy=REMEDY)
        if packet.is_discard:
            is_whole = False
            continue
        moment = packet.pts if packet.pts is not None and is_whole else packet.dts
        is_whole = is_whole and packet.pts is not None and (bool(times) or packet.is_keyframe)
        if moment is None:
            raise InputError(f"{field} is {str(path)!r}, whose pictures have no time stamps", remedy=REMEDY)
        times.append(moment)
    _check_number(stream, len(times), path, field)
    shown = sorted(times)
    place = {moment: number for number, moment in enumerate(shown)}
    seconds = (shown[-1] - shown[0]) * Fraction(stream.time_base or 0)
    rate = frame_rate(frames=len(shown) - 1, seconds=seconds, declared=stream.average_rate)
    end = shown[0] * Fraction(stream.time_base or 0) + len(shown) / rate
    return Piece(
        path=path,
        field=field,
        codec=context.name,
        extradata=context.extradata or b"",
        picture=_first_picture(container, stream),
        rate=rate,
        times=tuple(shown),
        time_base=Fraction(stream.time_base or 1),
        reordering=max(number - place[moment] for number, moment in enumerate(times)),
        is_whole=is_whole and len(place) == len(times),
        sound=_sound_format(container),
        sound_excess=float(max(Fraction(0), _sound_end(container) - end)),
    )


def _check_number(stream: VideoStream, found: int, path: Path, field: str) -> None:
    indexed = sum(not entry.is_discard for entry in stream.index_entries)
    if found < indexed:
        raise InputError(f"{field} is {str(path)!r}, which is cut off: {found} of {indexed} frames", remedy=REMEDY)
    if not found:
        raise InputError(f"{field} is {str(path)!r}, which has no pictures", remedy=REMEDY)


def _first_picture(container: InputContainer, stream: VideoStream) -> PictureFormat:
    container.seek(0)
    first = next(container.decode(stream))
    return picture_format(first, pixel_aspect=stream.sample_aspect_ratio)


def _sound_format(container: InputContainer) -> SoundFormat | None:
    stream = audio_stream(container)
    if stream is None:
        return None
    return SoundFormat(rate=stream.sample_rate, channels=min(stream.codec_context.layout.nb_channels, _MAX_CHANNELS))


def _sound_end(container: InputContainer) -> Fraction:
    stream = audio_stream(container)
    if stream is None or stream.duration is None:
        return Fraction(0)
    return Fraction(((stream.start_time or 0) + stream.duration) * (stream.time_base or 0))
