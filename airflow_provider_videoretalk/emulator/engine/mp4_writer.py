"""Writes frames and audio into an MP4 file for every player: H.264 (8 bits, 4:2:0), AAC, index at the front."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from airflow_provider_videoretalk.emulator.engine.audio import Samples, audio_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction
    from pathlib import Path
    from types import TracebackType

    from av.audio.stream import AudioStream

    from airflow_provider_videoretalk.emulator.engine.video_frames import RgbFrame

AUDIO_SAMPLE_RATE = 44100
_AUDIO_BIT_RATE = 128_000
_BT709 = 1


class Mp4Writer:
    """Writes a file. It reads audio from its source only up to the time of the last frame.

    So the muxer never buffers one of the two while it waits for the other, and the audio ends with the last frame.

    :param rate: frames per second
    :param sound: chunks of samples at ``AUDIO_SAMPLE_RATE``, or ``None`` for a file without audio
    """

    def __init__(
        self, path: Path, *, width: int, height: int, rate: Fraction, sound: Iterator[Samples] | None, quality: int = 20
    ) -> None:
        self.frames_written = 0
        self._rate = rate
        self._sound = sound
        self._buffer: Samples = np.zeros(0, np.float32)
        self._written_samples = 0
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
            self._audio = self._container.add_stream("aac", rate=AUDIO_SAMPLE_RATE, layout="mono")
            self._audio.codec_context.bit_rate = _AUDIO_BIT_RATE

    def __enter__(self) -> Mp4Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._container.close()

    def write(self, picture: RgbFrame) -> None:
        """Append a frame of shape (height, width, 3), RGB."""
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(picture, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts = self.frames_written
        frame.time_base = 1 / self._rate
        self._container.mux(self._video.encode(frame))
        self.frames_written += 1
        self._write_audio_until(self.frames_written / self._rate)

    def _flush(self) -> None:
        self._container.mux(self._video.encode(None))
        if self._audio is not None:
            self._container.mux(self._audio.encode(None))

    def _write_audio_until(self, moment: Fraction) -> None:
        wanted = round(moment * AUDIO_SAMPLE_RATE) - self._written_samples
        while self._sound is not None and len(self._buffer) < wanted:
            piece = next(self._sound, None)
            if piece is None:
                self._sound = None
            else:
                self._buffer = np.concatenate([self._buffer, piece])
        now, self._buffer = self._buffer[:wanted], self._buffer[wanted:]
        if self._audio is not None and len(now):
            self._container.mux(
                self._audio.encode(audio_frame(now, sample_rate=AUDIO_SAMPLE_RATE, start=self._written_samples))
            )
            self._written_samples += len(now)
