"""Forwards connections from one address to another, and can cut them, as a switch between machines.

An address is ``127.0.0.1:8080``, or ``unix:`` and the path of a socket.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

_PIECE = 65536


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where connections are accepted, and where they lead.

    :param machine: whose connections these are; empty if nobody's network is meant
    :param targets: taken in turn; one that cannot be connected to is passed over
    """

    listen: str
    targets: tuple[str, ...]
    machine: str = ""


class Forwarder:
    """Serves routes until its event loop ends."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(routes)
        self._cut: set[str] = set()
        self._open: dict[str, set[asyncio.StreamWriter]] = defaultdict(set)
        self._turns = count()

    async def start(self) -> None:
        """Returns when all routes accept connections."""
        for route in self._routes:
            await self._listen(route)

    def cut(self, machine: str) -> None:
        """Resets all connections of a machine, and each new one until it is healed."""
        self._cut.add(machine)
        for writer in self._open[machine]:
            writer.transport.abort()

    def heal(self, machine: str) -> None:
        self._cut.discard(machine)

    async def _listen(self, route: Route) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                await self._forward(route, reader, writer)
            writer.close()

        kind, _, rest = route.listen.rpartition(":")
        if kind == "unix":
            await asyncio.start_unix_server(serve, rest)
        else:
            await asyncio.start_server(serve, kind, int(rest))

    async def _forward(self, route: Route, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = None if route.machine in self._cut else await self._connect(route)
        if target is None or route.machine in self._cut:
            writer.transport.abort()
            return
        ends = {writer, target[1]}
        self._open[route.machine] |= ends
        try:
            directions = [asyncio.create_task(_pump(reader, target[1])), asyncio.create_task(_pump(target[0], writer))]
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open[route.machine] -= ends
            target[1].close()

    async def _connect(self, route: Route) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        turn = next(self._turns)
        for number in range(len(route.targets)):
            kind, _, rest = route.targets[(turn + number) % len(route.targets)].rpartition(":")
            with suppress(OSError):
                if kind == "unix":
                    return await asyncio.open_unix_connection(rest)
                return await asyncio.open_connection(kind, int(rest))
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies until either end is closed."""
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()


def routes_of(plan: Iterable[dict[str, Any]]) -> list[Route]:
    """Routes, from JSON."""
    return [Route(**{**route, "targets": tuple(route["targets"])}) for route in plan]
