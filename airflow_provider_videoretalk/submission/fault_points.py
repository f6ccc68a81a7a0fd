"""Named points of a paid job at which a test can kill the process.

Without the environment variable ``VIDEORETALK_FAULT_POINTS``, a fault point costs one comparison. The variable names a
folder. A process that reaches a point whose name is a file in the folder renames the file and is killed with SIGKILL:
once for each file, by the first process that reaches the point.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Literal

FaultPoint = Literal[
    "before_list",
    "after_check",
    "before_intent",
    "after_intent",
    "after_post",
    "after_id",
    "after_answer",
    "after_speech",
    "in_trigger",
    "after_event",
    "after_result",
    "after_piece",
    "during_join",
    "during_publish",
    "after_publish",
]

_FOLDER = os.environ.get("VIDEORETALK_FAULT_POINTS")


def fault_point(name: FaultPoint) -> None:
    """Kills this process if a test has armed the point."""
    if _FOLDER is not None:
        _kill_if_armed(Path(_FOLDER) / name)


def _kill_if_armed(marker: Path) -> None:
    try:
        marker.rename(marker.with_name(f"{marker.name}.{os.getpid()}"))
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
