"""A real S3 server, and an Airflow connection to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from object_store import attached
from seaweed import Seaweed, seaweed, why_not


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Seaweed]:
    """One with a bucket named ``bucket``. The lock has all that it needs, so nothing is skipped in CI."""
    if why_not() and "CI" not in os.environ:
        pytest.skip(why_not())
    with seaweed() as running:
        yield running


@pytest.fixture
def s3(s3_server: Seaweed) -> Iterator[Any]:
    """Its file system, with an empty bucket; ``s3://weed@bucket/...`` leads there."""
    from s3fs import S3FileSystem

    fs = S3FileSystem(**s3_server.options, skip_instance_cache=True)
    for found in fs.find("bucket"):
        fs.rm_file(found)
    with attached(weed=fs):
        yield fs
