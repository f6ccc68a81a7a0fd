"""One video: all that Airflow knows of it, from whichever of its tasks one looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_videoretalk.ui.kin import Kin, kin_of, submits
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

DEFAULT_CONNECTION = "dashscope_default"

_FAILED = {"failed", "upstream_failed"}
_SKIPPED = {"skipped", "removed"}
_OVER = {*_FAILED, *_SKIPPED, "success"}


@dataclass(frozen=True, kw_only=True)
class Video:
    """What is known of a video; an empty mapping or ``None`` stands for what is not. Times are in UTC.

    :param sensed: whether the task that still waits is a sensor
    :param place: the task instance that one looks from
    :param state: its state in Airflow
    :param states: of all tasks that have to do with the video, by their places
    :param began_at: when its try began
    :param task_id: DashScope's id
    :param conn_id: the connection by which the service knows of it
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
    task_id: str | None = None
    conn_id: str = DEFAULT_CONNECTION
    sensed: bool = False
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
    def clips(self) -> list[Place]:
        """The task instances of mapped tasks, where the one that is looked from is not mapped."""
        return [place for place in self.states if place.map_index >= 0 > self.place.map_index]

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
    kin = kin_of(session, dag_version=ti.dag_version_id, task_id=ti.task_id)
    tasks = kin.names
    indexes = {ti.map_index, -1}
    run = ti.dag_run.id
    keys = [RESULT, TASK_ID, EXPECTED_START]
    which: dict[str, Any] = {"dag_id": ti.dag_id, "runs": [ti.run_id], "tasks": tasks, "map_indexes": indexes}
    family = Family(
        own=(ti.task_id, ti.map_index),
        kin=kin,
        states=states(session, **which)[ti.run_id],
        told=told(session, runs=[run], tasks=tasks, map_indexes=indexes, keys=keys)[run],
        fields=rendered(session, **which)[ti.run_id],
    )
    return family.video(
        place,
        state=ti.state,
        began_at=ti.start_date,
        # The index as a number is what Airflow gives where nobody named it.
        label=ti.rendered_map_index if ti.map_index >= 0 and not str(ti.rendered_map_index).isdigit() else None,
    )


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the tasks of one video told, in one DAG run.

    :param own: task id and map index of the one that is looked from
    :param kin: the tasks
    :param states: by task id and map index
    :param told: by task id, map index and key
    :param fields: rendered fields by task id and map index
    """

    own: Slot
    kin: Kin
    states: Mapping[Slot, str | None]
    told: Mapping[tuple[str, int, str], Told]
    fields: Mapping[Slot, Mapping[str, Any]]

    def video(self, place: Place, *, state: str | None, label: str | None, began_at: datetime | None) -> Video:
        known = self._task_id
        result = self._of_task("result", known)
        publication = self._of_task("publication", known)
        submit = self._submit(known)
        job = self.fields.get(submit, {}) if submit else {}
        told = self.told.get((*submit, TASK_ID)) if submit else None
        held = self.told.get((*submit, EXPECTED_START)) if submit else None
        return Video(
            place=place,
            state=state,
            states={
                replace(place, task_id=task, map_index=index): self.states[task, index] for task, index in self._seen
            },
            began_at=began_at,
            task_id=known or text(result, "task_id") or text(publication, "task_id"),
            conn_id=text(job, "dashscope_conn_id") or self._given("dashscope_conn_id") or DEFAULT_CONNECTION,
            sensed=any("dashscope_task_id" in self.fields.get(slot, {}) for slot in self._unfinished),
            submitted_at=told.at if told else None,
            expected_start=held.value if held and told is None and isinstance(held.value, int | float) else None,
            result=result,
            speech=self._speech(job),
            publication=publication,
            job=job or result.get("inputs") or {},
            script=text(publication, "script") or self._given("script") or self._given("text"),
            language=text(publication, "language") or self._given("language"),
            label=text(publication, "label") or label,
        )

    @property
    def _slots(self) -> list[Slot]:
        """Where something of this video may be told, nearest first: of a mapped task only by the one clip's own."""
        return [(task, index) for task in self.kin.names for index in dict.fromkeys((self.own[1], -1))]

    @property
    def _before(self) -> list[Slot]:
        """Those of the task itself, and of the tasks before it."""
        return [slot for slot in self._slots if slot[0] not in self.kin.after]

    @property
    def _seen(self) -> list[Slot]:
        """Those that Airflow knows a state of, nearest first."""
        order = {task: number for number, task in enumerate(self.kin.names)}
        slots = self.states if self.own[1] < 0 else [slot for slot in self._slots if slot in self.states]
        return sorted(slots, key=lambda slot: order[slot[0]])

    @property
    def _unfinished(self) -> list[Slot]:
        return [slot for slot in self._seen if self.states[slot] not in _OVER]

    @property
    def _submits(self) -> list[Slot]:
        """Which tasks may have submitted this video, nearest first: who submits tells of no other task's, and what a
        speech is for comes after it.
        """
        if self._is_submit(self.own):
            return [self.own]
        slots = [slot for slot in self._slots if slot[0] in self.kin.after] if self._is_speech else self._slots
        return [slot for slot in slots if self._is_submit(slot)]

    def _is_submit(self, slot: Slot) -> bool:
        if any((*slot, key) in self.told for key in (TASK_ID, EXPECTED_START)):
            return True
        return submits(self.fields.get(slot, {})) or (slot[0] in self.kin.submits and slot in self.states)

    @property
    def _is_speech(self) -> bool:
        own = self._returned(self.own)
        return (own is not None and kind_of(own) == "speech") or "text" in self.fields.get(self.own, {})

    @property
    def _task_id(self) -> str | None:
        """DashScope's id of the task that is meant: as the task itself tells, or was told, else as its kin tells."""
        own = self._returned(self.own)
        if own is not None and kind_of(own) == "publication":
            # Of a speech alone, it names none.
            return text(own, "task_id")
        given = self.fields.get(self.own, {}).get("dashscope_task_id")
        asked = text(plain(given), "task_id") or (given if isinstance(given, str) and given.strip() else None)
        return text(own, "task_id") or asked or next(map(self._submitted, self._submits), None)

    def _submitted(self, slot: Slot) -> str | None:
        found = self.told.get((*slot, TASK_ID))
        return found.value if found and isinstance(found.value, str) else text(self._returned(slot), "task_id")

    def _submit(self, known: str | None) -> Slot | None:
        """Which of the tasks submitted the one that is meant, so far as that is known."""
        slots = self._submits
        if known is None or "dashscope_task_id" not in self.fields.get(self.own, {}):
            return next((slot for slot in slots if self._submitted(slot) in (known, None)), None)
        return next((slot for slot in slots if self._submitted(slot) == known), None)

    def _returned(self, slot: Slot) -> Mapping[str, Any] | None:
        found = self.told.get((*slot, RESULT))
        return plain(found.value) if found else None

    def _all(self, kind: Kind, slots: Iterable[Slot]) -> Iterator[Mapping[str, Any]]:
        """What was told of a kind, nearest first."""
        return (told for slot in slots if (told := self._returned(slot)) is not None and kind_of(told) == kind)

    def _of_task(self, kind: Kind, known: str | None) -> Mapping[str, Any]:
        # What has not been submitted has told nothing, whatever other videos did.
        told = self._all(kind, [self.own] if known is None and self._submits else self._slots)
        return next((one for one in told if known is None or one.get("task_id") == known), {})

    def _speech(self, job: Mapping[str, Any]) -> Mapping[str, Any]:
        given = plain(job.get("audio_url"))
        return given if given and kind_of(given) == "speech" else next(self._all("speech", self._before), {})

    def _given(self, name: str) -> str | None:
        """A text that the task, or one before it, was given."""
        found = (text(self.fields.get(slot, {}), name) for slot in self._before)
        return next((value for value in found if value), None)
