"""The sample rate, the channels and the sample size of a sound file on this machine, by its header."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_videoretalk.media.header.audio_frames import FRAME_HEADER_BYTES, find_audio
from airflow_provider_videoretalk.media.header.mp3 import is_mono_frame, parse_mp3_frame
from airflow_provider_videoretalk.media.header.riff import FIRST_CHUNK, read_chunks
from airflow_provider_videoretalk.media.location import open_ranged_reader
from airflow_provider_videoretalk.media.ranged_reader import RangedReader


@dataclass(frozen=True, kw_only=True)
class SoundFormat:
    """Every attribute is ``None`` where it is not known.

    :param sample_rate: in Hz
    :param bits: of a sample; only WAV has it
    :param silent: whether every sample is 0; only known of WAV with 16 bits
    """

    sample_rate: int | None = None
    channels: int | None = None
    bits: int | None = None
    silent: bool | None = None


def read_sound_format(path: Path, *, container: str) -> SoundFormat:
    """The format of the sound in a WAV or MP3 file. Of other formats nothing is known.

    :param container: see :class:`~.media_facts.MediaFacts`
    """
    with open_ranged_reader(path, field="the file") as ranged:
        if container == "wav":
            return _of_wav(ranged)
        return _of_mp3(ranged) if container == "mp3" else SoundFormat()


def _of_wav(ranged: RangedReader) -> SoundFormat:
    channels = sample_rate = bits = 0
    silent: bool | None = None
    for chunk in read_chunks(ranged, FIRST_CHUNK):
        if chunk.name == b"fmt ":
            _, channels, sample_rate, _, _, bits = struct.unpack("<HHIIHH", ranged.read_at(chunk.start, 16))
        elif chunk.name == b"data":
            if bits == 16:
                silent = not ranged.read_at(chunk.start, min(chunk.size, ranged.size or 0)).strip(b"\0")
            break
    return SoundFormat(sample_rate=sample_rate or None, channels=channels or None, bits=bits or None, silent=silent)


def _of_mp3(ranged: RangedReader) -> SoundFormat:
    start = find_audio(ranged, parse_mp3_frame)
    header = ranged.read_at(start.position, FRAME_HEADER_BYTES) if start else b""
    frame = parse_mp3_frame(header)
    if frame is None:
        return SoundFormat()
    return SoundFormat(sample_rate=frame.sample_rate, channels=1 if is_mono_frame(header) else 2)
