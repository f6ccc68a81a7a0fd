"""The certificates that are trusted, by one rule for all connections of this package, synchronous or not.

The first of these that is set decides:

1. the connection's extra ``verify``: a PEM file, a folder of hashed certificates, or ``false`` for no verification
2. the environment variables ``REQUESTS_CA_BUNDLE`` and ``CURL_CA_BUNDLE``, as in the library requests
3. the environment variables ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, as in OpenSSL
4. the system's store, together with the certificates of the library certifi
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path

import certifi

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError

_REQUESTS_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_OPENSSL_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def tls_context(verify: bool | str = True) -> ssl.SSLContext:
    """The context for connections to a server. Reads files, so call it on a thread.

    :param verify: the connection's setting
    :raises ConfigurationError: a file or folder of certificates is missing, empty or damaged
    """
    if verify is False:
        return _context(None, ())
    if isinstance(verify, str):
        return _context("the extra 'verify' of the connection", (verify,))
    for variable in _REQUESTS_VARIABLES:
        if path := os.environ.get(variable):
            return _context(f"the environment variable {variable}", (path,))
    paths = {variable: path for variable in _OPENSSL_VARIABLES if (path := os.environ.get(variable))}
    if paths:
        return _context(f"the environment variable {' or '.join(paths)}", tuple(paths.values()))
    return _system_context()


def _context(origin: str | None, paths: tuple[str, ...]) -> ssl.SSLContext:
    try:
        return _loaded_context(tuple((path, Path(path).stat().st_mtime_ns) for path in paths))
    except (OSError, ValueError) as error:
        # ssl.SSLError is an OSError: the file is empty, or no PEM.
        cause = "no certificates" if isinstance(error, ssl.SSLError) else type(error).__name__
        raise ConfigurationError(
            f"the CA bundle {', '.join(paths)!r} of {origin} cannot be read: {cause}",
            remedy="Set the path of a PEM file, or of a folder of hashed certificates, that this process can read.",
        ) from None


@lru_cache(maxsize=8)
def _loaded_context(files: tuple[tuple[str, int], ...]) -> ssl.SSLContext:
    """
    :param files: paths, each with the time of its last change; none for a context that verifies nothing
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not files:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for path, _ in files:
        if Path(path).is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    return context


@lru_cache(maxsize=1)
def _system_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.load_verify_locations(cafile=certifi.where())
    return context
