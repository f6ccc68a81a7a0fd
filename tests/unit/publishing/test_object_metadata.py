"""What the metadata file of a published object says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from airflow_provider_videoretalk.publishing.checksums import VerifiedContent
from airflow_provider_videoretalk.publishing.object_metadata import describe_object
from airflow_provider_videoretalk.publishing.transfer import DownloadedObject

CONTENT = VerifiedContent(size=7, sha256="ab", verified=("length",), unverified={"crc64": "why"})
DOWNLOADED = DownloadedObject(content=CONTENT, content_type="video/mp4", media={"kind": "video", "container": "mp4"})


def test_the_source_and_then_the_object() -> None:
    before = datetime.now(timezone.utc)
    found = describe_object(DOWNLOADED, uri="s3://c@b/a.mp4", source={"task_id": "t1", "size": "of the source"})
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


@pytest.mark.parametrize("field", ["edits", "aigc", "content_credentials", "subtitles", "subtitle_track", "lips"])
def test_a_source_cannot_claim_what_only_an_edit_does(field: str) -> None:
    claimed = describe_object(DOWNLOADED, uri="s3://c@b/a.mp4", source={field: "by the source"})
    assert field not in claimed
    edited = replace(DOWNLOADED, edits={field: "by an edit"})
    assert describe_object(edited, uri="s3://c@b/a.mp4", source={field: "by the source"})[field] == "by an edit"
