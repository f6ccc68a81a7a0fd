"""Whether the tasks of this Airflow run on one machine, and so share a disk."""

from __future__ import annotations

import logging
import os
import re
import socket
from pathlib import PurePath

from airflow.providers.common.compat.sdk import conf

log = logging.getLogger(__name__)

# Set by Airflow in pods of the KubernetesExecutor, whose templates often name the LocalExecutor.
_IN_POD = "AIRFLOW_IS_K8S_EXECUTOR_POD"

# A batch writes many files to a folder.
_warned: set[tuple[PurePath, str]] = set()


def warn_of_local_disk(path: str) -> None:
    """Logs a warning about a file on this machine, if Airflow's executors run tasks on several machines.

    Each process warns of a folder once.
    """
    executors = _executors()
    if all(name.rpartition(".")[2].rpartition(":")[2] == "LocalExecutor" for name in executors):
        return
    folder = (PurePath(path).parent, ", ".join(executors))
    if folder in _warned:
        return
    _warned.add(folder)
    log.warning(
        "destination %s is on the disk of the worker %s. With %s, other workers and the API server see it only if its "
        "folder is a shared volume: they look for videos, speech, plan and manifest in vain, and pay for them again. "
        "Use an object store otherwise.",
        path,
        socket.gethostname(),
        folder[1],
    )


def _executors() -> list[str]:
    """The names, modules or aliases of the executors, those of teams included."""
    if os.environ.get(_IN_POD):
        return ["KubernetesExecutor"]
    configured = conf.get("core", "executor", fallback="LocalExecutor")
    names = (name.rpartition("=")[2].strip() for name in re.split("[,;]", configured))
    return [name for name in names if name]
