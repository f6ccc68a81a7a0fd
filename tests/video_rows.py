"""Rows of Airflow's metadata database as runs of the example DAGs leave them, without the runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

DAGS = Path(__file__).parents[1] / "dags"

# So long ago that what lives for a day is dead, and so lately that it counts among the last days.
NOW = datetime.now(timezone.utc).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A task instance with what it told.

    :param told: XComs by key
    :param fields: rendered template fields
    """

    task_id: str
    state: str | None = "success"
    map_index: int = -1
    told: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)


def write_dags(folder: Path = DAGS) -> None:
    """Puts the DAGs of a folder into the database, as the DAG processor would."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    assert not bag.import_errors, bag.import_errors
    sync_bag_to_db(bag, "dags-folder", None)


def add_runs(
    session: Session, dag_id: str, runs: Mapping[str, Iterable[Row]], *, at: datetime = NOW, apart: timedelta
) -> None:
    """Adds runs of a DAG by their ids, each ``apart`` later than the one before it."""
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagrun import DagRun
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.taskinstance import TaskInstance, uuid7
    from airflow.models.xcom import XComModel
    from sqlalchemy import insert, select

    version = session.scalar(
        select(DagVersion.id).where(DagVersion.dag_id == dag_id).order_by(DagVersion.version_number.desc()).limit(1)
    )
    moments = {run_id: at + number * apart for number, run_id in enumerate(runs)}
    session.execute(
        insert(DagRun.__table__),
        [
            {
                "dag_id": dag_id,
                "run_id": run_id,
                "run_type": "manual",
                "state": "success",
                "run_after": moment,
                "queued_at": moment,
                "created_dag_version_id": version,
            }
            for run_id, moment in moments.items()
        ],
    )
    found = session.execute(select(DagRun.run_id, DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id.in_(runs)))
    numbers = dict(found.all())
    instances, told, rendered = [], [], []
    for run_id, rows in runs.items():
        for row in rows:
            place = {"dag_id": dag_id, "run_id": run_id, "task_id": row.task_id, "map_index": row.map_index}
            moment = moments[run_id]
            instances.append(
                {
                    **place,
                    "id": uuid7(),
                    "state": row.state,
                    "pool": "default_pool",
                    "try_number": 1,
                    "start_date": moment,
                    "end_date": moment + timedelta(minutes=1) if row.state in ("success", "failed") else None,
                    "dag_version_id": version,
                }
            )
            told += [
                {**place, "dag_run_id": numbers[run_id], "key": key, "value": value, "timestamp": moment}
                for key, value in row.told.items()
            ]
            if row.fields:
                rendered.append({**place, "rendered_fields": row.fields, "k8s_pod_yaml": None})
    session.execute(insert(TaskInstance.__table__), instances)
    if told:
        session.execute(insert(XComModel.__table__), told)
    if rendered:
        session.execute(insert(RenderedTaskInstanceFields.__table__), rendered)


def result(task_id: str, *, expires_at: datetime = NOW + timedelta(hours=24), **more: Any) -> dict[str, Any]:
    """What a job operator returns."""
    return {
        "task_id": task_id,
        "request_id": f"request-{task_id}",
        "status": "SUCCEEDED",
        "video_url": f"https://result.example.com/{task_id}.mp4?Expires=1&Signature=secret-of-result",
        "expires_at": expires_at.isoformat(),
        "billed_seconds": 7.5,
        "usage": {"video_duration": 7.5},
        "submitted_at": NOW.isoformat(),
        "started_at": NOW.isoformat(),
        "finished_at": NOW.isoformat(),
        "queue_seconds": 12.0,
        "render_seconds": 61.5,
        **more,
    }


def finished_run(
    task_id: str,
    *,
    script: str = "Good morning.",
    published: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Any] = MappingProxyType({}),
) -> list[Row]:
    """The rows of a run of the quickstart that succeeded.

    :param inputs: what the job operator was given, where it is not the usual
    :param published: what the publish operator returned, beyond the result's own fields
    """
    video = result(task_id)
    speech = {
        "audio_url": "https://speech.example.com/a.wav?Signature=secret-of-speech",
        "format": "wav",
        "seconds": 7.5,
        "characters": len(script),
        "expires_at": (NOW + timedelta(hours=24)).isoformat(),
        "request_id": f"speech-{task_id}",
    }
    job = {
        "video_url": "https://bucket.example.com/presenter.mp4?X-Amz-Signature=secret-of-source",
        "audio_url": speech,
        "dashscope_conn_id": "dashscope_default",
    }
    rows = [
        Row(task_id="speech", told={"return_value": speech}, fields={"text": script}),
        Row(
            task_id="retalk",
            told={"dashscope_task_id": task_id, "return_value": video, "videoretalk_watch": "/"},
            fields=job | dict(inputs),
        ),
    ]
    kept = {name: value for name, value in video.items() if name not in ("video_url", "expires_at")}
    told = {"return_value": kept | dict(published)} if published else {}
    return [*rows, Row(task_id="publish", state="success" if published else None, told=told)]
