"""Masks the secrets of URLs in Airflow's logs and rendered fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow.sdk.log import mask_secret

from airflow_provider_videoretalk.outbound.signed_url import secrets_of


def mask_urls(value: Any) -> None:
    """Masks what is secret of each URL in a value: signatures, tokens and passwords."""
    secrets = [secret for url in urls_in(value) for secret in secrets_of(url)]
    if secrets:
        mask_secret([*secrets])


def mask_rendered_urls(operator: Any) -> None:
    """Masks the URLs in an operator's rendered fields.

    Airflow stores the rendered fields right after ``_do_render_template_fields``. It calls that method for mapped tasks
    too, and evaluates functions that are given as fields in it.
    """
    mask_urls([getattr(operator, field, None) for field in operator.template_fields])


def urls_in(value: Any) -> Iterator[str]:
    """The texts in a JSON value that are URLs."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from urls_in(one)
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from urls_in(one)
    elif isinstance(value, str) and "://" in value:
        yield value.strip()
