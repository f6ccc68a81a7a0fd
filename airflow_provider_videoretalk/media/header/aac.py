"""Reads AAC in ADTS. It has no file header; each frame has a header."""

from __future__ import annotations

from airflow_provider_videoretalk.media.header.audio_frames import AudioFrame, count_audio, find_audio
from airflow_provider_videoretalk.media.header.media_facts import MediaFacts
from airflow_provider_videoretalk.media.ranged_reader import RangedReader

# ISO/IEC 14496-3, table 1.18.
_SAMPLE_RATES = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050),
    *(16_000, 12_000, 11_025, 8_000, 7_350),
)
_SAMPLES_PER_BLOCK = 1024


def parse_aac_frame(header: bytes) -> AudioFrame | None:
    """The frame that begins with ``header``; ``None`` for other bytes (ISO/IEC 14496-3, 1.A.2.2)."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return None
    rate_index = header[2] >> 2 & 0xF
    length = (header[3] & 0b11) << 11 | header[4] << 3 | header[5] >> 5
    has_no_checksum = header[1] & 1
    if rate_index >= len(_SAMPLE_RATES) or length < (7 if has_no_checksum else 9):
        return None
    samples = _SAMPLES_PER_BLOCK * ((header[6] & 0b11) + 1)
    return AudioFrame(length=length, samples=samples, sample_rate=_SAMPLE_RATES[rate_index])


def read_aac(ranged: RangedReader, container: str) -> MediaFacts:
    """The duration is counted over all frames."""
    start = find_audio(ranged, parse_aac_frame)
    counted = count_audio(ranged, start.position if start else 0, parse_aac_frame)
    return MediaFacts(
        kind="audio",
        container=container,
        codec="aac",
        seconds=counted.seconds,
        sound=True,
        unchecked=(*(start.unchecked if start else ()), *counted.unchecked),
    )
