"""What the metadata file of a published object says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from airflow_provider_videoretalk.publishing.media_edit import EDITS_FIELD
from airflow_provider_videoretalk.publishing.transfer import DownloadedObject

# A return value could claim marks or subtitles that the object does not have.
_OF_EDITS = (EDITS_FIELD, "aigc", "content_credentials", "subtitles", "subtitle_track", "lips")


def describe_object(downloaded: DownloadedObject, *, uri: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the source, followed by what is known of the object, as JSON-safe values.

    What an object is marked with, its subtitles, and what its lips were found to be are never said by the source: such
    fields of it are left out.
    """
    return {
        **{name: value for name, value in source.items() if name not in _OF_EDITS},
        "uri": uri,
        "size": downloaded.content.size,
        "sha256": downloaded.content.sha256,
        "content_type": downloaded.content_type,
        "media": dict(downloaded.media),
        "verified": list(downloaded.content.verified),
        "unverified": dict(downloaded.content.unverified),
        "published_at": datetime.now(timezone.utc).isoformat(),
        **downloaded.edits,
    }
