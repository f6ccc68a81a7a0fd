"""How the host of a media URL may be connected to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, kw_only=True)
class HostAccess:
    """What differs from one host to the next. By default that of a host that nothing is known about.

    :param allow_private: whether it may have an address outside the public internet
    :param verify: see :func:`~airflow_provider_videoretalk.outbound.tls_trust.tls_context`
    :param proxy: URL of the proxy; ``None`` for that of the environment
    """

    allow_private: bool = False
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)


AccessRule: TypeAlias = Callable[[str], HostAccess]
"""The access to the host of a URL. It is asked again for each redirect."""


def public_only(_: str) -> HostAccess:
    """The rule for URLs of no connection."""
    return HostAccess()


def any_address(_: str) -> HostAccess:
    """A rule that allows private networks too."""
    return HostAccess(allow_private=True)
