"""The base URL of the service, with the credentials for it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from airflow_provider_videoretalk.dashscope.dialect import DIALECTS, DialectName
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.outbound.host_access import HostAccess

BEIJING = "https://dashscope.aliyuncs.com/api/v1"
"""The only public endpoint whose region offers VideoRetalk."""

# Binds the hash to its purpose. A change would make every account of the stored records another one.
_ACCOUNT_LABEL = "airflow-provider-videoretalk account of "

QUERIES_PER_SECOND = 20.0
"""The service's limit for an account's status queries."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A base URL, its credentials, and how to reach it.

    :param api_key: kept out of ``repr``
    :param base_url: scheme, host and any path prefix, e.g. ``https://gateway.example/qwen/api/v1``; a URL without a
        path gets ``/api/v1``
    :param dialect: the shape of a gateway's routes and replies, see :mod:`.dialect`
    :param workspace: sub-workspace id, sent as ``X-DashScope-WorkSpace``
    :param queries_per_second: maximum of status queries a second from one process, and of pages of the list
    :param verify: ``False`` accepts any certificate, a path names a CA bundle
    :param proxy: URL of a proxy: http, https, or SOCKS
    :param allow_private: whether URLs of media and in replies may lead to private addresses of other hosts too
    :raises ConfigurationError: a value is not usable
    """

    api_key: str = field(repr=False)
    base_url: str = BEIJING
    dialect: DialectName = "dashscope"
    workspace: str | None = None
    queries_per_second: float = QUERIES_PER_SECOND
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    allow_private: bool = False

    def __post_init__(self) -> None:
        if not self.api_key.strip():
            raise ConfigurationError("the API key is empty", remedy="Put the DashScope API key into the password.")
        if not self.api_key.isascii() or not self.api_key.isprintable():
            raise ConfigurationError(
                "the API key contains characters that an HTTP header cannot carry",
                remedy="Copy the key again, without line breaks.",
            )
        object.__setattr__(self, "base_url", _checked_url(self.base_url))
        if self.dialect not in tuple(DIALECTS):
            raise ConfigurationError(
                f"the dialect is {self.dialect!r}, allowed is {', '.join(DIALECTS)}",
                remedy='Write it as in {"dialect": "video-tasks"}. The connection test finds the dialect.',
            )
        if isinstance(self.verify, str) and not Path(self.verify).exists():
            raise ConfigurationError(
                f"the CA bundle {self.verify!r} does not exist",
                remedy="Set the path of a PEM file, or of a folder of hashed certificates, or leave it empty.",
            )
        if self.workspace is not None and not (self.workspace.isascii() and self.workspace.isprintable()):
            raise ConfigurationError(
                f"the workspace {self.workspace!r} is not a workspace id", remedy="Copy the id from the console."
            )
        if not isinstance(self.queries_per_second, int | float) or not self.queries_per_second > 0:
            raise ConfigurationError(
                f"queries_per_second is {self.queries_per_second!r}, allowed is a number above 0",
                remedy=f"{QUERIES_PER_SECOND:g} is the service's limit for an account.",
            )

    @property
    def account_id(self) -> str:
        """What stands for the account in stored records: equal for the same key on the same host.

        It is a keyed hash, from which the key cannot be computed. Two keys of one account have two ids.
        """
        host = urlsplit(self.base_url).netloc.lower()
        return hmac.digest(self.api_key.strip().encode(), f"{_ACCOUNT_LABEL}{host}".encode(), "sha256").hex()[:32]

    def url(self, path: str) -> str:
        """The URL of a path below the base URL, or, if the path begins with a slash, of a path of its host."""
        if path.startswith("/"):
            parts = urlsplit(self.base_url)
            return f"{parts.scheme}://{parts.netloc}{path}"
        return path if "://" in path else f"{self.base_url}/{path}"

    def is_own(self, url: str) -> bool:
        """Whether a URL has the scheme, host and port of the base URL."""
        given, own = urlsplit(url), urlsplit(self.base_url)
        return (given.scheme, given.netloc.lower()) == (own.scheme, own.netloc.lower())

    def media_access(self, url: str) -> HostAccess:
        """How the host of a media URL may be connected to: as the endpoint, if it is the endpoint's own."""
        if self.is_own(url):
            return HostAccess(allow_private=True, verify=self.verify, proxy=self.proxy)
        return HostAccess(allow_private=self.allow_private)

    def headers(self, path: str) -> Mapping[str, str]:
        """The credentials as headers. An absolute URL belongs to another host and gets none."""
        if "://" in path:
            return {}
        headers = {"Authorization": f"Bearer {self.api_key.strip()}"}
        return headers | {"X-DashScope-WorkSpace": self.workspace} if self.workspace else headers


def _checked_url(base_url: str) -> str:
    """The base URL with its path.

    :raises ConfigurationError: it is no usable URL
    """
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            f"the base URL {base_url!r} is not an http(s) URL", remedy=f"Use {BEIJING}, or your gateway's URL."
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            f"the base URL of {parts.hostname} contains a user name", remedy="Remove it: the API key is sufficient."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/api/v1'}"
