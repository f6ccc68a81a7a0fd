"""What a server says of an object before it sends it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

_MD5_TAG = re.compile(r'"([0-9a-fA-F]{32})"\Z')
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)\Z")


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """An object by the headers that came before it. ``None`` stands for what they do not say.

    :param size: in bytes
    :param md5: in hexadecimal
    :param crc64: CRC-64/XZ
    :param chunked: whether the end of the body is marked, so that it can be told from a dropped connection
    :param accepts_ranges: ``False`` only where the server says so
    """

    size: int | None
    content_type: str | None
    etag: str | None
    last_modified: str | None
    md5: str | None
    crc64: int | None
    chunked: bool
    accepts_ranges: bool

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> Announcement:
        """
        :param headers: of a reply with status 200; looked up in lower case
        """
        chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        crc64 = headers.get("x-oss-hash-crc64ecma", "")
        return cls(
            size=None if chunked else _number(headers.get("content-length", "")),
            content_type=headers.get("content-type"),
            etag=headers.get("etag"),
            last_modified=headers.get("last-modified"),
            md5=_md5(headers),
            crc64=_number(crc64),
            chunked=chunked,
            accepts_ranges=headers.get("accept-ranges", "").lower() != "none",
        )

    @property
    def version(self) -> str | None:
        """What ``If-Range`` can name this version of the object by (RFC 9110, 13.1.5): a strong ETag, else its date."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified

    def fits(self, other: Announcement) -> bool:
        """Whether ``other`` can be said of the same version: nothing that both say differs."""
        pairs = (
            (self.size, other.size),
            (self.etag, other.etag),
            (self.last_modified, other.last_modified),
            (self.md5, other.md5),
            (self.crc64, other.crc64),
        )
        return all(mine is None or theirs is None or mine == theirs for mine, theirs in pairs)


def parse_part(headers: Mapping[str, str]) -> tuple[int, Announcement] | None:
    """Where a reply with status 206 begins, and what it says of the whole object; ``None`` if it does not say where."""
    found = _CONTENT_RANGE.match(headers.get("content-range", ""))
    if found is None:
        return None
    # The length and the MD5 of a reply with a part are the part's.
    whole = {name: headers[name] for name in ("etag", "last-modified", "x-oss-hash-crc64ecma") if name in headers}
    whole |= {"content-length": found[3]}
    return int(found[1]), Announcement.parse(whole)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _md5(headers: Mapping[str, str]) -> str | None:
    try:
        digest = base64.b64decode(headers.get("content-md5", ""), validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) == 16:
        return digest.hex()
    found = _MD5_TAG.match(headers.get("etag", ""))
    return found[1].lower() if found and _tags_by_md5(headers) else None


def _tags_by_md5(headers: Mapping[str, str]) -> bool:
    """Whether an ETag that looks like an MD5 is one: of an object that was put into OSS or S3 in one piece, unless it
    is encrypted with a key of the customer's. Elsewhere 32 digits can be anything: Starlette's are the MD5 of the
    file's date and size.
    """
    if "x-oss-request-id" in headers or "x-oss-object-type" in headers:
        encrypted = headers.get("x-oss-server-side-encryption", "AES256") != "AES256"
        return headers.get("x-oss-object-type") == "Normal" and not encrypted
    encrypted = headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
    encrypted = encrypted or "x-amz-server-side-encryption-customer-algorithm" in headers
    return "x-amz-request-id" in headers and not encrypted
