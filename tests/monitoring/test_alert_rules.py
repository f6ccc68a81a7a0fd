"""The alerts, by Prometheus's own checks."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from monitoring_names import MONITORING

pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus"
)


@pytest.mark.parametrize("command", ["check rules alerts.yml", "test rules alerts.test.yml"])
def test_the_rules(command: str) -> None:
    done = subprocess.run(["promtool", *command.split()], cwd=MONITORING, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
