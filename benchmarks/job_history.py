"""The cost of the job history with 100,000 videos a month: writing, folding, and reading it for a page.

Run it as ``python -m benchmarks.job_history``. It has a SQLite database of its own, and Airflow's table of Variables in
it. ``--url`` names another empty database, such as a PostgreSQL.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

VIDEOS_A_MONTH, DAYS = 100_000, 31
_DAY = 86400.0


class VariableTable:
    """Airflow's Variables over a session, encrypted, as the API server stores what tasks write."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, key: str, default: Any = None) -> Any:
        from airflow.models.variable import Variable
        from sqlalchemy import select

        found = self.session.scalar(select(Variable).where(Variable.key == key))
        return default if found is None else json.loads(found.get_val())

    def set(self, key: str, value: Any) -> None:
        from airflow.models.variable import Variable

        self.delete(key)
        self.session.add(Variable(key=key, val=json.dumps(value)))
        self.session.commit()

    def delete(self, key: str) -> None:
        from airflow.models.variable import Variable
        from sqlalchemy import delete

        self.session.execute(delete(Variable).where(Variable.key == key))
        self.session.commit()

    def names(self, prefix: str) -> Sequence[str]:
        from airflow.models.variable import Variable
        from sqlalchemy import select

        return list(self.session.scalars(select(Variable.key).where(Variable.key.startswith(prefix, autoescape=True))))


def note_video(store: Any, *, at: float, number: int) -> None:
    """The facts of one video: submitted (before and after the POST), ended, published."""
    from airflow_provider_videoretalk.job_history.facts import JobReport, Published, Submitted
    from airflow_provider_videoretalk.job_history.history import JobHistory

    history, job_id = JobHistory(store, clock=lambda: at), str(uuid4())
    submit = Submitted(
        task_instance=f"videoretalk_batch/scheduled__{number // 100}/video.make/{number % 100}",
        connection_id="dashscope_default",
        model="videoretalk",
        intended_at=at,
        request_id=str(uuid4()),
        label=f"clip {number}",
        expected_seconds=30.0,
        estimated_cost=2.4,
        currency="CNY",
        price={"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"},
    )
    history.note("submitted", submit)
    history.note("submitted", replace(submit, job_id=job_id, submitted_at=at + 0.4))
    report = {"billed_seconds": 29.8, "cost": 2.384, "currency": "CNY", "expires_at": at + _DAY}
    history.note("ended", JobReport(job_id=job_id, status="SUCCEEDED", reported_at=at + 160, **report))
    uri = f"s3://aws_default@videos/2026/11/{job_id}.mp4"
    history.note("published", Published(job_id=job_id, uri=uri, published_at=at + 170))


def measure(session: Session, *, videos: int) -> None:
    """Prints a line for each cost."""
    from airflow.models.variable import Variable
    from sqlalchemy import func, select

    from airflow_provider_videoretalk.job_history.fact_keys import FactKey, day_of
    from airflow_provider_videoretalk.job_history.fold import fold
    from airflow_provider_videoretalk.ui.spend import load_spend

    store, now = VariableTable(session), (time.time() // _DAY + 1) * _DAY - 7200
    started = time.monotonic()
    for number in range(videos):
        note_video(store, at=now - _DAY - number, number=number)
    each = (time.monotonic() - started) / videos * 1000
    print(f"{videos} videos, each with 4 writes of facts: {each:.1f} ms a video without HTTP")
    started = time.monotonic()
    summary = fold(store, now=now)
    print(f"folding them, {summary.facts} facts into {summary.days} days: {time.monotonic() - started:.1f} s")
    day = day_of(now - _DAY)
    column = select(func.length(Variable._val)).where(Variable.key == str(FactKey(day=day)))
    print(f"a day is {session.scalar(column) / 1024:.0f} KB in the table, encrypted")
    _copy_day(store, day)
    for number in range(videos):
        note_video(store, at=now - number, number=number)
    for name in ("first", "second"):
        started = time.monotonic()
        spend = load_spend(session, dag_ids={"videoretalk_batch"}, now=now)
        print(f"Spend, {name} time: {time.monotonic() - started:.2f} s for {spend.videos} videos that it adds up")


def _copy_day(store: VariableTable, day: date) -> None:
    """Fills the days before a folded one with copies of it, each a day earlier."""
    from airflow_provider_videoretalk.job_history.day_document import pack_day, unpack_day
    from airflow_provider_videoretalk.job_history.fact_keys import FactKey
    from airflow_provider_videoretalk.job_history.facts import Submitted
    from airflow_provider_videoretalk.job_history.job_table import table_of

    facts = list(unpack_day(store.get(str(FactKey(day=day))), name="day"))
    for back in range(1, DAYS):
        earlier = [
            (kind, replace(fact, intended_at=fact.intended_at - back * _DAY) if isinstance(fact, Submitted) else fact)
            for kind, fact in facts
        ]
        store.set(str(FactKey(day=day - timedelta(days=back))), pack_day(table_of(earlier).records()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="of an empty database; by default a SQLite")
    parser.add_argument("--videos", type=int, default=VIDEOS_A_MONTH // DAYS, help="of a day")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AIRFLOW_HOME"] = folder
        os.environ["AIRFLOW__CORE__FERNET_KEY"] = base64.urlsafe_b64encode(os.urandom(32)).decode()
        from airflow.models import import_all_models
        from airflow.models.base import Base
        from sqlalchemy import create_engine
        from sqlalchemy.orm import Session

        import_all_models()
        engine = create_engine(arguments.url or f"sqlite:///{folder}/history.db")
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            measure(session, videos=arguments.videos)


if __name__ == "__main__":
    main()
