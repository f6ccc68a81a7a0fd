"""The headers of a reply that describe an object, before its body arrives."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

_MD5_TAG = re.compile(r'"([0-9a-fA-F]{32})"\Z')
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)\Z")


@dataclass(frozen=True, kw_only=True)
class ResponseMetadata:
    """An object as its headers describe it. ``None``: the headers do not give the value.

    :param size: in bytes
    :param md5: in hexadecimal
    :param crc64: CRC-64/XZ
    :param chunked: whether the body marks its own end, so that a dropped connection is noticed
    :param accepts_ranges: ``False`` only if the server says so
    :param sha256: in hexadecimal; no header gives it
    """

    size: int | None
    content_type: str | None
    etag: str | None
    last_modified: str | None
    md5: str | None
    crc64: int | None
    chunked: bool
    accepts_ranges: bool
    sha256: str | None = None

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> ResponseMetadata:
        """
        :param headers: of a reply with status 200, with names in lower case
        """
        chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        crc64 = headers.get("x-oss-hash-crc64ecma", "")
        return cls(
            size=None if chunked else _parse_number(headers.get("content-length", "")),
            content_type=headers.get("content-type"),
            etag=headers.get("etag"),
            last_modified=headers.get("last-modified"),
            md5=_md5(headers),
            crc64=_parse_number(crc64),
            chunked=chunked,
            accepts_ranges=headers.get("accept-ranges", "").lower() != "none",
        )

    @property
    def version(self) -> str | None:
        """The validator for ``If-Range`` (RFC 9110, 13.1.5): a strong ETag, otherwise the date of the last change."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified

    def is_consistent_with(self, other: ResponseMetadata) -> bool:
        """Whether both can describe the same version: no value that both give differs."""
        pairs = (
            (self.size, other.size),
            (self.etag, other.etag),
            (self.last_modified, other.last_modified),
            (self.md5, other.md5),
            (self.crc64, other.crc64),
        )
        return all(one is None or another is None or one == another for one, another in pairs)


def parse_partial(headers: Mapping[str, str]) -> tuple[int, ResponseMetadata] | None:
    """The first byte of a reply with status 206, and the metadata of the whole object.

    ``None``: the headers do not give the range.
    """
    found = _CONTENT_RANGE.match(headers.get("content-range", ""))
    if found is None:
        return None
    # Content-Length and Content-MD5 of such a reply describe the part only.
    whole = {name: headers[name] for name in ("etag", "last-modified", "x-oss-hash-crc64ecma") if name in headers}
    whole |= {"content-length": found[3]}
    return int(found[1]), ResponseMetadata.parse(whole)


def _parse_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _md5(headers: Mapping[str, str]) -> str | None:
    try:
        digest = base64.b64decode(headers.get("content-md5", ""), validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) == 16:
        return digest.hex()
    found = _MD5_TAG.match(headers.get("etag", ""))
    return found[1].lower() if found and _etag_is_md5(headers) else None


def _etag_is_md5(headers: Mapping[str, str]) -> bool:
    """Whether an ETag that looks like an MD5 is the MD5 of the content.

    It is for an object that was uploaded to OSS or S3 in one part, unless the object is encrypted with the customer's
    key. Other servers put anything there: Starlette's ETag is the MD5 of the file's date and size.
    """
    if "x-oss-request-id" in headers or "x-oss-object-type" in headers:
        encrypted = headers.get("x-oss-server-side-encryption", "AES256") != "AES256"
        return headers.get("x-oss-object-type") == "Normal" and not encrypted
    encrypted = headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
    encrypted = encrypted or "x-amz-server-side-encryption-customer-algorithm" in headers
    return "x-amz-request-id" in headers and not encrypted
