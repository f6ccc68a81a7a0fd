"""A video, with everything that Airflow knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from airflow_provider_videoretalk.links import batch_path
from airflow_provider_videoretalk.ui.clip_name import cut, joined
from airflow_provider_videoretalk.ui.return_values import get_number, get_text
from airflow_provider_videoretalk.ui.stored_values import as_time
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef

Phase = Literal["waiting", "done", "unpublished", "failed", "skipped"]
"""The state of a video. An ``unpublished`` one was made, but its publish task failed."""

DEFAULT_CONN_ID = "dashscope_default"

_FAILED_STATES = {"failed", "upstream_failed"}
_SKIPPED_STATES = {"skipped", "removed"}
FINISHED_STATES = {*_FAILED_STATES, *_SKIPPED_STATES, "success"}

# Characters of a clip's own name, and of the beginning of a script.
_LABEL_LENGTH, _SCRIPT_LENGTH = 80, 40


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video. An empty mapping or ``None`` stands for an unknown value. Times are in UTC.

    :param ref: the viewed task instance
    :param state: its state in Airflow
    :param states: the states of all tasks of the video, nearest to the viewed one first
    :param started_at: the start of its last try
    :param job_id: the id of the render job
    :param conn_id: the connection to the account of the render job
    :param waits_in_sensor: whether a sensor is among the unfinished tasks
    :param submitted_at: when Airflow stored the id of the render job
    :param expected_start: of a submit that is held back
    :param result: the return value of the job operator or of the sensor
    :param speech: the return value of the text-to-speech operator
    :param publication: the return value of the publish operator
    :param publish_fields: the rendered fields of the task that returned ``publication``
    :param job_fields: the rendered fields of the job operator
    :param dry_run: the report of a dry run
    :param script: the spoken text
    :param is_script_cut: whether ``script`` is only the beginning, since Airflow keeps no more of a long field
    :param label: the clip's own name: a field of its publication or its tasks, or the DAG's name for the map index
    :param submitter: the task instance that submits the render job, as far as known
    :param plan: the id of the task that plans the batch to which it belongs
    """

    ref: TaskInstanceRef
    state: str | None
    states: Mapping[TaskInstanceRef, str | None] = field(default_factory=dict)
    started_at: datetime | None = None
    job_id: str | None = None
    conn_id: str = DEFAULT_CONN_ID
    waits_in_sensor: bool = False
    submitted_at: datetime | None = None
    expected_start: datetime | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    speech: Mapping[str, Any] = field(default_factory=dict)
    publication: Mapping[str, Any] = field(default_factory=dict)
    publish_fields: Mapping[str, Any] = field(default_factory=dict)
    job_fields: Mapping[str, Any] = field(default_factory=dict)
    dry_run: Mapping[str, Any] = field(default_factory=dict)
    script: str | None = None
    is_script_cut: bool = False
    language: str | None = None
    label: str | None = None
    submitter: TaskInstanceRef | None = None
    plan: str | None = None

    @property
    def batch_path(self) -> str | None:
        """The path of the page of its batch, relative to the root of these pages; ``None`` if it belongs to none."""
        return (
            f"{batch_path(dag_id=self.ref.dag_id, run_id=self.ref.run_id)}?plan={quote(self.plan)}"
            if self.plan
            else None
        )

    @property
    def file_name(self) -> str:
        """The name of a downloaded file without its suffix: that of the row of a batch with its language, else
        :attr:`name`."""
        name, language = get_text(self.publication, "name"), get_text(self.publication, "language")
        return "-".join((name, language)) if name and language else name or self.name

    @property
    def phase(self) -> Phase:
        states = {*self.states.values()}
        if self.result or self.publication:
            return "unpublished" if states & _FAILED_STATES and not self.publication else "done"
        # A successful task without a result belongs to a video that another task makes.
        if self.state != "success":
            states = {self.state}
        if states & _FAILED_STATES:
            return "failed"
        if states - FINISHED_STATES:
            return "waiting"
        return "skipped" if states & _SKIPPED_STATES else "done"

    @property
    def lacks_result(self) -> bool:
        """Whether its tasks have ended, but Airflow has no result. The service may have made the video all the same."""
        if self.details or self.phase == "waiting":
            return False
        return (
            self.job_id is not None or self.phase == "failed" or (self.phase == "done" and self.submitter is not None)
        )

    @property
    def ended_task(self) -> TaskInstanceRef:
        """The task instance whose end is the reason that there is no result."""
        failed = self.nearest_in_state("failed")
        return failed if self.states.get(failed) == "failed" else self.submitter or self.ref

    @property
    def ended_tasks(self) -> tuple[TaskInstanceRef, ...]:
        """The task instances whose end may be the reason that there is no result, the likeliest first.

        A task that was marked success has no result, by which the next task fails of itself.
        """
        return tuple(dict.fromkeys((self.ended_task, self.submitter or self.ref)))

    @property
    def waiting_task(self) -> TaskInstanceRef:
        """The task instance that the video waits for."""
        unfinished = {ref: state for ref, state in self.states.items() if state not in FINISHED_STATES}
        started = (ref for ref, state in unfinished.items() if state is not None)
        return next(started, next(iter(unfinished), self.ref))

    @property
    def has_unfinished_tasks(self) -> bool:
        return bool({*self.states.values()} - FINISHED_STATES)

    def nearest_in_state(self, state: str) -> TaskInstanceRef:
        """The nearest of its tasks in this state; without one, the viewed task instance."""
        return next((ref for ref, other in self.states.items() if other == state), self.ref)

    @property
    def mapped_clips(self) -> list[TaskInstanceRef]:
        """The mapped task instances, if the viewed one is not mapped."""
        return [ref for ref in self.states if ref.map_index >= 0 > self.ref.map_index]

    @property
    def request_id(self) -> str | None:
        return get_text(self.result, "request_id") or get_text(self.publication, "request_id")

    @property
    def result_expires_at(self) -> datetime | None:
        """When the result's URL at the service expires."""
        return as_time(self.result.get("expires_at"))

    @property
    def finished_at(self) -> datetime | None:
        """When the render ended, by the service's clock."""
        return as_time(self.details.get("finished_at"))

    @property
    def details(self) -> Mapping[str, Any]:
        """The result's fields; without a result, the fields of it that the publication has."""
        return self.result or self.publication

    @property
    def marks(self) -> list[str]:
        """How the published file is marked as made by AI, by its metadata."""
        label, credentials = (self.publication.get(name) for name in ("aigc", "content_credentials"))
        found = []
        if isinstance(label, Mapping):
            found.append(f"AIGC label of {get_text(label, 'ContentProducer') or 'an unknown producer'}")
        if isinstance(credentials, Mapping):
            found.append(f"content credentials (C2PA) signed by {get_text(credentials, 'signer') or 'an unknown key'}")
        return found

    @property
    def lips(self) -> str | None:
        """Whether the lips changed, by the metadata of the published file; ``None`` if they were not looked at."""
        found = self.publication.get("lips")
        if not isinstance(found, Mapping):
            return None
        share, frames = get_number(found, "share"), get_number(found, "frames")
        if share is None or not frames:
            return "not known: they could not be compared with the presenter"
        verdict = "changed" if found.get("changed") is True else "NOT changed"
        return f"{verdict}: they differ from the presenter's in {share:.0%} of {frames:.0f} frames"

    @property
    def estimated_cost(self) -> float | None:
        """Of a dry run, in :attr:`estimated_currency`."""
        return get_number(self.dry_run, "estimated_cost")

    @property
    def estimated_currency(self) -> str:
        price = self.dry_run.get("price")
        return (get_text(price, "currency") if isinstance(price, Mapping) else None) or ""

    @property
    def dry_run_remarks(self) -> list[str]:
        """What a dry run found, and what it could not check."""
        lists = (self.dry_run.get(name) for name in ("findings", "url_warnings", "unchecked"))
        return [remark for found in lists if isinstance(found, list) for remark in found if isinstance(remark, str)]

    @property
    def name(self) -> str:
        """The name on pages: the clip's own, else DAG, language, and the beginning of the script or the task's id.

        A mapped clip without a name of its own has its map index.
        """
        if self.label:
            return cut(self.label, longest=_LABEL_LENGTH)
        script = cut(self.script, longest=_SCRIPT_LENGTH) if self.script else ""
        index = f"[{self.ref.map_index}]" if self.ref.map_index >= 0 else None
        language = cut(self.language, longest=_SCRIPT_LENGTH) if self.language else None
        return joined((self.ref.dag_id, language, script or self.ref.task_id, index))
