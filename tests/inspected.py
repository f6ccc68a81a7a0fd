"""Looks at a stream as publishing does."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_videoretalk.publishing.expected_media import ANY_MEDIA, ExpectedMedia
from airflow_provider_videoretalk.publishing.media_inspection import MediaInspector


def inspect(content: bytes, expected: ExpectedMedia = ANY_MEDIA, *, piece: int = 100_000) -> tuple[str, dict[str, Any]]:
    """The content type and the properties of a stream."""
    inspector = MediaInspector(expected)
    watched = inspector.watch(content[at : at + piece] for at in range(0, len(content), piece))
    start = inspector.read_start(watched)
    assert b"".join([*start, *watched]) == content
    report = inspector.check()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    return inspector.content_type, report
