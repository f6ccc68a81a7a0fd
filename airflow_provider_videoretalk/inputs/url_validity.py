"""How long the service may fetch a URL: what its signature states, and what it leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from airflow_provider_videoretalk.outbound.signed_url import (
    expiry_is_earliest,
    expiry_of,
    has_unknown_signature,
    uses_temporary_credentials,
)


def expiry_before(url: str, until: datetime) -> datetime | None:
    """When the URL expires, if that is surely before ``until``; otherwise ``None``."""
    expiry = expiry_of(url)
    return expiry if expiry is not None and expiry < until and not expiry_is_earliest(url) else None


def url_warnings(field: str, url: str, *, until: datetime | None) -> Iterator[str]:
    """One sentence for each fact about the signature that may cost a failed or a second render job.

    :param field: the input's name
    :param until: when the service may still fetch the URL; ``None`` if that does not matter
    """
    expiry = expiry_of(url)
    if has_unknown_signature(url):
        yield (
            f"{field}: the URL seems signed in a way that this version does not know: a new signature counts as "
            "another input, which is paid for again. Give the same URL at each try, or an object such as "
            "s3://conn@bucket/key."
        )
    if until is None:
        return
    if uses_temporary_credentials(url):
        yield (
            f"{field}: its URL is signed with temporary credentials and expires with them, possibly before "
            f"{in_utc(until)}. Use permanent credentials for jobs that may queue for hours."
        )
    if expiry is not None and expiry < until and expiry_is_earliest(url):
        yield (
            f"{field}: whether its URL is valid until {in_utc(until)} is not known: it has the time "
            f"{in_utc(expiry)}, to which its CDN adds a period. Sign it with a later time."
        )


def in_utc(moment: datetime) -> str:
    """A time in ISO 8601, to the second."""
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")
