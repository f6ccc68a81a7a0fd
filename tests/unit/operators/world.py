"""One task instance of Airflow, and the emulator, for tests of what a retry, a crash or a clear does."""

from __future__ import annotations

import json
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from state_store import TaskStateStore

from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.operators import base, job
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.submission import lost_submit, submitter
from airflow_provider_videoretalk.submission.fault_points import FaultPoint
from airflow_provider_videoretalk.submission.resume import ResumePolicy

SAMPLES = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717"
VIDEO, AUDIO = f"{SAMPLES}/pvegot/input_video_01.mp4", f"{SAMPLES}/aumwir/stella2-%E6%9C%89%E5%A3%B0%E4%B9%A67.wav"


class CrashError(BaseException):
    """The process dies."""


def with_policy(arguments: dict[str, Any]) -> dict[str, Any]:
    """An operator's arguments, with the fields of a policy as its ``resume``."""
    names = {field.name for field in fields(ResumePolicy)} & arguments.keys()
    others = {name: value for name, value in arguments.items() if name not in names}
    return {"resume": ResumePolicy(**{name: arguments[name] for name in names})} | others


class World:
    """One task instance of Airflow, and the service."""

    def __init__(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.emulator = emulator
        self.now = emulator.state.clock
        self.store = TaskStateStore()
        self.max_tries, self.clear_number = 1, 0
        self.audio = AUDIO
        self.dies_at: FaultPoint | None = None
        self.spent: list[str] = []
        self.run_id = "run"
        # Also a short pause ends a try here.
        monkeypatch.setattr(base, "SHORTEST_DEFERRAL", 0.0)
        # Nothing else is under way here, for which a doubt would be waited out.
        monkeypatch.setattr(lost_submit, "_UNDER_WAY_SECONDS", float("-inf"))
        monkeypatch.setattr(job, "fault_point", self._reached)
        monkeypatch.setattr(submitter, "fault_point", self._reached)
        monkeypatch.setattr(
            VideoRetalkOperator, "record_spend", lambda operator, event, task_id, reason: self.spent.append(event)
        )

    def _reached(self, step: FaultPoint) -> None:
        if step == self.dies_at:
            self.dies_at = None
            raise CrashError

    @property
    def context(self) -> dict[str, Any]:
        ti = SimpleNamespace(
            dag_id="dag",
            run_id=self.run_id,
            task_id="retalk",
            map_index=-1,
            max_tries=self.max_tries,
            xcom_push=lambda key, value: json.dumps(value),
        )
        return {
            "ti": ti,
            "dag_run": SimpleNamespace(clear_number=self.clear_number),
            "task_state_store": self.store,
        }

    def operator(self, **arguments: Any) -> VideoRetalkOperator:
        return VideoRetalkOperator(
            task_id="retalk",
            video_url=VIDEO,
            audio_url=self.audio,
            **{"deferrable": True, "preflight": "off"} | with_policy(arguments),
        )

    def attempt(self, **arguments: Any) -> str | dict[str, Any]:
        """A try: the id of the task it waits for, or the result that it returns."""
        try:
            return self.operator(**arguments).execute(self.context)
        except TaskDeferred as deferred:
            return deferred.trigger.dashscope_task_id

    def clear(self) -> None:
        self.max_tries += 2
        self.clear_number += 1

    @property
    def tasks(self) -> list[dict[str, Any]]:
        return self.emulator.state.job_reports()

    def end(self, task_id: str, status: str = "SUCCEEDED", code: str | None = None) -> None:
        """The service ends a task, however it stands."""
        task = self.emulator.state.jobs[task_id]
        queue = self.emulator.state.queue_of(task.account)
        if task in queue:
            queue.remove(task)
        if status == "SUCCEEDED":
            self.emulator.state.storage.folder("results")
            task.billed_seconds = 3.0
            task.finish("SUCCEEDED", at=self.emulator.state.clock())
        else:
            self.emulator.state.fail(task, code, "because")
