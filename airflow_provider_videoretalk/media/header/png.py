"""PNG."""

from __future__ import annotations

import struct

from airflow_provider_videoretalk.media.header.damage import DamageError
from airflow_provider_videoretalk.media.header.facts import Facts
from airflow_provider_videoretalk.media.ranged import Ranged


def read_png(ranged: Ranged, container: str) -> Facts:
    length, name, width, height = struct.unpack(">I4sII", ranged.at(8, 16))
    if name != b"IHDR" or length != 13:
        raise DamageError("it does not begin with the size of its picture")
    return Facts(kind="image", container=container, codec="png", width=width, height=height)
