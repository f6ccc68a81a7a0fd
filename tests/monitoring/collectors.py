"""What collects on this machine what Airflow sends: StatsD's lines, and spans over OTLP."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module


@dataclass
class Lines:
    """The lines of StatsD that arrived.

    :param passed_on: addresses that get each packet as well
    """

    port: int
    passed_on: list[tuple[str, int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def own(self) -> list[str]:
        """Those of this package, without Airflow's prefix and without values."""
        return [line.removeprefix("airflow.") for line in list(self.lines) if line.startswith("airflow.videoretalk.")]


@contextmanager
def statsd_collector() -> Iterator[Lines]:
    """A StatsD server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        collected = Lines(port=server.getsockname()[1])

        def receive() -> None:
            while True:
                try:
                    packet = server.recv(65536)
                except OSError:
                    return
                collected.lines += packet.decode().splitlines()
                for address in collected.passed_on:
                    server.sendto(packet, address)

        threading.Thread(target=receive, daemon=True).start()
        yield collected


@dataclass
class Spans:
    """The spans that arrived, by name; each with its attributes, trace and parent."""

    url: str
    spans: dict[str, object] = field(default_factory=dict)


@contextmanager
def span_collector() -> Iterator[Spans]:
    """An OTLP server that speaks protobuf over HTTP."""
    messages = import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            message = messages.ExportTraceServiceRequest.FromString(body)
            for resource in message.resource_spans:
                for scope in resource.scope_spans:
                    collected.spans.update({span.name: span for span in scope.spans})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collected = Spans(url=f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield collected
    server.shutdown()
    server.server_close()
