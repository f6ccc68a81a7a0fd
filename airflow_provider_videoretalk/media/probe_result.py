"""The properties of a media file at any location."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_videoretalk.media.header.media_facts import MediaFacts


@dataclass(frozen=True, kw_only=True)
class ProbeResult(MediaFacts):
    """The properties of a media file; ``None`` for a property that is not known. ``unchecked`` gives the reasons.

    :param size: in bytes
    """

    size: int | None = None
