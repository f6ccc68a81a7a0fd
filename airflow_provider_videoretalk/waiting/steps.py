"""The steps of a paid job between which a process may die, as points where a test can make it die.

Unarmed, a step costs one look at a module's variable. Armed, by the environment variable ``VIDEORETALK_STEPS`` naming a
folder, a process that comes to a step for which the folder holds a file of its name takes the file away and is killed
with SIGKILL: once a file, wherever it is first taken.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Literal

Step = Literal[
    "before_intent",
    "after_intent",
    "after_post",
    "after_id",
    "in_trigger",
    "after_event",
    "after_result",
    "during_publish",
    "after_publish",
]

_FOLDER = os.environ.get("VIDEORETALK_STEPS")


def reached(step: Step) -> None:
    """Tells that this process has come to ``step``."""
    if _FOLDER is not None:
        _die_if_armed(Path(_FOLDER) / step)


def _die_if_armed(order: Path) -> None:
    try:
        order.rename(order.with_name(f"{order.name}.{os.getpid()}"))
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
