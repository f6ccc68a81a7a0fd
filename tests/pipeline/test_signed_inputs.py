"""The secrets of signed inputs are in no log, XCom or rendered field, with Airflow's own masking."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from signed_urls import SCHEMES, code, digest
from video_rows import tables

from .conftest import load

RunDag = Callable[..., Any]

DAG = """
from airflow.sdk import DAG

from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

with DAG("signed_inputs"):
    common = dict(video_extension=True, dry_run=True, preflight="off")
    VideoRetalkOperator(
        task_id="given",
        video_url="https://media.example.com/presenter.mp4?{queries[0]}",
        audio_url={{"audio_url": "https://media.example.com/speech.wav?{queries[1]}", "request_id": "r"}},
        **common,
    )
    VideoRetalkOperator(
        task_id="called",
        video_url=lambda context, jinja_env: "https://media.example.com/presenter.mp4?{queries[2]}",
        audio_url="https://media.example.com/speech.wav",
        **common,
    )
    VideoRetalkOperator.partial(task_id="mapped", video_url="https://media.example.com/presenter.mp4", **common).expand(
        audio_url=["https://media.example.com/speech.wav?{queries[3]}", "https://media.example.com/speech.wav?{queries[4]}"]
    )
"""

TEXTS = ("first", "second", "third", "fourth", "fifth")
NAMES = ("S3 version 4 with a session token", "OSS version 1", "Tencent COS", "CDN type A", "Qiniu")


def signed_query(name: str, text: str) -> str:
    (scheme,) = [scheme for scheme in SCHEMES if scheme.name == name]
    return scheme.sign("k.mp4", 1_900_000_000, text).partition("?")[2]


def test_signatures_are_in_nothing_that_airflow_stores(run_dag: RunDag, capfd: pytest.CaptureFixture[str]) -> None:
    from airflow.utils.session import create_session
    from sqlalchemy import select

    queries = [signed_query(name, text) for name, text in zip(NAMES, TEXTS, strict=True)]
    run = run_dag(load(DAG.format(queries=queries), name="signed_inputs"))
    assert (run.states("given"), run.states("called"), run.states("mapped")) == (["skipped"],) * 2 + (["skipped"] * 2,)
    with create_session() as session:
        stored = list(session.scalars(select(tables()[1].__table__.c.rendered_fields)))
    reports = [run.xcom(task, key="dashscope_dry_run") for task in ("given", "called")]
    reports += [run.xcom("mapped", key="dashscope_dry_run", map_index=index) for index in (0, 1)]
    assert all(report["estimated_cost"] > 0 for report in reports)
    assert "presenter.mp4?***" in json.dumps(stored)
    said = capfd.readouterr()
    # Airflow logs a DAG's own text nowhere; the report names the temporary credentials.
    assert "temporary credentials" in json.dumps(reports)
    for text in TEXTS:
        for secret in (digest(text), code(text), f"IQoJb3Jp{text}"):
            assert secret not in json.dumps([stored, reports])
            assert secret not in said.out + said.err
