"""Whether the tasks of this Airflow run on one machine, and so share a disk."""

from __future__ import annotations

import logging
import socket

from airflow.providers.common.compat.sdk import conf

log = logging.getLogger(__name__)


def warn_of_local_disk(path: str) -> None:
    """Logs a warning about a file on this machine, if Airflow's executors run tasks on several machines."""
    executors = [name.strip() for name in conf.get("core", "executor", fallback="LocalExecutor").split(",")]
    if all(name.rpartition(".")[2].rpartition(":")[2] == "LocalExecutor" for name in executors if name):
        return
    log.warning(
        "destination %s is on the disk of the worker %s. With %s, other workers and the API server see it only if its "
        "folder is a shared volume. Use an object store otherwise.",
        path,
        socket.gethostname(),
        ", ".join(executors),
    )
