"""URLs of media that the service fetches by itself."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from airflow_provider_videoretalk.dashscope.errors import InputError

_KEPT = "!#$%&'()*+,/:;=?@[]~"


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
            remedy="Give a URL that the service can fetch; upload a local file first.",
        )
    if not host.isascii():
        text = text.replace(parts.netloc, _ascii_host(field, parts.netloc), 1)
    return quote(text.replace(text[: len(parts.scheme)], parts.scheme, 1), safe=_KEPT)


def _ascii_host(field: str, host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        raise InputError(f"{field} has a host that is no name: {host!r}", remedy="Correct the URL.") from None
