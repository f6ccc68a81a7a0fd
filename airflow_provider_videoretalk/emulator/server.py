"""The emulator as a server: a context manager that runs it in a thread."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import uvicorn

from airflow_provider_videoretalk.emulator.api.app import create_app
from airflow_provider_videoretalk.emulator.api.middleware import API
from airflow_provider_videoretalk.emulator.api.transport import DroppableProtocol
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

if TYPE_CHECKING:
    from types import TracebackType

    from fastapi import FastAPI

    from airflow_provider_videoretalk.emulator.api.services import Services
    from airflow_provider_videoretalk.emulator.faults import FaultPlan
    from airflow_provider_videoretalk.emulator.service.account import Clock
    from airflow_provider_videoretalk.emulator.service.state import EmulatorState
    from airflow_provider_videoretalk.emulator.work.engine_port import MediaEngine
    from airflow_provider_videoretalk.emulator.work.fetch import Fetcher

START_SECONDS = 30.0
# How long requests in flight may still take when the emulator stops.
GRACE_SECONDS = 1


class Emulator:
    """DashScope on this machine, for as long as the ``with`` block runs.

    Ready when entered; at exit it stops listening, kills its workers and removes its temporary folder. Scripts that use
    it need the usual ``if __name__ == "__main__":`` guard, as workers are spawned.

    :param settings: see :class:`EmulatorSettings`; port 0 takes any free port
    :param clock: seconds since the epoch; moves every documented duration
    """

    def __init__(
        self,
        settings: EmulatorSettings | None = None,
        *,
        clock: Clock = time.time,
        engine: MediaEngine | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        self.settings = settings or EmulatorSettings()
        self.app: FastAPI = create_app(self.settings, clock=clock, engine=engine, fetcher=fetcher)
        services: Services = self.app.state.services
        self.state: EmulatorState = services.state
        self.faults: FaultPlan = services.faults
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        if self._socket is None:
            raise RuntimeError("the emulator is not running")
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """``http://HOST:PORT``"""
        host = self.settings.host
        # An address for "every interface" is nothing to connect to.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """:attr:`url` with ``/api/v1``: what a client takes for DashScope's base URL."""
        return f"{self.url}{API}"

    def start(self) -> None:
        """Listen and return when ready; raises ``OSError`` when the port is taken."""
        family = socket.AF_INET6 if ":" in self.settings.host else socket.AF_INET
        # With the protocol named, asyncio switches Nagle's algorithm off; without, every reply would wait 40 ms.
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
        """Stop and wait until nothing of it is left."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
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
