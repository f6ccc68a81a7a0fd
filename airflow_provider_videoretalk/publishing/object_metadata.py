"""What the metadata file of a published object says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from airflow_provider_videoretalk.publishing.transfer import DownloadedObject


def describe_object(downloaded: DownloadedObject, *, uri: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the source, followed by what is known of the object, as JSON-safe values."""
    return {
        **source,
        "uri": uri,
        "size": downloaded.content.size,
        "sha256": downloaded.content.sha256,
        "content_type": downloaded.content_type,
        "media": dict(downloaded.media),
        "verified": list(downloaded.content.verified),
        "unverified": dict(downloaded.content.unverified),
        "published_at": datetime.now(timezone.utc).isoformat(),
    }
