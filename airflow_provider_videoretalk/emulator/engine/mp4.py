"""Pictures and sound into an MP4 file that plays everywhere: H.264 with 8 bits and 4:2:0, AAC, index in front."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from airflow_provider_videoretalk.emulator.engine.sound import Samples, sound_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction
    from pathlib import Path
    from types import TracebackType

    from av.audio.stream import AudioStream

    from airflow_provider_videoretalk.emulator.engine.frames import Picture

SOUND_RATE = 44100
_SOUND_BITS = 128_000
_BT709 = 1


class Mp4Writer:
    """A file being written. Sound is drawn from its source only as far as the pictures have come.

    So the muxer never has to hold one of the two while it waits for the other, and the sound ends where the last
    picture does.

    :param rate: pictures per second
    :param sound: pieces of samples at ``SOUND_RATE``, or ``None`` for a file without sound
    """

    def __init__(
        self, path: Path, *, width: int, height: int, rate: Fraction, sound: Iterator[Samples] | None, quality: int = 20
    ) -> None:
        self.pictures = 0
        self._rate = rate
        self._sound = sound
        self._waiting: Samples = np.zeros(0, np.float32)
        self._heard = 0
        self._reformatter = VideoReformatter()
        self._container = av.open(path, mode="w", format="mp4", options={"movflags": "+faststart"})
        self._video = self._container.add_stream("libx264", rate=rate)
        self._video.width, self._video.height, self._video.pix_fmt = width, height, "yuv420p"
        self._video.options = {"crf": str(quality), "preset": "veryfast"}
        context = self._video.codec_context
        context.color_range = ColorRange.MPEG
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        self._audio: AudioStream | None = None
        if sound is not None:
            self._audio = self._container.add_stream("aac", rate=SOUND_RATE, layout="mono")
            self._audio.codec_context.bit_rate = _SOUND_BITS

    def __enter__(self) -> Mp4Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._container.close()

    def write(self, picture: Picture) -> None:
        """Append a picture of shape (height, width, 3), RGB."""
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(picture, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts = self.pictures
        frame.time_base = 1 / self._rate
        self._container.mux(self._video.encode(frame))
        self.pictures += 1
        self._sound_until(self.pictures / self._rate)

    def _finish(self) -> None:
        self._container.mux(self._video.encode(None))
        if self._audio is not None:
            self._container.mux(self._audio.encode(None))

    def _sound_until(self, moment: Fraction) -> None:
        wanted = round(moment * SOUND_RATE) - self._heard
        while self._sound is not None and len(self._waiting) < wanted:
            piece = next(self._sound, None)
            if piece is None:
                self._sound = None
            else:
                self._waiting = np.concatenate([self._waiting, piece])
        now, self._waiting = self._waiting[:wanted], self._waiting[wanted:]
        if self._audio is not None and len(now):
            self._container.mux(self._audio.encode(sound_frame(now, sample_rate=SOUND_RATE, start=self._heard)))
            self._heard += len(now)
