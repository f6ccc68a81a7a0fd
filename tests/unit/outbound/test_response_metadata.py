from __future__ import annotations

import base64
import hashlib

import pytest

from airflow_provider_videoretalk.outbound.response_metadata import ResponseMetadata, parse_partial

MD5 = hashlib.md5(b"content").hexdigest()
TAG = f'"{MD5.upper()}"'
OSS = {"etag": TAG, "x-oss-object-type": "Normal"}
S3 = {"etag": TAG, "x-amz-request-id": "r"}


def test_reads_what_oss_sends() -> None:
    said = ResponseMetadata.parse(
        {
            **OSS,
            "content-length": "7",
            "content-type": "video/mp4",
            "last-modified": "Sat, 21 Nov 2026 00:00:00 GMT",
            "x-oss-hash-crc64ecma": "18446744073709551615",
            "accept-ranges": "bytes",
        }
    )
    assert (said.size, said.md5, said.crc64) == (7, MD5, 2**64 - 1)
    assert (said.version, said.accepts_ranges, said.chunked) == (TAG, True, False)


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({"content-md5": base64.b64encode(bytes.fromhex(MD5)).decode()}, True),
        ({"content-md5": "no base64!"}, False),
        ({"content-md5": base64.b64encode(b"short").decode()}, False),
        (OSS, True),
        (S3, True),
        (S3 | {"x-amz-server-side-encryption": "AES256"}, True),
        # An ETag that looks like an MD5 and is none.
        ({"etag": TAG}, False),
        ({"etag": f"W/{TAG}", "x-oss-object-type": "Normal"}, False),
        ({"etag": '"68934a3e9455fa72420237eb05902327-2"', "x-amz-request-id": "r"}, False),
        (OSS | {"x-oss-object-type": "Appendable"}, False),
        (OSS | {"x-oss-object-type": "Multipart"}, False),
        (OSS | {"x-oss-server-side-encryption": "KMS"}, False),
        (S3 | {"x-amz-server-side-encryption": "aws:kms"}, False),
        (S3 | {"x-amz-server-side-encryption-customer-algorithm": "AES256"}, False),
    ],
)
def test_believes_only_what_is_an_md5(headers: dict[str, str], known: bool) -> None:
    assert ResponseMetadata.parse(headers).md5 == (MD5 if known else None)


@pytest.mark.parametrize("length", ["", "-1", "7, 7", "seven", "٧"])
def test_a_length_that_is_none(length: str) -> None:
    assert ResponseMetadata.parse({"content-length": length}).size is None


def test_the_length_of_a_chunked_body_is_not_believed() -> None:
    said = ResponseMetadata.parse({"content-length": "7", "transfer-encoding": "chunked"})
    assert (said.size, said.chunked) == (None, True)


def test_a_part() -> None:
    headers = {"content-range": "bytes 3-6/7", "content-length": "4", "content-md5": MD5, "etag": TAG}
    found = parse_partial(headers)
    assert found is not None
    begin, whole = found
    assert (begin, whole.size, whole.etag, whole.md5) == (3, 7, TAG, None)
    unknown = parse_partial({"content-range": "bytes 3-6/*"})
    assert unknown is not None
    assert unknown[1].size is None


@pytest.mark.parametrize("said", ["", "bytes */7", "bytes 3-6", "items 3-6/7"])
def test_a_part_that_does_not_say_where_it_begins(said: str) -> None:
    assert parse_partial({"content-range": said}) is None
