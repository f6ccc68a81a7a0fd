"""Airflow's API server runs without the pages if they cannot be built, and its log has the error and a remedy."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import pytest
from system.waiting import until

# Python runs a file of this name at its start. The named module then cannot be imported.
_BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise {error}

sys.meta_path.insert(0, Blocked())
"""
_AUTH_MANAGER = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
_OPEN = build_opener(ProxyHandler({})).open


def _get(url: str) -> tuple[int, str] | None:
    try:
        with _OPEN(url, timeout=10) as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except (URLError, OSError):
        return None


@contextmanager
def api_server(folder: Path, *, module: str, error: str) -> Iterator[tuple[str, Path]]:
    """A real ``airflow api-server`` in which a module cannot be imported: its address, and its log."""
    (folder / "sitecustomize.py").write_text(_BLOCK.format(module=module, error=error))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "log"
    env = os.environ | {
        "AIRFLOW__CORE__AUTH_MANAGER": _AUTH_MANAGER,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of these tests, of sixty-four characters, or a few more",
        "PYTHONPATH": str(folder),
    }
    command = [sys.executable, "-m", "airflow", "api-server", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as file, subprocess.Popen(command, env=env, stdout=file, stderr=file) as process:
        url = f"http://127.0.0.1:{port}"
        try:

            def answers() -> bool:
                assert process.poll() is None, log.read_text()
                return _get(f"{url}/api/v2/version") is not None

            until(answers, what="the API server answers", within=180)
            yield url, log
        finally:
            process.terminate()


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("module", "error", "remedy"),
    [
        pytest.param(
            "airflow_provider_videoretalk.ui.related_tasks",
            "ModuleNotFoundError(\"No module named 'cachetools'\", name='cachetools')",
            "cachetools",
            id="a dependency is missing",
        ),
        pytest.param(
            "airflow_provider_videoretalk.ui.airflow_db.xcom_tables",
            "AttributeError('module has no attribute XComModel')",
            "Upgrade airflow-provider-videoretalk",
            id="an unknown version of Airflow",
        ),
    ],
)
def test_the_api_server_starts_without_the_pages(module: str, error: str, remedy: str, tmp_path: Path) -> None:
    with api_server(tmp_path, module=module, error=error) as (url, log):
        reply = _get(f"{url}/api/v2/version")
        assert reply is not None
        assert reply[0] == 200
        assert "version" in json.loads(reply[1])
        pages = _get(f"{url}/videoretalk/")
        assert pages is not None
        assert pages[0] == 503
        assert "log" in pages[1]
        assert error.partition("(")[0] not in pages[1], "only the log contains the error"
    said = log.read_text()
    assert "The pages of airflow-provider-videoretalk" in said
    assert remedy in said
