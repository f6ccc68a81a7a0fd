"""A run of one paid step of a dub, what the service's book has of it, and whether its result is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media_files import wav
from system.dag_run import ENDS_WITHIN, HAPPENS_WITHIN, DagRun
from system.waiting import until


@dataclass(kw_only=True)
class StepRun(DagRun):
    """A run of one step: its connection has a key, and so an account, of the scenario's own.

    :param scenario: its name, for what its runs share
    """

    scenario: str
    task_id: str = "paid"

    @property
    def input(self) -> str:
        if self.dag_id.startswith("voice"):
            return (self.cluster.home / f"{self.scenario}.wav").as_uri()
        return self.cluster.clips.url(self.scenario)

    @property
    def folder(self) -> Path:
        return self.cluster.home / "published" / self.name

    def start(self) -> None:
        if self.dag_id.startswith("voice"):
            (self.cluster.home / f"{self.scenario}.wav").write_bytes(wav(seconds=6, rate=24_000))
        self.connect(self.name)
        self.trigger({"connection": self.name, "input": self.input, "folder": f"{self.folder.as_uri()}/"})

    def arm(self, *points: str) -> None:
        for point in points:
            self.cluster.arm(point, folder=self.steps)

    def deaths(self, point: str = "*") -> int:
        return len(list(self.steps.glob(f"{point}.*")))

    def wait_for_deaths(self, point: str, count: int) -> None:
        died = f"{self.name} dies {count} times at {point}"
        until(lambda: self.deaths(point) >= count, what=died, within=HAPPENS_WITHIN)

    def jobs(self) -> list[dict[str, Any]]:
        return [job for job in self.service.all_tasks() if job["account"] == self.scenario]

    def voices(self) -> list[str]:
        return [voice["id"] for voice in self.service.voices() if voice["account"] == self.scenario]

    def wants_to_enrol(self) -> bool:
        """Whether the run has a turn, or waits for it."""
        turns = self.cluster.variables("dashscope_enrollment_").values()
        return f"{self.dag_id}/{self.run_id}/{self.task_id}/-1" in turns

    def entries(self, operation: str | None = None) -> list[dict[str, Any]]:
        """The account's requests, or those of one kind. Which account's it is, is known when the reply is sent."""
        found = self.service.requests()
        return [entry for entry in found if operation in (None, entry["operation"])]

    def wait_for_wait(self) -> None:
        """Waits until the account has a job that runs, and Airflow has asked about it, or has read the list.

        The service is the scenario's own.
        """

        def waits() -> bool:
            running = [job for job in self.jobs() if job["status"] == "RUNNING"]
            asked = [entry["time"] for entry in self.entries() if entry["operation"] in ("query", "list")]
            return bool(running and asked) and max(asked) > running[0]["submitted"]

        state = "deferred" if self.dag_id.endswith("deferrable") else "running"
        until(waits, what=f"{self.name} has a job that runs", within=HAPPENS_WITHIN)
        until(lambda: self.state() == state, what=f"{self.name} is {state}", within=HAPPENS_WITHIN)

    def release(self) -> None:
        """Lets a held job end."""
        release_file(self.cluster.home, self.scenario).touch()

    def wait_until_ended(self) -> str:
        return self.cluster.wait_run(self.dag_id, self.run_id, within=ENDS_WITHIN)

    def value(self) -> Mapping[str, Any]:
        """What the task returned."""
        path = f"/dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances/{self.task_id}/xcomEntries/return_value"
        found: Mapping[str, Any] = self.cluster.call("GET", path, params={"deserialize": True})["value"]
        return found

    def is_made(self) -> bool:
        """Whether the task returned what was paid for, and it is whole."""
        value, step = self.value(), self.dag_id.partition("_")[0]
        if step == "voice":
            return [value["voice"]] == self.voices()
        if step == "transcribe":
            files = [Path(file.removeprefix("file://")) for file in value["files"].values()]
            return value["text"] == self.input and bool(files) and all(file.exists() for file in files)
        if step == "translate":
            return [line[:4] for line in value["text"].split("\n")] == ["[de]"] * 3
        if step == "speak":
            return Path(value["audio"].removeprefix("file://")).exists() and len(value["segments"]) == 3
        return value["task_id"] == self.jobs()[-1]["task_id"]


def release_file(home: Path, scenario: str) -> Path:
    """The file whose appearance lets a held job end. Airflow's own folder is empty when the emulators start."""
    return home.with_name(f"{scenario}.release")
