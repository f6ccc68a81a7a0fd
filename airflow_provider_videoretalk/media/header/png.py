"""Reads PNG."""

from __future__ import annotations

import struct

from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.media_facts import MediaFacts
from airflow_provider_videoretalk.media.ranged_reader import RangedReader


def read_png(ranged: RangedReader, container: str) -> MediaFacts:
    length, name, width, height = struct.unpack(">I4sII", ranged.read_at(8, 16))
    if name != b"IHDR" or length != 13:
        raise DamagedFileError("it does not begin with the size of the image (IHDR)")
    return MediaFacts(kind="image", container=container, codec="png", width=width, height=height)
