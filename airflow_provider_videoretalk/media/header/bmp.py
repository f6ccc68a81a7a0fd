"""BMP."""

from __future__ import annotations

import struct

from airflow_provider_videoretalk.media.header.facts import Facts
from airflow_provider_videoretalk.media.ranged import Ranged

# The header of OS/2, whose sides have 16 bits.
_CORE = 12


def read_bmp(ranged: Ranged, container: str) -> Facts:
    head = ranged.at(14, 12)
    (length,) = struct.unpack_from("<I", head)
    width, height = struct.unpack_from("<HH" if length == _CORE else "<ii", head, 4)
    # A picture that is stored from the top has a negative height.
    return Facts(kind="image", container=container, codec="bmp", width=width, height=abs(height))
