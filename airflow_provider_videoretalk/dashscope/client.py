"""Sends requests with the library requests. :mod:`~.async_client` does so with aiohttp.

Neither client retries, because a repeated submit pays twice. The caller decides on retries.

Both have the same limits: TLS trust, proxies, the size of a reply and the time for it. A failure before a byte of the
request was sent is a plain :class:`~.errors.TransportError`. After that, the outcome of a submit is unknown.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, TypeVar

import requests

from airflow_provider_videoretalk.dashscope.client_messages import library_arguments, no_reply_error, reply_of
from airflow_provider_videoretalk.dashscope.dialect import in_dialect
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.rate_limiter import RateLimiter
from airflow_provider_videoretalk.dashscope.request import CONNECT_TIMEOUT, Reply, Request
from airflow_provider_videoretalk.dashscope.request_outcome import NoteRequest, ignore_request, noted
from airflow_provider_videoretalk.dashscope.service_clock import ServiceClock
from airflow_provider_videoretalk.outbound.address_policy import AddressPolicy
from airflow_provider_videoretalk.outbound.http_transport import HttpTransport, session_over
from airflow_provider_videoretalk.outbound.reply_body import CHUNK_BYTES, ReplyBody

T = TypeVar("T")


class Client:
    """A synchronous client, for one thread at a time.

    A URL that a reply names, such as that of the temporary storage, may lead to public addresses, to the endpoint's own
    host, or anywhere if the endpoint allows private addresses.

    :param endpoint: base URL and credentials
    :param rate_limiter: spaces the requests; ``None`` sends at once
    :param note_request: is told how each request has ended
    :ivar service_clock: the clock of the endpoint, by its replies
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        rate_limiter: RateLimiter | None = None,
        note_request: NoteRequest = ignore_request,
    ) -> None:
        self.endpoint = endpoint
        self.service_clock = ServiceClock()
        self._rate_limiter = rate_limiter
        self._note_request = note_request
        # By whether the URL is the endpoint's own.
        self._sessions: dict[bool, tuple[requests.Session, HttpTransport]] = {}

    def send(self, request: Request[T]) -> T:
        """Returns the parsed reply to ``request``.

        :raises DashScopeError: see :mod:`~airflow_provider_videoretalk.dashscope.errors`
        """
        with noted(request, self._note_request):
            return self._exchange(request)

    def _exchange(self, request: Request[T]) -> T:
        request = in_dialect(request, self.endpoint.dialect)
        url = self.endpoint.url(request.path)
        session, transport = self._session(url)
        if self._rate_limiter is not None:
            time.sleep(self._rate_limiter.reserve())
        sent_at = time.time()
        with transport.exchange(seconds=request.total_timeout) as exchange:
            try:
                reply = self._reply(session, request, url)
                if exchange.timed_out:
                    # A reply that was cut off may look like a whole one.
                    raise TimeoutError
            except Exception as error:
                raise no_reply_error(error, request, url, sent=exchange.sent, timed_out=exchange.timed_out) from None
        if self.endpoint.is_own(url):
            self.service_clock.observe(reply.headers, sent_at=sent_at, received_at=time.time())
        return request.read(reply)

    def close(self) -> None:
        for session, _ in self._sessions.values():
            session.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reply(self, session: requests.Session, request: Request[Any], url: str) -> Reply:
        timeout = (CONNECT_TIMEOUT, request.read_timeout)
        arguments = library_arguments(self.endpoint, request)
        with session.request(request.method, url, timeout=timeout, stream=True, **arguments) as response:
            body = ReplyBody(encoding=response.headers.get("content-encoding"))
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
                body.add(chunk)
            return reply_of(response.status_code, response.headers, body)

    def _session(self, url: str) -> tuple[requests.Session, HttpTransport]:
        own = self.endpoint.is_own(url)
        if own not in self._sessions:
            policy = AddressPolicy(field="a URL in a reply", allow_private=own or self.endpoint.allow_private)
            transport = HttpTransport(policy, verify=self.endpoint.verify, proxy=self.endpoint.proxy)
            self._sessions[own] = session_over(transport), transport
        return self._sessions[own]
