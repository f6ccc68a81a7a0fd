"""Sends requests with the library aiohttp, by the rules of :mod:`~.client`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace, TracebackType
from typing import Any, TypeVar

import aiohttp

from airflow_provider_videoretalk.dashscope.client_messages import library_arguments, no_reply_error, reply_of
from airflow_provider_videoretalk.dashscope.dialect import in_dialect
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.rate_limiter import RateLimiter
from airflow_provider_videoretalk.dashscope.request import CONNECT_TIMEOUT, Reply, Request
from airflow_provider_videoretalk.dashscope.request_outcome import NoteRequest, ignore_request, noted
from airflow_provider_videoretalk.outbound.http_transport import Exchange
from airflow_provider_videoretalk.outbound.proxy import is_socks, proxy_of, socks_arguments
from airflow_provider_videoretalk.outbound.reply_body import CHUNK_BYTES, ReplyBody
from airflow_provider_videoretalk.outbound.tls_trust import tls_context

T = TypeVar("T")


class AsyncClient:
    """An asynchronous client, used as ``async with AsyncClient(endpoint) as client``. It reaches only the endpoint.

    It keeps one session: a status query then takes a third of the time that it takes with a new session.

    :param endpoint: base URL and credentials
    :param rate_limiter: spaces the requests; ``None`` sends at once
    :param note_request: is told how each request has ended
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        rate_limiter: RateLimiter | None = None,
        note_request: NoteRequest = ignore_request,
    ) -> None:
        self.endpoint = endpoint
        self._rate_limiter = rate_limiter
        self._note_request = note_request
        self._session: aiohttp.ClientSession | None = None
        self._proxy: str | None = None

    async def send(self, request: Request[T]) -> T:
        """Returns the parsed reply to ``request``. Replies and errors are those of :meth:`.client.Client.send`."""
        if self._session is None:
            raise RuntimeError("AsyncClient is used outside its 'async with' block")
        with noted(request, self._note_request):
            return await self._exchange(self._session, request)

    async def _exchange(self, session: aiohttp.ClientSession, request: Request[T]) -> T:
        request = in_dialect(request, self.endpoint.dialect)
        url = self.endpoint.url(request.path)
        if not self.endpoint.is_own(url):
            raise ValueError(f"AsyncClient reaches only {self.endpoint.base_url}")
        if self._rate_limiter is not None:
            await asyncio.sleep(self._rate_limiter.reserve())
        exchange = Exchange()
        try:
            reply = await self._reply(session, request, url, exchange)
        except Exception as error:
            raise no_reply_error(error, request, url, sent=exchange.sent) from None
        return request.read(reply)

    async def __aenter__(self) -> AsyncClient:
        # Reading certificates and loading libraries block for a while.
        connect, self._proxy = await asyncio.to_thread(_connection_settings, self.endpoint)
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_note_sent)
        self._session = aiohttp.ClientSession(connector=connect(), trace_configs=[trace], auto_decompress=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _reply(
        self, session: aiohttp.ClientSession, request: Request[Any], url: str, exchange: Exchange
    ) -> Reply:
        timeout = aiohttp.ClientTimeout(
            total=request.total_timeout, sock_connect=CONNECT_TIMEOUT, sock_read=request.read_timeout
        )
        arguments = library_arguments(self.endpoint, request) | {"trace_request_ctx": exchange, "proxy": self._proxy}
        async with session.request(request.method, url, timeout=timeout, **arguments) as response:
            body = ReplyBody(encoding=response.headers.get("content-encoding"))
            while chunk := await response.content.read(CHUNK_BYTES):
                body.add(chunk)
            return reply_of(response.status, response.headers, body)


def _connection_settings(endpoint: Endpoint) -> tuple[Callable[[], aiohttp.BaseConnector], str | None]:
    """How to make the connector, which belongs to an event loop; and the HTTP proxy for each request.

    :raises ConfigurationError: the certificates or the proxy cannot be used
    """
    # With a TLS context for each request, each would open a connection.
    tls = tls_context(endpoint.verify)
    proxy = proxy_of(endpoint.base_url, configured=endpoint.proxy)
    if proxy is None or not is_socks(proxy):
        return partial(aiohttp.TCPConnector, ssl=tls), proxy
    from aiohttp_socks import ProxyConnector

    return partial(ProxyConnector.from_url, **socks_arguments(proxy), ssl=tls), None


async def _note_sent(_: object, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.sent = True
