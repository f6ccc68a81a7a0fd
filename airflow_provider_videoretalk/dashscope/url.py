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
        shown = repr(value) if isinstance(value, str) else f"a {type(value).__name__}"
        raise InputError(
            f"{field} is {shown}, allowed is an http, https or oss URL without blanks",
            remedy="Give a URL that the service can fetch; upload a local file first.",
        )
    if not host.isascii():
        text = text.replace(parts.netloc, parts.netloc.encode("idna").decode(), 1)
    return quote(text, safe=_KEPT)
