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

# Old enough that URLs valid for a day have expired, and recent enough that it counts among the last days.
NOW = datetime.now(timezone.utc).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A task instance with its XComs.

    :param xcoms: XCom values by key
    :param fields: rendered template fields
    """

    task_id: str
    state: str | None = "success"
    map_index: int = -1
    xcoms: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)


def write_dags(folder: Path = DAGS, *, session: Session | None = None) -> None:
    """Puts the DAGs of a folder into the database, as the DAG processor would.

    :param session: of another database than Airflow's own
    """
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    try:
        from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

        named = {"bundle_name": "dags-folder"}
    except ModuleNotFoundError:
        # Airflow 3.1.
        from airflow.models.dagbag import BundleDagBag, sync_bag_to_db

        named = {}

    where = {"session": session} if session else {}
    DagBundlesManager().sync_bundles_to_db(**where)
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, **named)
    assert not bag.import_errors, bag.import_errors
    sync_bag_to_db(bag, "dags-folder", None, **where)


def add_runs(
    session: Session,
    dag_id: str,
    runs: Mapping[str, Iterable[Row]],
    *,
    at: datetime = NOW,
    apart: timedelta,
    legacy: bool = False,
) -> None:
    """Adds runs of a DAG by their ids, each ``apart`` later than the one before it.

    :param legacy: with XComs and rendered fields as a database of Airflow 3.3 has them after an upgrade to 3.4
    """
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance, uuid7
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
    instances, xcoms, rendered = [], [], []
    for run_id, rows in runs.items():
        for row in rows:
            ids = {"dag_id": dag_id, "run_id": run_id, "task_id": row.task_id, "map_index": row.map_index}
            moment = moments[run_id]
            owner = {**ids, "task_instance_id": uuid7()}
            instances.append(
                {
                    **ids,
                    "id": owner["task_instance_id"],
                    "state": row.state,
                    "pool": "default_pool",
                    "try_number": 1,
                    "start_date": moment,
                    "end_date": moment + timedelta(minutes=1) if row.state in ("success", "failed") else None,
                    "dag_version_id": version,
                }
            )
            xcoms += [
                {**owner, "dag_run_id": numbers[run_id], "key": key, "value": value, "timestamp": moment}
                for key, value in row.xcoms.items()
            ]
            if row.fields:
                rendered.append({**owner, "rendered_fields": row.fields, "k8s_pod_yaml": None})
    _insert(session, TaskInstance, instances)
    xcom_model, fields_model, owner_model = tables(legacy=legacy)
    if owner_model is not None:
        _insert(session, owner_model, {row["task_instance_id"]: row for row in (*xcoms, *rendered)}.values())
    _insert(session, xcom_model, xcoms)
    _insert(session, fields_model, rendered)


def tables(*, legacy: bool = False) -> tuple[Any, Any, Any]:
    """The models of XComs and rendered fields, as this version of Airflow writes them, and that of the owners of
    legacy rows.

    :param legacy: those that an earlier version wrote, before Airflow was upgraded to 3.4
    """
    from airflow.models import renderedtifields, taskinstance, xcom

    if not hasattr(xcom, "XComModelV2"):
        return xcom.XComModel, renderedtifields.RenderedTaskInstanceFields, None
    if legacy:
        return xcom.XComModelV1, renderedtifields.LegacyRenderedTaskInstanceFields, taskinstance.LegacyTaskDataOwner
    return xcom.XComModelV2, renderedtifields.RenderedTaskInstanceFields, None


def _insert(session: Session, model: Any, rows: Iterable[Mapping[str, Any]]) -> None:
    """Inserts the fields of each row for which the table has columns. Airflow 3.4 renames the map index."""
    import uuid6
    from sqlalchemy import insert

    names = {column.name for column in model.__table__.columns}
    rows = [row | {"region_index": row.get("map_index")} for row in rows]
    if "id" in names:
        rows = [{"id": uuid6.uuid7()} | row for row in rows]
    if rows:
        session.execute(insert(model.__table__), [{name: row[name] for name in names & row.keys()} for row in rows])


def result(task_id: str, *, expires_at: datetime = NOW + timedelta(hours=24), **more: Any) -> dict[str, Any]:
    """The return value of a job operator."""
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

    :param inputs: the job operator's fields that differ from the usual ones
    :param published: the publish operator's return value, without the result's fields
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
        Row(task_id="speech", xcoms={"return_value": speech}, fields={"text": script}),
        Row(
            task_id="retalk",
            xcoms={"dashscope_task_id": task_id, "return_value": video, "videoretalk_watch": "/"},
            fields=job | dict(inputs),
        ),
    ]
    kept = {name: value for name, value in video.items() if name not in ("video_url", "expires_at")}
    xcoms = {"return_value": kept | dict(published)} if published else {}
    fields = {"destination": published["uri"]} if published else {}
    return [*rows, Row(task_id="publish", state="success" if published else None, xcoms=xcoms, fields=fields)]
