"""The network between the machines of a distributed Airflow, in a process of its own.

The one argument is a JSON object: ``routes``, and the path of a ``control`` socket, which takes the lines ``cut NAME``
and ``heal NAME`` and answers ``done``.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from distributed.forwarding import Forwarder, routes_of


async def main(plan: dict[str, Any]) -> None:
    forwarder = Forwarder(routes_of(plan["routes"]))
    await forwarder.start()

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        what, machine = (await reader.readline()).decode().split()
        {"cut": forwarder.cut, "heal": forwarder.heal}[what](machine)
        writer.write(b"done\n")
        await writer.drain()
        writer.close()

    await (await asyncio.start_unix_server(control, plan["control"])).serve_forever()


def tell(control: Path, what: str, machine: str) -> None:
    """Cuts a machine off, or heals it: the control socket's client."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(control))
        line.sendall(f"{what} {machine}\n".encode())
        assert line.recv(5) == b"done\n"


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
