"""The command, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from airflow_provider_videoretalk.emulator.__main__ import parse
from airflow_provider_videoretalk.emulator.loopback import is_loopback

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "airflow_provider_videoretalk.emulator"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_runs_until_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, "--port", "0"], stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            first = process.stdout.readline()
            url = re.search(r"http://127\.0\.0\.1:\d+", first)
            assert url, first
            assert requests.get(f"{url.group()}/emulator/health", timeout=10).json() == {"status": "ok"}
            # A worker process creates the sample; it must end too.
            assert requests.get(f"{url.group()}/samples/portrait.png", timeout=60).status_code == 200
            process.send_signal(number)
            out, err = process.stdout.read(), process.stderr.read()
            process.wait(30)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")
    assert "AIRFLOW_CONN_" in out
    assert "/samples/presenter.mp4" in out
    assert list(tmp_path.iterdir()) == []


def test_wrong_value_ends_with_a_message() -> None:
    done = subprocess.run([*COMMAND, "--time-scale", "0"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "time_scale must be greater than 0" in done.stderr


def test_server_process_loads_no_media_library() -> None:
    code = (
        "import sys; from airflow_provider_videoretalk.emulator.server import Emulator; "
        "print(sorted({'av', 'numpy', 'onnxruntime', 'PIL', 'hibari'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_arguments_become_settings() -> None:
    settings = parse(
        ["--time-scale", "60", "--missing", "list", "--missing", "uploads", "--api-key", "k", "--port", "0"]
    )
    assert settings.time_scale == 60
    assert settings.missing == frozenset({"list", "uploads"})
    assert settings.api_keys == ("k",)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LocalHost.", True),
        ("0.0.0.0", False),
        ("::ffff:192.0.2.1", False),
        ("emulator", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.nip.io", False),
        ("", False),
    ],
)
def test_loopback_hosts(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
