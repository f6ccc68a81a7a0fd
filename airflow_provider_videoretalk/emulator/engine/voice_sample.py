"""Checks the sample of a voice as the service does, and measures how the person in it speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from airflow_provider_videoretalk.emulator.engine.audio import Samples, read_samples
from airflow_provider_videoretalk.emulator.engine.container import open_media, refuse_damaged_media
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_videoretalk.model_catalog.voices import VoiceDialect

# An MP4 file without a picture is M4A by another name.
_CONTAINERS = ("wav", "mp3", "m4a", "mp4")
_SAMPLE_RATE = 16_000
_SLICE = _SAMPLE_RATE // 100
_LONGEST_PAUSE = 200
_SILENCE = 0.004

# Of the pitch: frames of 64 ms, every 20 ms, and periods of speech from 60 to 400 Hz.
_FRAME, _STEP = 1024, 320
_SHORTEST_PERIOD, _LONGEST_PERIOD = _SAMPLE_RATE // 400, _SAMPLE_RATE // 60
_VOICED = 0.5
_FEWEST_VOICED_FRAMES = 10
_USUAL_SYLLABLES_PER_SECOND = 4.0


@dataclass(frozen=True, kw_only=True)
class MeasuredVoice:
    """How somebody speaks.

    :param hertz: median pitch; ``None`` if nothing in the sample has a pitch
    :param pace: factor of the usual speed
    """

    hertz: float | None
    pace: float


def measure_voice(path: Path, dialect: VoiceDialect) -> MeasuredVoice:
    """
    :raises MediaRefusedError: the service refuses the sample, with the documented code
    """
    try:
        _check_format(path, dialect)
        samples = np.concatenate(list(read_samples(path, sample_rate=_SAMPLE_RATE, allowed=_CONTAINERS)))
    except MediaRefusedError as refusal:
        raise _as_sample_error(refusal) from None
    seconds = len(samples) / _SAMPLE_RATE
    if not dialect.seconds.allows(max(seconds, float(dialect.seconds.low or 0))):
        raise MediaRefusedError("BadRequest.UnsupportedFileFormat", f"The {dialect.seconds.refusal(seconds)}.")
    loudness = _loudness(samples)
    continuous = _continuous_seconds(loudness)
    if not continuous:
        raise MediaRefusedError("Audio.AudioSilentError", "The audio is silent, or holds no speech.")
    if continuous < float(dialect.seconds.low or 0):
        message = f"The audio has {continuous:.1f} s of continuous speech, needed are {dialect.seconds.low:g} s."
        raise MediaRefusedError(dialect.seconds.code, message)
    return MeasuredVoice(hertz=_pitch(samples), pace=_pace(loudness))


def _check_format(path: Path, dialect: VoiceDialect) -> None:
    with open_media(path, allowed=_CONTAINERS) as container, refuse_damaged_media():
        if not container.streams.audio:
            raise MediaRefusedError("Audio.DecoderError", "The file has no sound.")
        codec = container.streams.audio[0].codec_context
        if codec.name.startswith("pcm_") and codec.name != "pcm_s16le":
            raise MediaRefusedError("BadRequest.UnsupportedFileFormat", f"WAV of {codec.name} is not supported.")
        for limit, value in ((dialect.sample_rate, codec.sample_rate), (dialect.channels, codec.channels)):
            if not limit.allows(value):
                raise MediaRefusedError(limit.code, f"The {limit.refusal(value).removeprefix('the ')}.")


def _as_sample_error(refusal: MediaRefusedError) -> MediaRefusedError:
    """The codes of an enrolment differ from those of a render job."""
    codes = {"InvalidFile.Format": "BadRequest.UnsupportedFileFormat", "InvalidFile.Openerror": "Audio.DecoderError"}
    return MediaRefusedError(codes.get(refusal.code or "", refusal.code), refusal.message)


def _loudness(samples: Samples) -> Samples:
    """The root mean square of every 10 ms."""
    whole = len(samples) // _SLICE * _SLICE
    loudness: Samples = np.sqrt(np.mean(samples[:whole].reshape(-1, _SLICE) ** 2, axis=1))
    return loudness


def _continuous_seconds(loudness: Samples) -> float:
    """The longest stretch of sound whose pauses are no longer than two seconds."""
    loud = float(np.percentile(loudness, 95)) if len(loudness) else 0.0
    if loud < _SILENCE:
        return 0.0
    heard = np.flatnonzero(loudness > 0.1 * loud)
    stretches = np.split(heard, np.flatnonzero(np.diff(heard) > _LONGEST_PAUSE) + 1)
    return float(max(stretch[-1] - stretch[0] + 1 for stretch in stretches)) / 100


def _pitch(samples: Samples) -> float | None:
    """The median pitch of the loud parts in Hz, by autocorrelation."""
    if len(samples) < _FRAME:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_STEP]
    levels = np.sqrt(np.mean(frames**2, axis=1))
    frames = frames[levels > 0.5 * np.percentile(levels, 90)]
    spectrum = np.abs(np.fft.rfft(frames - frames.mean(axis=1, keepdims=True), 2 * _FRAME)) ** 2
    likeness = np.fft.irfft(spectrum)[:, :_LONGEST_PERIOD]
    # Later periods overlap less, so of the multiples of a period the first is the likest.
    likeness /= likeness[:, :1]
    periods = likeness[:, _SHORTEST_PERIOD:].argmax(axis=1) + _SHORTEST_PERIOD
    voiced = periods[likeness[np.arange(len(periods)), periods] > _VOICED]
    return float(np.median(_SAMPLE_RATE / voiced)) if len(voiced) >= _FEWEST_VOICED_FRAMES else None


def _pace(loudness: Samples) -> float:
    """The speed by the peaks of loudness, most of which are syllables."""
    smooth = np.convolve(loudness, np.hanning(9) / np.hanning(9).sum(), "same")
    inner = smooth[1:-1]
    peaks = np.count_nonzero((inner > smooth[:-2]) & (inner >= smooth[2:]) & (inner > 0.3 * smooth.max()))
    return float(np.clip(peaks / (len(loudness) / 100) / _USUAL_SYLLABLES_PER_SECOND, 0.85, 1.15))
