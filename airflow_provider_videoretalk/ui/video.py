"""One video: all that Airflow knows of it, from whichever of its tasks one looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_videoretalk.ui.kin import kin_of
from airflow_provider_videoretalk.ui.place import Place
from airflow_provider_videoretalk.ui.records import EXPECTED_START, RESULT, TASK_ID, Slot, Told, rendered, states, told
from airflow_provider_videoretalk.ui.told import Kind, kind_of, plain, text

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy.orm import Session

Phase = Literal["waiting", "done", "unpublished", "failed", "skipped"]
"""How a video stands; ``unpublished`` is one that was made, and whose publishing failed."""

# Characters of a name.
_NAME = 60

_FAILED = {"failed", "upstream_failed"}
_SKIPPED = {"skipped", "removed"}
_OVER = {*_FAILED, *_SKIPPED, "success"}


@dataclass(frozen=True, kw_only=True)
class Video:
    """What is known of a video; an empty mapping or ``None`` stands for what is not. Times are in UTC.

    :param place: the task instance that one looks from
    :param state: its state in Airflow
    :param states: of all tasks that have to do with the video, by their places
    :param began_at: when its try began
    :param task_id: DashScope's id
    :param submitted_at: when Airflow wrote that id down
    :param expected_start: of a submit that is held back, in seconds since the epoch
    :param result: what the job operator or the sensor returned
    :param speech: what the text-to-speech operator returned
    :param publication: what the publish operator returned
    :param job: the rendered fields of the job operator
    :param script: what is said
    :param label: what this video is called among its siblings
    """

    place: Place
    state: str | None
    states: Mapping[Place, str | None] = field(default_factory=dict)
    began_at: datetime | None = None
    ended_at: datetime | None = None
    task_id: str | None = None
    submitted_at: datetime | None = None
    expected_start: float | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    speech: Mapping[str, Any] = field(default_factory=dict)
    publication: Mapping[str, Any] = field(default_factory=dict)
    job: Mapping[str, Any] = field(default_factory=dict)
    script: str | None = None
    language: str | None = None
    label: str | None = None

    @property
    def phase(self) -> Phase:
        found = {*self.states.values()}
        if self.result or self.publication:
            return "unpublished" if found & _FAILED and not self.publication else "done"
        # What succeeded without telling a result is about a video that another task makes.
        if self.state != "success":
            found = {self.state}
        if found & _FAILED:
            return "failed"
        if found - _OVER:
            return "waiting"
        return "skipped" if found & _SKIPPED else "done"

    @property
    def goes_on(self) -> bool:
        """Whether one of its tasks has still to end."""
        return bool({*self.states.values()} - _OVER)

    def nearest_in(self, state: str) -> Place:
        """Which of its tasks is in that state, nearest first; else the one that is looked from."""
        return next((place for place, one in self.states.items() if one == state), self.place)

    @property
    def request_id(self) -> str | None:
        return text(self.result, "request_id") or text(self.publication, "request_id")

    @property
    def expires_at(self) -> datetime | None:
        """When the service's own URL of the result dies."""
        return moment(self.result.get("expires_at"))

    @property
    def finished_at(self) -> datetime | None:
        """When the render ended, by the service's clock."""
        return moment(self.facts.get("finished_at"))

    @property
    def facts(self) -> Mapping[str, Any]:
        """The result's fields, or what the publication kept of them."""
        return self.result or self.publication

    @property
    def name(self) -> str:
        """What it is called on pages: by its label, its language, else by how its script begins."""
        return self.label or self.language or shorten(self.script or self.place.task_id, _NAME, placeholder=" …")


