"""The proxy for a URL, by one rule for all connections of this package, synchronous or not.

The connection's extra ``proxy`` decides, for every host. Without it, the environment does: ``HTTP_PROXY``,
``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, as in the library requests.
"""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.optional_dependencies import require_extra

_SOCKS = {"socks4": False, "socks4a": True, "socks5": False, "socks5h": True}
"""The schemes of SOCKS, and whether the proxy resolves the names of hosts."""


def proxy_of(url: str, *, configured: str | None = None) -> str | None:
    """The URL of the proxy for ``url``; ``None`` for a direct connection. It may hold a password.

    :param configured: the connection's setting
    :raises ConfigurationError: the proxy's URL or scheme is not usable
    """
    proxy: str | None = configured or select_proxy(url, get_environ_proxies(url, no_proxy=None))
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(proxy)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise _unusable("it is no URL") from None
    if parts.scheme not in ("http", "https", *_SOCKS) or not usable:
        raise _unusable(f"its scheme is {parts.scheme!r}, allowed are http, https, {', '.join(_SOCKS)}")
    if parts.scheme == "https" and url.startswith("https:") and sys.version_info < (3, 11):
        raise _unusable("before Python 3.11, an https proxy cannot carry a connection that is itself encrypted")
    if is_socks(proxy):
        require_extra("socks", part="a SOCKS proxy")
    return proxy


def is_socks(proxy: str) -> bool:
    return urlsplit(proxy).scheme in _SOCKS


def socks_arguments(proxy: str) -> dict[str, Any]:
    """The proxy as the arguments of python-socks, which has no scheme for name resolution by the proxy."""
    scheme = urlsplit(proxy).scheme
    return {"url": proxy.replace(scheme, scheme[:6], 1), "rdns": _SOCKS[scheme]}


def _unusable(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"the proxy cannot be used: {reason}",
        remedy="Correct the extra 'proxy' of the connection, or the variables HTTP_PROXY, HTTPS_PROXY and ALL_PROXY.",
    )
