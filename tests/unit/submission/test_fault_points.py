from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

REACHES = "from airflow_provider_videoretalk.submission.fault_points import fault_point; fault_point('after_post')"


def reach(folder: Path) -> int:
    """The end of a process that reaches a fault point."""
    command = [sys.executable, "-c", REACHES]
    return subprocess.run(command, env={**os.environ, "VIDEORETALK_FAULT_POINTS": str(folder)}, check=False).returncode


def test_a_file_kills_one_process(tmp_path: Path) -> None:
    (tmp_path / "after_post").touch()
    (tmp_path / "after_id").touch()
    assert [reach(tmp_path), reach(tmp_path)] == [-signal.SIGKILL, 0]
    (used, other) = sorted(tmp_path.iterdir(), reverse=True)
    assert used.name.startswith("after_post.")
    assert other.name == "after_id"
