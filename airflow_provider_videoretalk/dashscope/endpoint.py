"""Where the service is, and who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError

BEIJING = "https://dashscope.aliyuncs.com/api/v1"
"""The endpoint whose region has VideoRetalk."""

QUERIES_PER_SECOND = 20.0
"""The service's limit for an account's status queries."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A base URL with the credentials for it.

    :param api_key: kept out of ``repr``
    :param base_url: scheme, host and any path prefix, e.g. ``https://gateway.example/qwen/api/v1``; a URL without a
        path gets ``/api/v1``
    :param workspace: sub-workspace id, sent as ``X-DashScope-WorkSpace``
    :param queries_per_second: most requests that one process sends in a second; submits have a limit of their own
    :param verify: ``False`` accepts any certificate, a path names a CA bundle
    :param proxy: URL of an HTTP proxy
    :raises ConfigurationError: one of these is unusable
    """

    api_key: str = field(repr=False)
    base_url: str = BEIJING
    workspace: str | None = None
    queries_per_second: float = QUERIES_PER_SECOND
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.api_key.strip():
            raise ConfigurationError("the API key is empty", remedy="Put the DashScope API key into the password.")
        if not self.api_key.isascii() or not self.api_key.isprintable():
            raise ConfigurationError(
                "the API key holds characters that an HTTP header can't carry",
                remedy="Copy the key again, without line breaks.",
            )
        try:
            parts = urlsplit(self.base_url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ConfigurationError(
                f"the base URL {self.base_url!r} is not an http(s) URL", remedy=f"Use {BEIJING}, or your gateway's URL."
            )
        if parts.username is not None or parts.password is not None:
            raise ConfigurationError(
                f"the base URL of {parts.hostname} holds a user name", remedy="The API key is all that it needs."
            )
        if isinstance(self.verify, str) and not Path(self.verify).is_file():
            raise ConfigurationError(
                f"the CA bundle {self.verify!r} is not a file", remedy="Give its path, or nothing."
            )
        if self.workspace is not None and not (self.workspace.isascii() and self.workspace.isprintable()):
            raise ConfigurationError(
                f"the workspace {self.workspace!r} is not a workspace's id", remedy="Copy it again from the console."
            )
        if not isinstance(self.queries_per_second, int | float) or not self.queries_per_second > 0:
            raise ConfigurationError(
                f"queries_per_second is {self.queries_per_second!r}, allowed is a number above 0",
                remedy=f"{QUERIES_PER_SECOND:g} is the service's limit for an account.",
            )
        path = parts.path.rstrip("/") or "/api/v1"
        object.__setattr__(self, "base_url", f"{parts.scheme}://{parts.netloc}{path}")

    def url(self, path: str) -> str:
        return path if "://" in path else f"{self.base_url}/{path}"

    def headers(self, path: str) -> Mapping[str, str]:
        """The headers that say who asks; none for an absolute URL, which is another host's."""
        if "://" in path:
            return {}
        headers = {"Authorization": f"Bearer {self.api_key.strip()}"}
        return headers | {"X-DashScope-WorkSpace": self.workspace} if self.workspace else headers
