"""URLs of media that the service fetches by itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from airflow_provider_videoretalk.dashscope.errors import InputError

TEMPORARY = "oss://dashscope-instant/"
"""What URLs of the service's own temporary store begin with; only the service can read them."""

_KEPT = "!#$%&'()*+,/:;=?@[]~"

# By which a URL is known to be signed, and what else a signature brings along: S3 and OSS in their older and newer
# versions, GCS, Azure, CloudFront.
_SIGNATURES = ("signature", "x-amz-signature", "x-oss-signature", "x-goog-signature", "sig")
_OF_SIGNATURES = {
    *_SIGNATURES,
    *("expires", "ossaccesskeyid", "awsaccesskeyid", "googleaccessid", "security-token", "policy", "key-pair-id"),
    *("se", "st", "sp", "sv", "sr", "spr", "sip", "skoid", "sktid", "skt", "ske", "sks", "skv"),
    *("x-oss-credential", "x-oss-date", "x-oss-expires", "x-oss-security-token", "x-oss-signature-version"),
}
_PREFIXES = ("x-amz-", "x-goog-")

_STAMP = "%Y%m%dT%H%M%SZ"


def media_url(field: str, value: object) -> str:
    """``value`` as a URL that the service accepts: http, https or ``oss://``, all characters ASCII.

    The service takes non-ASCII characters only percent-encoded; what is encoded already stays as it is.

    :param field: the field's name, for the message
    :raises InputError: it is none of these
    """
    text = value.strip() if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https", "oss") or not host or any(character.isspace() for character in text):
        # Without its query, which may hold a signature.
        shown = repr(value.partition("?")[0]) if isinstance(value, str) else f"a {type(value).__name__}"
        raise InputError(
            f"{field} is {shown}, allowed is an http, https or oss URL without blanks",
            remedy="Give a URL that the service can fetch, an absolute path, or an object such as s3://conn@bucket/key.",
        )
    if not host.isascii():
        text = text.replace(parts.netloc, _ascii_host(field, parts.netloc), 1)
    return quote(text.replace(text[: len(parts.scheme)], parts.scheme, 1), safe=_KEPT)


def expiry_of(url: str) -> datetime | None:
    """When a signed URL dies, ``None`` where it does not say."""
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    try:
        return _expiry(query)
    except (ValueError, OverflowError):
        return None


def without_signature(url: str) -> str:
    """What stays the same however often a URL is signed anew."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if not any(name.lower() in _SIGNATURES for name, _ in pairs):
        return url
    kept = [pair for pair in pairs if not _belongs_to_signature(pair[0].lower())]
    return parts._replace(query=urlencode(kept)).geturl()


def without_signatures(value: Any) -> Any:
    """A JSON value, in which each URL is as :func:`without_signature` has it."""
    if isinstance(value, Mapping):
        return {name: without_signatures(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_signatures(one) for one in value]
    return without_signature(value) if isinstance(value, str) and "://" in value else value


def place_of(url: str) -> str:
    """A URL for people and records: without user, password, query and fragment, any of which may be secret."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _expiry(query: Mapping[str, str]) -> datetime | None:
    if query.get("expires", "").isdigit():
        return datetime.fromtimestamp(int(query["expires"]), tz=timezone.utc)
    for prefix in ("x-amz", "x-oss", "x-goog"):
        if f"{prefix}-expires" in query and f"{prefix}-date" in query:
            signed = datetime.strptime(query[f"{prefix}-date"], _STAMP).replace(tzinfo=timezone.utc)
            return signed + timedelta(seconds=int(query[f"{prefix}-expires"]))
    if "sig" in query and "se" in query:
        end = datetime.fromisoformat(query["se"].replace("Z", "+00:00"))
        return end if end.tzinfo else end.replace(tzinfo=timezone.utc)
    return None


def _belongs_to_signature(name: str) -> bool:
    return name in _OF_SIGNATURES or name.startswith(_PREFIXES)


def _ascii_host(field: str, host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        raise InputError(f"{field} has a host that is no name: {host!r}", remedy="Correct the URL.") from None
