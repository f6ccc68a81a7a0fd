"""Becomes a machine with a disk and a network of its own, and then the command that it is to run.

Started by ``unshare --mount --net``. The arguments are a JSON object and the command. The object's ``disk`` is the
folder that the machine sees as ``home``, ``others`` is hidden from it, and ``uplink`` are the routes that are its only
way out. ``own_tmp`` tells whether ``/tmp`` is the machine's own too.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from distributed.forwarding import Forwarder, Route, routes_of

_PR_SET_PDEATHSIG = 1
# Of Linux: sets the flags of a network interface.
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def why_not() -> str:
    """Why a process cannot get a disk and a network of its own here; empty if it can."""
    missing = [name for name in ("unshare", "mount") if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    # That a namespace can be made does not mean that anything can be mounted in it.
    probe = ["mount", "-t", "tmpfs", "none", "/mnt"]
    tried = subprocess.run([*unshared(), *probe], stderr=subprocess.PIPE, text=True)
    return "" if tried.returncode == 0 else f"unshare: {tried.stderr.strip()}"


def unshared() -> list[str]:
    """The command that runs another one in namespaces of its own, of disks and of the network."""
    return ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "--net"]


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _turn_loopback_on() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))


def _start_uplink(routes: Sequence[Route]) -> None:
    """Forwards connections in a child process, which ends with this one. Returns when it accepts them."""
    ready, accepting = os.pipe()
    if os.fork():
        os.close(accepting)
        if not os.read(ready, 1):
            raise SystemExit("the machine's uplink did not start")
        os.close(ready)
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    async def serve() -> None:
        await Forwarder(routes).start()
        os.write(accepting, b"!")
        await asyncio.Event().wait()

    asyncio.run(serve())


def main(plan: dict[str, Any], command: Sequence[str]) -> None:
    _mount("--bind", plan["disk"], plan["home"])
    if plan["own_tmp"]:
        _mount("--bind", str(Path(plan["disk"]) / "tmp"), "/tmp")
    _mount("-t", "tmpfs", "none", plan["others"])
    _turn_loopback_on()
    _start_uplink(routes_of(plan["uplink"]))
    os.execv(command[0], command)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
