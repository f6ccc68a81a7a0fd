"""Sends requests: :class:`Client` with requests, :class:`AsyncClient` with aiohttp.

Neither retries. What can be tried again, and when, is the caller's decision, since a repeated submit pays twice.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
import requests
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProxyError
from urllib3.exceptions import SSLError as TlsError

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, TransportError
from airflow_provider_videoretalk.dashscope.form import FileForm
from airflow_provider_videoretalk.dashscope.pace import pace_of
from airflow_provider_videoretalk.dashscope.request import CONNECT_TIMEOUT, Reply, Request

T = TypeVar("T")


class Client:
    """A synchronous client.

    :param endpoint: where and who
    :param session: a session to send through, e.g. with keep-alive adapters mounted; closed with the client
    """

    def __init__(self, endpoint: Endpoint, *, session: requests.Session | None = None) -> None:
        self.endpoint = endpoint
        self._session = session or requests.Session()

    def send(self, request: Request[T]) -> T:
        """The answer to ``request``.

        :raises DashScopeError: see :mod:`~airflow_provider_videoretalk.dashscope.errors`
        """
        url = self.endpoint.url(request.path)
        time.sleep(pace_of(self.endpoint).reserve())
        try:
            with self._session.request(
                request.method,
                url,
                timeout=(CONNECT_TIMEOUT, request.read_timeout),
                auth=_as_it_is,
                verify=self.endpoint.verify,
                proxies={"http": self.endpoint.proxy, "https": self.endpoint.proxy} if self.endpoint.proxy else None,
                **_arguments(self.endpoint, request),
            ) as response:
                reply = Reply(
                    status=response.status_code,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    content=response.content,
                )
        except requests.RequestException as error:
            raise _transport_error(error, request, url, sent=_was_sent(error)) from None
        return request.read(reply)

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """An asynchronous client, to be used as ``async with AsyncClient(endpoint) as client``.

    One session for its whole life: a status query costs a third of what it does with a session of its own.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._session: aiohttp.ClientSession | None = None
        self._ssl: bool | ssl.SSLContext = True

    async def send(self, request: Request[T]) -> T:
        """The answer to ``request``; the same answers and errors as :meth:`Client.send`."""
        if self._session is None:
            raise RuntimeError("AsyncClient is used outside its 'async with' block")
        url = self.endpoint.url(request.path)
        await asyncio.sleep(pace_of(self.endpoint).reserve())
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT, sock_read=request.read_timeout)
        try:
            async with self._session.request(
                request.method,
                url,
                timeout=timeout,
                ssl=self._ssl,
                proxy=self.endpoint.proxy or select_proxy(url, get_environ_proxies(url)),
                **_arguments(self.endpoint, request),
            ) as response:
                reply = Reply(
                    status=response.status,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    content=await response.read(),
                )
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            unsent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
            raise _transport_error(error, request, url, sent=not unsent) from None
        return request.read(reply)

    async def __aenter__(self) -> AsyncClient:
        verify = self.endpoint.verify
        # Reading a CA bundle takes a while, and a context of its own for each request would open a connection for each.
        self._ssl = await asyncio.to_thread(_context, verify) if isinstance(verify, str) else verify
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _arguments(endpoint: Endpoint, request: Request[Any]) -> dict[str, Any]:
    """What both libraries are told alike."""
    headers = {**endpoint.headers(request.path), **request.headers}
    arguments: dict[str, Any] = {"headers": headers, "params": dict(request.query), "allow_redirects": False}
    if isinstance(request.body, FileForm):
        headers["Content-Type"] = request.body.content_type
        headers["Content-Length"] = str(len(request.body))
        arguments["data"] = request.body
    elif request.body is not None:
        arguments["json"] = request.body
    return arguments


def _transport_error(error: Exception, request: Request[Any], url: str, *, sent: bool) -> DashScopeError:
    # Not the exception's own text: it may hold the URL with a signature in its query.
    lost = TransportError(
        f"{request.method} {url} got no reply: {type(error).__name__}",
        remedy="Check the network between Airflow and the endpoint, and the connection's base URL.",
    )
    return request.lost(lost) if sent else lost


def _was_sent(error: requests.RequestException) -> bool:
    """Whether a byte of the request may have left this machine."""
    if isinstance(error, _NEVER_SENT):
        return False
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    if isinstance(reason, ProxyError):
        reason = reason.original_error
    if isinstance(reason, TlsError):
        # Any other may be about a reply.
        return not isinstance(next(iter(reason.args), None), ssl.SSLCertVerificationError)
    return not isinstance(reason, NewConnectionError)


_NEVER_SENT = (
    requests.exceptions.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidJSONError,
)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authentication that changes nothing; without any, requests takes a netrc entry in place of the key."""
    return request


def _context(bundle: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=bundle)