def moment(value: object) -> datetime | None:
    """An ISO 8601 time, UTC where it names no zone; ``None`` for anything else."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def video_of(session: Session, ti: TaskInstance) -> Video:
    """The video that a task instance has to do with."""
    place = Place(dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id, map_index=ti.map_index)
    tasks = kin_of(session, dag_version=ti.dag_version_id, task_id=ti.task_id)
    indexes = {ti.map_index, -1}
    run = ti.dag_run.id
    keys = [RESULT, TASK_ID, EXPECTED_START]
    which: dict[str, Any] = {"dag_id": ti.dag_id, "runs": [ti.run_id], "tasks": tasks, "map_indexes": indexes}
    family = Family(
        own=(ti.task_id, ti.map_index),
        tasks=tasks,
        states=states(session, **which)[ti.run_id],
        told=told(session, runs=[run], tasks=tasks, map_indexes=indexes, keys=keys)[run],
        fields=rendered(session, **which)[ti.run_id],
    )
    return family.video(
        place,
        state=ti.state,
        began_at=ti.start_date,
        ended_at=ti.end_date,
        # The index as a number is what Airflow gives where nobody named it.
        label=ti.rendered_map_index if ti.map_index >= 0 and not str(ti.rendered_map_index).isdigit() else None,
    )


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the tasks of one video told, in one DAG run.

    :param own: task id and map index of the one that is looked from
    :param tasks: the ids of all, nearest first
    :param states: by task id and map index
    :param told: by task id, map index and key
    :param fields: rendered fields by task id and map index
    """

    own: tuple[str, int]
    tasks: list[str]
    states: Mapping[Slot, str | None]
    told: Mapping[tuple[str, int, str], Told]
    fields: Mapping[Slot, Mapping[str, Any]]

    def video(self, place: Place, *, state: str | None, label: str | None, **times: datetime | None) -> Video:
        job = self._job()
        result = self._result()
        publication = self._of_same_task("publication", result)
        speech = self._speech(job)
        known = self._told_first(TASK_ID)
        held = self._told_first(EXPECTED_START)
        language = self._text("language", publication)
        return Video(
            place=place,
            state=state,
            states={
                replace(place, task_id=task, map_index=index): self.states[task, index]
                for task, index in self._slots
                if (task, index) in self.states
            },
            task_id=text(result, "task_id") or text(publication, "task_id") or _text(known),
            submitted_at=known.at if known else None,
            expected_start=held.value if held and known is None and isinstance(held.value, int | float) else None,
            result=result,
            speech=speech,
            publication=publication,
            job=job or result.get("inputs") or {},
            script=self._text("script", publication) or self._text("text", {}),
            language=language,
            label=text(publication, "label") or label,
            **times,
        )

    @property
    def _slots(self) -> list[Slot]:
        """Where something of this video may be told, nearest first: of a mapped task only by the one clip's own."""
        return [(task, index) for task in self.tasks for index in dict.fromkeys((self.own[1], -1))]

    @property
    def _is_job(self) -> bool:
        """Whether one looks from the task that submits: then nobody else's task is meant."""
        return (*self.own, TASK_ID) in self.told or "video_url" in self.fields.get(self.own, {})

    def _all(self, kind: Kind) -> Iterator[Mapping[str, Any]]:
        """What was told of a kind, nearest first."""
        for task, index in self._slots:
            found = self.told.get((task, index, RESULT))
            value = plain(found.value) if found else None
            if value is not None and kind_of(value) == kind:
                yield value

    def _told_first(self, key: str) -> Told | None:
        tasks = self.own[:1] if self._is_job else self.tasks
        found = (self.told.get((task, index, key)) for task in tasks for index in (self.own[1], -1))
        return next((value for value in found if value is not None), None)

    def _result(self) -> Mapping[str, Any]:
        known = _text(self._told_first(TASK_ID))
        for result in self._all("result"):
            if (known is None and not self._is_job) or result.get("task_id") == known:
                return result
        return {}

    def _of_same_task(self, kind: Kind, result: Mapping[str, Any]) -> Mapping[str, Any]:
        known = text(result, "task_id") or _text(self._told_first(TASK_ID))
        return next((value for value in self._all(kind) if known is None or value.get("task_id") == known), {})

    def _job(self) -> Mapping[str, Any]:
        found = (self.fields.get(slot, {}) for slot in self._slots)
        return next((fields for fields in found if "video_url" in fields), {})

    def _speech(self, job: Mapping[str, Any]) -> Mapping[str, Any]:
        given = plain(job.get("audio_url"))
        return given if given and kind_of(given) == "speech" else next(self._all("speech"), {})

    def _text(self, name: str, publication: Mapping[str, Any]) -> str | None:
        """A text that the publication holds, or that a task was given."""
        found = (self.fields.get(slot, {}) for slot in self._slots)
        return text(publication, name) or next((value for one in found if (value := text(one, name))), None)


def _text(told: Told | None) -> str | None:
    return told.value if told and isinstance(told.value, str) else None
