"""How the distributed Airflow is set up: its machines, and Airflow's settings."""

from __future__ import annotations

from typing import Literal

Machine = Literal["worker-1", "worker-2", "worker-3", "triggerer-1", "triggerer-2"]
Central = Literal["api-server-1", "api-server-2", "scheduler-1", "scheduler-2", "dag-processor"]

# Those that run or watch tasks. Nothing of theirs is on a disk or in a memory of another one.
ADDRESSES: dict[Machine, str] = {
    "worker-1": "127.0.0.11",
    "worker-2": "127.0.0.12",
    "worker-3": "127.0.0.13",
    "triggerer-1": "127.0.0.21",
    "triggerer-2": "127.0.0.22",
}
MACHINES: tuple[Machine, ...] = tuple(ADDRESSES)
WORKERS: tuple[Machine, ...] = ("worker-1", "worker-2", "worker-3")
TRIGGERERS: tuple[Machine, ...] = ("triggerer-1", "triggerer-2")
SCHEDULERS: tuple[Central, ...] = ("scheduler-1", "scheduler-2")
API_SERVERS: tuple[Central, ...] = ("api-server-1", "api-server-2")
CENTRALS: tuple[Central, ...] = (*API_SERVERS, *SCHEDULERS, "dag-processor")

# Seconds until Celery delivers a message again that nobody has acknowledged.
VISIBILITY = 60

# A busy machine must not look like a dead one: longer than those of the cluster on one machine.
PATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "25",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": "5",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "3",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "15",
}


def arguments_of(name: Machine | Central) -> list[str]:
    """The arguments of ``airflow`` that run a component."""
    component = "dag-processor" if name == "dag-processor" else name.rpartition("-")[0]
    if component == "worker":
        return ["celery", "worker", "--celery-hostname", f"{name}@%h", "--without-mingle", "--without-gossip"]
    # Workers serve the logs of their tasks. The scheduler's server would listen on every interface for nothing.
    return [component, *(["--skip-serve-logs"] if component == "scheduler" else [])]


def common_settings(*, api: str, broker: str, results: str) -> dict[str, str]:
    """What all processes have in common, beside the secrets.

    :param api: the URL of the balancer before both API servers
    :param broker: the URL of Redis
    :param results: the URL of the database, as SQLAlchemy has it
    """
    return {
        **PATIENT,
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "machine_address.machine_address",
        "AIRFLOW__CORE__PARALLELISM": "12",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{api}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "4",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{results.replace('+psycopg2', '')}",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "2",
        "AIRFLOW__CELERY__SYNC_PARALLELISM": "1",
        "AIRFLOW__CELERY__OPERATION_TIMEOUT": "5.0",
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": str(VISIBILITY),
        # Celery refuses to run as root, which a process with a disk of its own is, if only in its namespace.
        "C_FORCE_ROOT": "1",
        # Nothing is published on a disk.
        "AIRFLOW__VIDEORETALK__ALLOWED_DESTINATIONS": "remote",
    }


def home_settings(*, home: str, tmp: str, address: str, log_port: int) -> dict[str, str]:
    """What is a process's own.

    :param log_port: on which it serves its logs, or asks others for theirs
    """
    return {
        "HOME": home,
        "AIRFLOW_HOME": home,
        "TMPDIR": tmp,
        "VIDEORETALK_MACHINE": address,
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(log_port),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(log_port),
    }
