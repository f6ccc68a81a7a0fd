"""The job history, as tasks and triggers write it: in Airflow's Variables."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.job_history.history import JobHistory
from airflow_provider_videoretalk.job_history.reports import cancelled_report, report_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.task import Task

_log = logging.getLogger(__name__)

# Airflow kills a worker's process about five seconds after it asked the process to end.
_SECONDS = 2.0


def open_history() -> JobHistory:
    """The history; one that keeps nothing on Airflow 3.1 and 3.2, where tasks cannot list Variables."""
    return JobHistory(variable_store.VariableStore() if variable_store.HAS_KEYS else None)


def note_end(task: Task, *, price: Any, context: Context) -> None:
    """Writes how a job ended, by the reply to a status query. A failure is logged and not raised.

    :param price: of a second of output, as it was stored; ``None`` if unknown
    """
    try:
        name = task_instance_name(context["ti"])
        open_history().note("ended", report_of(task, now=time.time(), price=price, task_instance=name))
    except Exception as error:
        _log.warning("The job history lacks the end of render job %s (%s)", task.task_id, type(error).__name__)


def note_cancelled(job_id: str) -> None:
    """Writes that a job was cancelled while it queued. Gives up after two seconds: Airflow may be ending this process.

    Runs in a thread of its own. A signal may have interrupted a call to the supervisor, whose lock a second call from
    the same thread would never get.
    """
    report = cancelled_report(job_id, now=time.time())
    writer = threading.Thread(target=open_history().note, args=("ended", report), daemon=True)
    writer.start()
    writer.join(_SECONDS)


def task_instance_name(task_instance: object) -> str:
    """``dag_id/run_id/task_id/map_index``, by which records and facts name a task instance."""
    return "/".join(str(getattr(task_instance, part)) for part in ("dag_id", "run_id", "task_id", "map_index"))
