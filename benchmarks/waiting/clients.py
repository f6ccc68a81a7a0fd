"""The clients that are compared: which trigger each waits with, and how it tells that a task succeeded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

CONN_ID = "bench"
OURS, SLEEP, FIXED, HTTP, SDK = "this package", "sleep", "fixed 15 s poll", "HttpSensor", "vendor SDK"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    base_url: str
    api_key: str

    @property
    def environment(self) -> dict[str, str]:
        """Its connections, and where the vendor's SDK looks."""
        parts = urlsplit(self.base_url)
        ours = {"conn_type": "dashscope", "host": self.base_url, "password": self.api_key}
        http = {
            "conn_type": "http",
            "host": f"{parts.scheme}://{parts.hostname}",
            "port": parts.port,
            "extra": {"Authorization": f"Bearer {self.api_key}"},
        }
        return {
            "AIRFLOW_CONN_BENCH": json.dumps(ours),
            "AIRFLOW_CONN_BENCH_HTTP": json.dumps(http),
            "DASHSCOPE_HTTP_BASE_URL": self.base_url,
        }


@dataclass(frozen=True, kw_only=True)
class Client:
    """One way to wait.

    :param classpath: the trigger
    :param arguments: the trigger's, for one task as the service loaded it
    :param modules: imported before anything is measured
    :param status: the task's last status in an event's payload
    """

    name: str
    classpath: str
    arguments: Callable[[Mapping[str, Any], Endpoint], dict[str, Any]]
    modules: tuple[str, ...]
    status: Callable[[Any], str] = str


def _ours(task: Mapping[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    from airflow_provider_videoretalk.polling.poll_policy import PollPolicy

    # The operator's own defaults.
    poll_policy = PollPolicy(queue_timeout=3 * 3600.0, render_timeout=3600.0)
    return {
        "dashscope_conn_id": CONN_ID,
        "dashscope_task_id": task["task_id"],
        "submitted_at": task["submitted_at"],
        "poll_policy": asdict(poll_policy),
    }


def _our_status(payload: Any) -> str:
    return str(payload["reply"]["output"]["task_status"] if "reply" in payload else payload["error"])


CLIENTS = (
    Client(
        name=OURS,
        classpath="airflow_provider_videoretalk.triggers.dashscope.DashScopeTaskTrigger",
        arguments=_ours,
        modules=(
            "airflow_provider_videoretalk.dashscope.async_client",
            "airflow_provider_videoretalk.hooks.dashscope",
            "airflow_provider_videoretalk.polling.account",
            "airflow_provider_videoretalk.polling.poller",
            "airflow_provider_videoretalk.submission.admission_queue",
        ),
        status=_our_status,
    ),
    Client(
        name=FIXED,
        classpath="benchmarks.waiting.triggers.FixedPollTrigger",
        arguments=lambda task, at: {"url": f"{at.base_url}/tasks/{task['task_id']}", "api_key": at.api_key},
        modules=(),
    ),
    Client(
        name=HTTP,
        classpath="benchmarks.waiting.triggers.StatusSensorTrigger",
        arguments=lambda task, at: {
            "endpoint": f"{urlsplit(at.base_url).path}/tasks/{task['task_id']}",
            "http_conn_id": f"{CONN_ID}_http",
            "poke_interval": 15.0,
        },
        modules=("tenacity",),
        # Its event says no more than that it waits no longer.
        status=lambda payload: "SUCCEEDED" if payload is True else str(payload),
    ),
    Client(
        name=SDK,
        classpath="benchmarks.waiting.triggers.VendorSdkTrigger",
        arguments=lambda task, at: {"task_id": task["task_id"], "api_key": at.api_key},
        modules=("dashscope.aigc.video_synthesis",),
    ),
    Client(
        name=SLEEP,
        classpath="benchmarks.waiting.triggers.SleepTrigger",
        arguments=lambda task, at: {"seconds": task["render_seconds"]},
        modules=(),
    ),
)
BY_NAME = {client.name: client for client in CLIENTS}
