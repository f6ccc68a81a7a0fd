"""Reads and writes audio files. Samples are always one channel of float32 between -1 and 1."""

from __future__ import annotations

import wave
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from airflow_provider_videoretalk.emulator.engine.container import open_media, refuse_damaged_media
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.model_catalog.videoretalk import AUDIO_CONTAINERS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

AudioFormat = Literal["wav", "mp3", "pcm", "opus"]
Samples = NDArray[np.float32]

_CODECS: dict[AudioFormat, tuple[str, str, tuple[int, ...]]] = {
    "mp3": ("mp3", "libmp3lame", (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)),
    "opus": ("ogg", "libopus", (8000, 12000, 16000, 24000, 48000)),
}
_CHUNK_SAMPLES = 4096


def decode_audio(path: Path, *, allowed: Sequence[str] = AUDIO_CONTAINERS) -> Generator[AudioFrame, None, None]:
    """The decoded frames of an audio file; damaged packets are skipped, as players do.

    :param allowed: the kinds of files that the service accepts
    :raises MediaRefusedError: the service does not accept the audio file, or nothing in it can be decoded
    """
    heard = False
    with open_media(path, allowed=allowed) as container, refuse_damaged_media():
        if not container.streams.audio:
            raise MediaRefusedError("InvalidFile.Openerror", "The file has no audio stream.")
        for packet in container.demux(container.streams.audio[0]):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                continue
            for frame in frames:
                heard = True
                yield frame
    if not heard:
        raise MediaRefusedError("InvalidFile.Openerror", "The file has no audio that can be decoded.")


def read_samples(
    path: Path, *, sample_rate: int, allowed: Sequence[str] = AUDIO_CONTAINERS
) -> Generator[Samples, None, None]:
    """The samples of an audio file in chunks, mixed down to one channel and resampled.

    :param allowed: see :func:`decode_audio`
    :raises MediaRefusedError: see :func:`decode_audio`
    """
    resampler = AudioResampler(format="flt", layout="mono", rate=sample_rate)
    for frame in decode_audio(path, allowed=allowed):
        with refuse_damaged_media():
            pieces = resampler.resample(frame)
        yield from map(_samples, pieces)
    yield from map(_samples, resampler.resample(None))


def resample(samples: Samples, *, from_rate: int, to_rate: int) -> Samples:
    """The samples at another sample rate. A wrong ``from_rate`` changes the pitch."""
    if from_rate == to_rate or not len(samples):
        return samples
    resampler = AudioResampler(format="flt", layout="mono", rate=to_rate)
    pieces = [piece for frame in _frames(samples, from_rate) for piece in resampler.resample(frame)]
    pieces += resampler.resample(None)
    return np.concatenate([_samples(piece) for piece in pieces])


def normalise_loudness(samples: Samples, *, loudness: float = 0.12, peak: float = 0.9, edge: int = 240) -> Samples:
    """Speech with a normalised loudness, faded in and out.

    :param loudness: target root mean square of the part that is not silent; 0.12 is about -18 dB of full scale
    :param peak: maximum of a sample, even if the speech then is quieter than ``loudness``
    :param edge: number of samples of both fades, which prevent clicks
    """
    highest = float(np.abs(samples).max(initial=0))
    if highest == 0:
        return samples
    voiced = samples[np.abs(samples) > highest * 0.02]
    gain = min(loudness / float(np.sqrt(np.mean(voiced**2))), peak / highest)
    result: Samples = samples * np.float32(gain)
    edge = min(edge, len(result) // 2)
    ramp = np.linspace(0, 1, edge, dtype=np.float32)
    result[:edge] *= ramp
    result[len(result) - edge :] *= ramp[::-1]
    return result


def write_audio(samples: Samples, path: Path, *, audio_format: AudioFormat, sample_rate: int) -> None:
    """Write samples to a file, with 16 bits per sample for ``wav`` and ``pcm``; ``pcm`` has no header.

    MP3 and Opus support only some sample rates; any other is replaced by the next higher one.
    """
    if audio_format == "pcm":
        path.write_bytes(_to_int16(samples).tobytes())
    elif audio_format == "wav":
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sample_rate)
            file.writeframes(_to_int16(samples).tobytes())
    else:
        _write_encoded(samples, path, audio_format=audio_format, sample_rate=sample_rate)


def _write_encoded(samples: Samples, path: Path, *, audio_format: AudioFormat, sample_rate: int) -> None:
    container_name, codec, rates = _CODECS[audio_format]
    coded_rate = next((rate for rate in rates if rate >= sample_rate), rates[-1])
    samples = resample(samples, from_rate=sample_rate, to_rate=coded_rate)
    with av.open(path, mode="w", format=container_name) as container:
        stream = container.add_stream(codec, rate=coded_rate, layout="mono")
        resampler = AudioResampler(format=stream.format, layout="mono", rate=coded_rate)
        for frame in _frames(samples, coded_rate):
            for piece in resampler.resample(frame):
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def _frames(samples: Samples, sample_rate: int) -> Iterable[AudioFrame]:
    for start in range(0, len(samples), _CHUNK_SAMPLES):
        yield audio_frame(samples[start : start + _CHUNK_SAMPLES], sample_rate=sample_rate, start=start)


def audio_frame(samples: Samples, *, sample_rate: int, start: int) -> AudioFrame:
    """Samples as a frame for an encoder; ``start`` is the number of samples before it."""
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32)[None], format="fltp", layout="mono")
    frame.sample_rate = sample_rate
    frame.pts = start
    frame.time_base = Fraction(1, sample_rate)
    return frame


def _samples(frame: AudioFrame) -> Samples:
    """The samples of a frame, limited to -1 and 1: files with floating point samples can contain any value."""
    samples: Samples = np.nan_to_num(np.asarray(frame.to_ndarray(), np.float32)[0]).clip(-1, 1)
    return samples


def _to_int16(samples: Samples) -> NDArray[np.int16]:
    bits: NDArray[np.int16] = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2")
    return bits
