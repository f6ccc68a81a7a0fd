"""What the metadata file of a published object says."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from airflow_provider_videoretalk.publishing.checksums import VerifiedContent
from airflow_provider_videoretalk.publishing.object_metadata import describe_object
from airflow_provider_videoretalk.publishing.transfer import DownloadedObject


def test_the_source_and_then_the_object() -> None:
    content = VerifiedContent(size=7, sha256="ab", verified=("length",), unverified={"crc64": "why"})
    media = {"kind": "video", "container": "mp4"}
    downloaded = DownloadedObject(content=content, content_type="video/mp4", media=media)
    before = datetime.now(timezone.utc)
    found = describe_object(downloaded, uri="s3://c@b/a.mp4", source={"task_id": "t1", "size": "of the source"})
    published_at = found.pop("published_at")
    assert before <= datetime.fromisoformat(published_at) <= datetime.now(timezone.utc)
    assert json.loads(json.dumps(found)) == {
        "task_id": "t1",
        "size": 7,
        "uri": "s3://c@b/a.mp4",
        "sha256": "ab",
        "content_type": "video/mp4",
        "media": {"kind": "video", "container": "mp4"},
        "verified": ["length"],
        "unverified": {"crc64": "why"},
    }
