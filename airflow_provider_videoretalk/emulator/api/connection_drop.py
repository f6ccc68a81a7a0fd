"""Drops connections: a uvicorn protocol gives the app the TCP transport, which the app can close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from starlette.types import Message, Receive, Scope

TRANSPORT = "videoretalk.transport"


class DroppableProtocol(H11Protocol):
    """HTTP/1.1 with the transport in the ASGI scope, under :data:`TRANSPORT`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope[TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = with_transport


async def drop_connection(scope: Scope, receive: Receive, *, flush: bool = False) -> None:
    """Close a request's TCP connection without any further data, and wait until it is closed.

    :param flush: whether to send the bytes that are already written
    """
    transport = scope.get(TRANSPORT)
    if transport is None:
        raise ConnectionAbortedError("this server cannot drop connections: run the app in an Emulator")
    if flush:
        transport.close()
    else:
        transport.abort()
    # Returning without a reply before the server has noticed would make it send a 500.
    while (await receive())["type"] != "http.disconnect":
        pass


async def discard_message(message: Message) -> None:
    """An ASGI ``send`` that discards its messages."""
