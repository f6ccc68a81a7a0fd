"""The XComs and rendered fields of one video's tasks, from which the video is assembled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.ui.airflow_db.task_queries import task_rows_of_runs
from airflow_provider_videoretalk.ui.airflow_db.task_row import (
    DRY_RUN_KEY,
    EXPECTED_START_KEY,
    JOB_ID_KEY,
    RETURN_VALUE_KEY,
    StoredXCom,
    TaskKey,
    TaskRow,
)
from airflow_provider_videoretalk.ui.clip_name import untruncated
from airflow_provider_videoretalk.ui.related_tasks import RelatedTasks, find_related_tasks, submits_job
from airflow_provider_videoretalk.ui.return_values import (
    ReturnValueKind,
    get_text,
    parse_return_value,
    return_value_kind,
)
from airflow_provider_videoretalk.ui.stored_values import as_moment, as_name
from airflow_provider_videoretalk.ui.video import DEFAULT_CONN_ID, FINISHED_STATES, Video

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef


def load_video(session: Session, row: TaskRow) -> Video:
    """The video that a task instance belongs to."""
    related = find_related_tasks(session, dag_version=row.dag_version, task_id=row.ref.task_id)
    rows = task_rows_of_runs(
        session,
        dag_id=row.ref.dag_id,
        run_ids=[row.ref.run_id],
        task_ids=related.task_ids,
        map_indexes={row.ref.map_index, -1},
        keys=[RETURN_VALUE_KEY, JOB_ID_KEY, EXPECTED_START_KEY, DRY_RUN_KEY],
    )
    return TaskOutputs.from_rows(row, related=related, rows=rows).to_video()


@dataclass(frozen=True, kw_only=True)
class TaskOutputs:
    """What the tasks of one video stored in Airflow's database, in one DAG run.

    :param viewed: the task instance whose page is shown
    :param related: the tasks that can belong to the video
    :param states: their states by task id and map index
    :param xcoms: their XComs by task id, map index and XCom key
    :param fields: their rendered fields by task id and map index
    """

    viewed: TaskRow
    related: RelatedTasks
    states: Mapping[TaskKey, str | None]
    xcoms: Mapping[tuple[str, int, str], StoredXCom]
    fields: Mapping[TaskKey, Mapping[str, Any]]

    @classmethod
    def from_rows(cls, viewed: TaskRow, *, related: RelatedTasks, rows: Sequence[TaskRow]) -> TaskOutputs:
        """
        :param rows: the related tasks of the run, the viewed one among them
        """
        return cls(
            viewed=viewed,
            related=related,
            states={row.key: row.state for row in rows},
            xcoms={(*row.key, key): xcom for row in (*rows, viewed) for key, xcom in row.xcoms.items()},
            fields={row.key: row.fields for row in rows if row.fields},
        )

    def to_video(self) -> Video:
        job_id = self._job_id
        _, result = self._return_value_of_job("result", job_id)
        publisher, publication = self._return_value_of_job("publication", job_id)
        submitter = self._submitter(job_id)
        job_fields = self.fields.get(submitter, {}) if submitter else {}
        submitted = self.xcoms.get((*submitter, JOB_ID_KEY)) if submitter else None
        held = self.xcoms.get((*submitter, EXPECTED_START_KEY)) if submitter and submitted is None else None
        ref = self.viewed.ref
        script, is_script_cut = untruncated(
            get_text(publication, "script") or self._field("script") or self._field("text") or ""
        )
        return Video(
            ref=ref,
            state=self.viewed.state,
            states={
                replace(ref, task_id=task, map_index=index): self.states[task, index] for task, index in self._known
            },
            started_at=self.viewed.started_at,
            job_id=job_id or get_text(result, "task_id") or get_text(publication, "task_id"),
            conn_id=get_text(job_fields, "dashscope_conn_id") or self._field("dashscope_conn_id") or DEFAULT_CONN_ID,
            waits_in_sensor=any("dashscope_task_id" in self.fields.get(key, {}) for key in self._unfinished),
            submitted_at=submitted.timestamp if submitted else None,
            expected_start=as_moment(held.value) if held else None,
            result=result,
            speech=self._speech(job_fields),
            publication=publication,
            publish_fields=self.fields.get(publisher, {}) if publisher else {},
            job_fields=job_fields,
            dry_run=self._dry_run,
            script=script or None,
            is_script_cut=is_script_cut,
            language=get_text(publication, "language") or self._field("language"),
            label=self._label(publication),
            submitter=self._task_that_submits(submitter),
            plan=self.related.plan,
        )

    @property
    def _candidates(self) -> list[TaskKey]:
        """The task instances whose outputs can belong to this video, nearest first.

        Of a mapped task, only the map index of the viewed task instance is one.
        """
        map_indexes = tuple(dict.fromkeys((self.viewed.ref.map_index, -1)))
        return [(task_id, index) for task_id in self.related.task_ids for index in map_indexes]

    @property
    def _upstream_candidates(self) -> list[TaskKey]:
        """The candidates of the viewed task itself, and of the tasks upstream of it."""
        return [key for key in self._candidates if key[0] not in self.related.downstream]

    @property
    def _known(self) -> list[TaskKey]:
        """The task instances whose state is known, nearest first."""
        order = {task_id: number for number, task_id in enumerate(self.related.task_ids)}
        is_mapped = self.viewed.ref.map_index >= 0
        known = [key for key in self._candidates if key in self.states] if is_mapped else self.states
        return sorted(known, key=lambda key: order[key[0]])

    @property
    def _unfinished(self) -> list[TaskKey]:
        return [key for key in self._known if self.states[key] not in FINISHED_STATES]

    @property
    def _submitters(self) -> list[TaskKey]:
        """The task instances that may have submitted this video, nearest first.

        A task that submits shows its own video only. The video of a speech task is submitted downstream of it.
        """
        if self._is_submitter(self.viewed.key):
            return [self.viewed.key]
        keys = self._candidates
        if self._is_speech_task:
            keys = [key for key in keys if key[0] in self.related.downstream]
        return [key for key in keys if self._is_submitter(key)]

    def _is_submitter(self, key: TaskKey) -> bool:
        if any((*key, xcom_key) in self.xcoms for xcom_key in (JOB_ID_KEY, EXPECTED_START_KEY)):
            return True
        return submits_job(self.fields.get(key, {})) or (key[0] in self.related.submitters and key in self.states)

    @property
    def _is_speech_task(self) -> bool:
        value = self._return_value(self.viewed.key)
        is_speech = value is not None and return_value_kind(value) == "speech"
        return is_speech or "text" in self.fields.get(self.viewed.key, {})

    @property
    def _job_id(self) -> str | None:
        """The id of the video's render job: from the viewed task's XComs, else its fields, else from related tasks."""
        value = self._return_value(self.viewed.key)
        if value is not None and return_value_kind(value) == "publication":
            # The publication of a speech has no render job.
            return get_text(value, "task_id")
        field = self.fields.get(self.viewed.key, {}).get("dashscope_task_id")
        field_id = get_text(parse_return_value(field), "task_id")
        field_id = field_id or as_name(field)
        return get_text(value, "task_id") or field_id or next(map(self._submitted_job_id, self._submitters), None)

    def _submitted_job_id(self, key: TaskKey) -> str | None:
        xcom = self.xcoms.get((*key, JOB_ID_KEY))
        submitted = as_name(xcom.value) if xcom else None
        return submitted or get_text(self._return_value(key), "task_id")

    def _submitter(self, job_id: str | None) -> TaskKey | None:
        """The task instance that submitted the render job, as far as known."""
        # A task that was given a job id may wait for a job of another DAG.
        is_given = job_id is not None and "dashscope_task_id" in self.fields.get(self.viewed.key, {})
        accepted = (job_id,) if is_given else (job_id, None)
        return next((key for key in self._submitters if self._submitted_job_id(key) in accepted), None)

    def _return_value(self, key: TaskKey) -> Mapping[str, Any] | None:
        xcom = self.xcoms.get((*key, RETURN_VALUE_KEY))
        return parse_return_value(xcom.value) if xcom else None

    def _return_values(
        self, kind: ReturnValueKind, keys: Iterable[TaskKey]
    ) -> Iterator[tuple[TaskKey, Mapping[str, Any]]]:
        values = ((key, self._return_value(key)) for key in keys)
        return ((key, value) for key, value in values if value is not None and return_value_kind(value) == kind)

    def _return_value_of_job(
        self, kind: ReturnValueKind, job_id: str | None
    ) -> tuple[TaskKey | None, Mapping[str, Any]]:
        """The nearest return value of a kind, and the task that returned it; an empty one if there is none."""
        # Before the submit, return values of other tasks belong to other videos.
        keys = [self.viewed.key] if job_id is None and self._submitters else self._candidates
        values = self._return_values(kind, keys)
        found = ((key, value) for key, value in values if job_id is None or value.get("task_id") == job_id)
        return next(found, (None, {}))

    def _speech(self, job_fields: Mapping[str, Any]) -> Mapping[str, Any]:
        audio = parse_return_value(job_fields.get("audio_url"))
        values = [value for _, value in self._return_values("speech", self._upstream_candidates)]
        if audio and return_value_kind(audio) == "speech":
            # The rendered field has the same speech, but its URL is masked.
            request_id = audio.get("request_id")
            return next((value for value in values if request_id and value.get("request_id") == request_id), audio)
        return next(iter(values), {})

    def _label(self, publication: Mapping[str, Any]) -> str | None:
        fields = [publication] + [self.fields.get(key, {}) for key in self._candidates]
        # The publish operator's metadata becomes a part of the publication, once it has published.
        fields += [metadata for each in fields if isinstance(metadata := each.get("metadata"), Mapping)]
        named = (get_text(each, name) for name in ("label", "name") for each in fields)
        return next((untruncated(label)[0] for label in named if label), None) or self.viewed.label

    @property
    def _dry_run(self) -> Mapping[str, Any]:
        found = (self.xcoms.get((*key, DRY_RUN_KEY)) for key in self._candidates)
        reports = (xcom.value for xcom in found if xcom is not None)
        return next((report for report in reports if isinstance(report, Mapping)), {})

    def _task_that_submits(self, submitter: TaskKey | None) -> TaskInstanceRef | None:
        task_id, map_index = submitter or next(iter(self._submitters), (None, -1))
        return replace(self.viewed.ref, task_id=task_id, map_index=map_index) if task_id is not None else None

    def _field(self, name: str) -> str | None:
        """A text in the rendered fields of the viewed task or of a task upstream of it, nearest first."""
        texts = (get_text(self.fields.get(key, {}), name) for key in self._upstream_candidates)
        return next((text for text in texts if text), None)
