"""The paid service of the system tests: emulators in a process of their own, and a server for their inputs."""

from __future__ import annotations

import hashlib
import json
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from small_mp4 import mp4

_LAUNCHER = Path(__file__).with_name("emulator_launcher.py")
_SUBMIT = "/api/v1/services/aigc/image2video/video-synthesis"


def free_ports(count: int) -> list[int]:
    """Free ports. All are bound at the same time, because a released port may be assigned again."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def free_port() -> int:
    return free_ports(1)[0]


@dataclass(frozen=True, kw_only=True)
class Service:
    """One emulator, used through its control API."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/api/v1"

    def is_up(self) -> bool:
        try:
            return requests.get(f"{self.url}/emulator/health", timeout=5).ok
        except requests.RequestException:
            return False

    def tasks(self, *, video_url: str) -> list[dict[str, Any]]:
        """The render jobs of one clip, oldest first."""
        return [task for task in self.all_tasks() if task["inputs"]["video_url"] == video_url]

    def all_tasks(self) -> list[dict[str, Any]]:
        """All render jobs, oldest first."""
        jobs: list[dict[str, Any]] = requests.get(f"{self.url}/emulator/tasks", timeout=30).json()["tasks"]
        return jobs

    def voices(self) -> list[dict[str, Any]]:
        """All enrolled voices that are not deleted, oldest first."""
        voices: list[dict[str, Any]] = requests.get(f"{self.url}/emulator/voices", timeout=30).json()["voices"]
        return voices

    def faults_hit(self) -> list[dict[str, Any]]:
        """The requests that a fault rule affected, oldest first."""
        return [entry for entry in self.requests() if entry["fault"]]

    def result_url(self, *, key: str, task_id: str) -> str:
        """Where the result of a job is, as a query for it answers."""
        headers = {"Authorization": f"Bearer {key}"}
        reply = requests.get(f"{self.base_url}/tasks/{task_id}", headers=headers, timeout=30).json()
        return str(reply["output"]["video_url"])

    def was_asked_for(self, task_id: str) -> bool:
        """Whether a client queried this render job."""
        return any(entry["operation"] == "query" and entry["path"].endswith(task_id) for entry in self.requests())

    def arm(self, *rules: Mapping[str, Any]) -> None:
        requests.post(f"{self.url}/emulator/faults", json=[dict(rule) for rule in rules], timeout=30).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        """Every request that was answered, oldest first."""
        entries: list[dict[str, Any]] = requests.get(f"{self.url}/emulator/requests", timeout=30).json()["requests"]
        return entries

    def submit(self, *, key: str, video_url: str, audio_url: str) -> None:
        """Submits a render job of another client."""
        body = {
            "model": "videoretalk",
            "input": {"video_url": video_url, "audio_url": audio_url},
            "parameters": {"video_extension": False},
        }
        headers = {"Authorization": f"Bearer {key}", "X-DashScope-Async": "enable"}
        requests.post(f"{self.url}{_SUBMIT}", json=body, headers=headers, timeout=30).raise_for_status()


def services_command(settings: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Service], list[str]]:
    """Emulators by name, and the command that runs all of them."""
    ports = free_ports(len(settings))
    services = {name: Service(port=port) for name, port in zip(settings, ports, strict=True)}
    plan = {name: {**settings[name], "port": service.port} for name, service in services.items()}
    return services, [sys.executable, str(_LAUNCHER), json.dumps(plan)]


class ClipServer:
    """Serves a file for every path: its bytes follow from the path alone, so that no two clips are alike."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def content(name: str) -> bytes:
    """What a :class:`ClipServer` serves under this name: a video of three seconds, as the fake engine reports it."""
    return mp4(b"".join(hashlib.sha512(f"{name} {block}".encode()).digest() for block in range(1024)))


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = content(self.path.lstrip("/"))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Keeps quiet."""
