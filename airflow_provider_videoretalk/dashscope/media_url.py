"""URLs of media in the form that the service accepts."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.outbound.signed_url import safe_url

TEMPORARY = "oss://dashscope-instant/"
"""Prefix of URLs in the service's temporary storage; only the service can read them."""

_KEPT = "!#$%&'()*+,/:;=?@[]~"
# HTTP clients encode it, so the file would be read at another URL than the one that is sent.
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def media_url(field: str, value: object) -> str:
    """Returns ``value`` as a URL that the service accepts: http, https or ``oss://``, all characters ASCII.

    The service accepts non-ASCII characters only percent-encoded. Existing percent-encoding is kept. A percent
    sign that does not begin one is encoded.

    :param field: name of the field, for the message
    :raises InputError: not such a URL
    """
    text = value.strip() if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https", "oss") or not host or any(character.isspace() for character in text):
        shown = repr(safe_url(value)) if isinstance(value, str) else f"a {type(value).__name__}"
        raise InputError(
            f"{field} is {shown}, allowed is an http, https or oss URL without spaces",
            remedy="Give a URL that the service can fetch, an absolute path, or an object such as s3://conn@bucket/key.",
        )
    if not host.isascii():
        text = text.replace(parts.netloc, _ascii_host(field, parts.netloc), 1)
    return quote(_LONE_PERCENT.sub("%25", text.replace(text[: len(parts.scheme)], parts.scheme, 1)), safe=_KEPT)


def _ascii_host(field: str, host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        raise InputError(
            f"{field} has an invalid host name: {host.rpartition('@')[2]!r}", remedy="Correct the URL."
        ) from None
