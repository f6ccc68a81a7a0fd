"""The emulator's server: a context manager that runs it in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import TYPE_CHECKING

import uvicorn

from airflow_provider_videoretalk.emulator.api.app import create_app
from airflow_provider_videoretalk.emulator.api.connection_drop import DroppableProtocol
from airflow_provider_videoretalk.emulator.api.paths import API, GATEWAY_PREFIXES
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.optional_dependencies import require_extra

if TYPE_CHECKING:
    from types import TracebackType

    from fastapi import FastAPI

    from airflow_provider_videoretalk.emulator.api.components import Components
    from airflow_provider_videoretalk.emulator.execution.input_fetcher import Fetcher
    from airflow_provider_videoretalk.emulator.execution.media_engine import MediaEngine
    from airflow_provider_videoretalk.emulator.faults import FaultPlan
    from airflow_provider_videoretalk.emulator.service.clock import Clock
    from airflow_provider_videoretalk.emulator.service.state import EmulatorState
    from airflow_provider_videoretalk.emulator.service.voices import VoiceRegistry

START_SECONDS = 30.0
# Seconds that running requests get to finish when the emulator stops.
GRACE_SECONDS = 1
# Seconds after which what has not ended never will, on a busy machine, too.
STOP_SECONDS = 120.0


class Emulator:
    """DashScope on this machine, while the ``with`` block runs.

    The server is ready when the block begins. At its end the emulator stops listening, kills its workers and removes
    its temporary folder. Workers are spawned, so a script needs the guard ``if __name__ == "__main__":``.

    :param settings: see :class:`EmulatorSettings`; port 0 takes any free port
    :param clock: seconds since the epoch; measures every documented duration
    :param engine: replaces the media work, for tests; see :class:`.fake_engine.FakeEngine`
    :param fetcher: replaces the downloads, for tests
    :raises ConfigurationError: a library for the media work is not installed
    """

    def __init__(
        self,
        settings: EmulatorSettings | None = None,
        *,
        clock: Clock = time.time,
        engine: MediaEngine | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        if engine is None:
            require_extra("emulator", part="the emulator")
        self.settings = settings or EmulatorSettings()
        self.app: FastAPI = create_app(self.settings, clock=clock, engine=engine, fetcher=fetcher)
        components: Components = self.app.state.components
        self.state: EmulatorState = components.state
        self.faults: FaultPlan = components.faults
        self.voices: VoiceRegistry = components.voices
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The TCP port on which it listens."""
        if self._socket is None:
            raise RuntimeError("the emulator is not running")
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """``http://HOST:PORT``"""
        host = self.settings.host
        # A client cannot connect to the address of all interfaces.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """:attr:`url` with ``/api/v1``, behind a gateway's prefix: the base URL for a client."""
        gateway = self.settings.gateway
        return f"{self.url}{GATEWAY_PREFIXES[gateway] if gateway else ''}{API}"

    def start(self) -> None:
        """Listen, and return when ready; raises ``OSError`` if the port is in use."""
        family = socket.AF_INET6 if ":" in self.settings.host else socket.AF_INET
        # asyncio disables Nagle's algorithm only if the protocol is named; otherwise every reply would take 40 ms.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((self.settings.host, self.settings.port))
            self._socket.listen(128)
        except OSError:
            self._socket.close()
            self._socket = None
            raise
        config = uvicorn.Config(
            self.app,
            http=DroppableProtocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # The emulator's own clock makes the header.
            date_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        sockets = [self._socket]
        self._thread = threading.Thread(
            target=self._server.run, args=(sockets,), name="dashscope-emulator", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("the emulator did not start")
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop, and wait until the thread has ended.

        :raises RuntimeError: it does not end, with what it waits for
        """
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
            if self._thread.is_alive():
                loop = getattr(self.app.state, "loop", None)
                tasks = [] if loop is None else sorted(map(repr, asyncio.all_tasks(loop)))
                raise RuntimeError(f"the emulator did not stop within {STOP_SECONDS:g} s: {'; '.join(tasks)}")
        if self._socket is not None:
            self._socket.close()
        self._socket = self._server = self._thread = None

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
