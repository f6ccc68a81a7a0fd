"""AAC in ADTS, which has no header but those of its frames."""

from __future__ import annotations

from airflow_provider_videoretalk.media.header.facts import Facts
from airflow_provider_videoretalk.media.header.tag import start_of_sound
from airflow_provider_videoretalk.media.header.walk import Frame, Walk
from airflow_provider_videoretalk.media.ranged import Ranged

# ISO/IEC 14496-3, table 1.18.
_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_SAMPLES = 1024


def aac_frame(head: bytes) -> Frame | None:
    """The frame that ``head`` begins with, ``None`` for other bytes (ISO/IEC 14496-3, 1.A.2.2)."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    rate = head[2] >> 2 & 0xF
    length = (head[3] & 0b11) << 11 | head[4] << 3 | head[5] >> 5
    bare = head[1] & 1
    if rate >= len(_RATES) or length < (7 if bare else 9):
        return None
    return Frame(length=length, samples=_SAMPLES * ((head[6] & 0b11) + 1), rate=_RATES[rate])


def read_aac(ranged: Ranged, container: str) -> Facts:
    """The duration is counted over all frames."""
    walk = Walk(ranged, start_of_sound(ranged), aac_frame)
    return Facts(
        kind="audio",
        container=container,
        codec="aac",
        seconds=walk.seconds(),
        sound=True,
        unchecked=walk.unchecked,
    )
