"""Connections that can be dropped: a uvicorn protocol that hands the app its TCP transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from starlette.types import Message, Receive, Scope

TRANSPORT = "videoretalk.transport"


class DroppableProtocol(H11Protocol):
    """HTTP/1.1 whose ASGI scope holds the transport, under :data:`TRANSPORT`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope[TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = with_transport


async def drop(scope: Scope, receive: Receive, *, flush: bool = False) -> None:
    """Close a request's TCP connection without a (further) word and wait until it is gone.

    :param flush: whether bytes already written still go out
    """
    transport = scope.get(TRANSPORT)
    if transport is None:
        raise ConnectionAbortedError("this server cannot drop connections: run the app in an Emulator")
    if flush:
        transport.close()
    else:
        transport.abort()
    # Until the server has noticed, returning without a reply would make it send a 500.
    while (await receive())["type"] != "http.disconnect":
        pass


async def ignore(message: Message) -> None:
    """An ASGI ``send`` whose messages go nowhere."""
