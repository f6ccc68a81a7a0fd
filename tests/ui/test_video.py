"""Which video a task has to do with, by what its kin told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk import DAG
from video_rows import NOW, result

from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor
from airflow_provider_videoretalk.ui.kin import Kin, _nearest, kin_of
from airflow_provider_videoretalk.ui.place import Place
from airflow_provider_videoretalk.ui.records import Told
from airflow_provider_videoretalk.ui.video import Family, Video

SPEECH = {"audio_url": "https://a.example.com/", "seconds": 3.0}


def two_in_sequence() -> DAG:
    """Two videos, of which the second is made once the first is published."""
    with DAG(dag_id="two", schedule=None) as dag:
        before = None
        for number in ("1", "2"):
            speech = TextToSpeechOperator(task_id=f"speech{number}", text="x")
            retalk = VideoRetalkOperator(task_id=f"retalk{number}", video_url="u", audio_url="u")
            publish = PublishMediaOperator(task_id=f"publish{number}", source="u", destination="file:///d")
            speech >> retalk >> publish
            if before:
                before >> speech
            before = publish
    return dag


def seen_from(
    task_id: str,
    *,
    kin: Kin | None = None,
    told: Mapping[tuple[str, str], Any],
    fields: Mapping[str, Mapping[str, Any]],
    state: str = "success",
) -> Video:
    kin = kin or _nearest(two_in_sequence(), task_id)
    family = Family(
        own=(task_id, -1),
        kin=kin,
        states={(name, -1): "success" for name in kin.names} | {(task_id, -1): state},
        told={(task, -1, key): Told(value=value, at=NOW) for (task, key), value in told.items()},
        fields={(task, -1): one for task, one in fields.items()},
    )
    place = Place(dag_id="two", run_id="r", task_id=task_id, map_index=-1)
    return family.video(place, state=state, label=None, began_at=None)


FIRST = {
    ("speech1", "return_value"): SPEECH,
    ("retalk1", "dashscope_task_id"): "t1",
    ("retalk1", "return_value"): result("t1"),
    ("publish1", "return_value"): {"task_id": "t1", "uri": "s3://b/1.mp4", "sha256": "0"},
}
SECOND = {
    (task.replace("1", "2"), key): value.replace("1", "2") if isinstance(value, str) else value
    for (task, key), value in FIRST.items()
} | {
    ("retalk2", "return_value"): result("t2"),
    ("publish2", "return_value"): {"task_id": "t2", "uri": "s3://b/2.mp4", "sha256": "0"},
}
TEXTS = {f"speech{number}": {"text": f"Script {number}"} for number in "12"}


def test_two_videos_in_sequence_are_not_mixed() -> None:
    for number in "12":
        for task in ("speech", "retalk", "publish"):
            video = seen_from(f"{task}{number}", told=FIRST | SECOND, fields=TEXTS)
            found = (video.task_id, video.result["task_id"], video.publication["uri"], video.script)
            assert found == (f"t{number}", f"t{number}", f"s3://b/{number}.mp4", f"Script {number}"), task


def test_what_has_not_begun_shows_nothing_of_the_video_before_it() -> None:
    for task in ("speech2", "retalk2", "publish2"):
        video = seen_from(task, told=FIRST, fields=TEXTS, state="running")
        assert (video.task_id, video.result, video.publication) == (None, {}, {}), task


def test_scripts_come_from_before() -> None:
    video = seen_from("retalk1", told=FIRST, fields={"speech2": TEXTS["speech2"]})
    assert video.script is None
    del (told := dict(FIRST | SECOND))["speech1", "return_value"]
    assert seen_from("retalk1", told=told, fields={}).speech == {}


def test_a_job_of_any_model_is_a_job() -> None:
    with DAG(dag_id="any", schedule=None) as dag:
        first = VideoRetalkOperator(task_id="first", video_url="u", audio_url="u")
        first >> DashScopeTaskOperator(task_id="second", model="m", path="p", input={})
    fields = {
        "first": {"video_url": "u", "dashscope_conn_id": "one"},
        "second": {"model": "m", "path": "p", "input": {}, "dashscope_conn_id": "two"},
    }
    told = {("first", "dashscope_task_id"): "t1", ("first", "return_value"): result("t1")}
    video = seen_from("second", kin=_nearest(dag, "second"), told=told, fields=fields, state="running")
    assert (video.task_id, video.result, video.conn_id) == (None, {}, "two")
    alone = seen_from("second", kin=Kin(names=("second", "first")), told=told, fields=fields, state="running")
    assert (alone.task_id, alone.conn_id) == (None, "two"), "also where the DAG is gone"


def test_a_sensor_of_another_dags_task_knows_it_by_its_field() -> None:
    with DAG(dag_id="any", schedule=None) as dag:
        first = VideoRetalkOperator(task_id="first", video_url="u", audio_url="u")
        first >> DashScopeTaskSensor(task_id="wait", dashscope_task_id="t9")
    fields = {"video_url": "u", "dashscope_conn_id": "one"}
    told = {("first", "dashscope_task_id"): "t1", ("first", "return_value"): result("t1")}
    for given in ("t9", {"task_id": "t9", "request_id": "r"}):
        asked = {"dashscope_task_id": given, "dashscope_conn_id": "nine"}
        video = seen_from(
            "wait", kin=_nearest(dag, "wait"), told=told, fields={"first": fields, "wait": asked}, state="deferred"
        )
        assert (video.task_id, video.conn_id, video.result, video.job) == ("t9", "nine", {}, {})


@pytest.mark.usefixtures("dags")
def test_versions_of_a_dag_with_the_same_tasks_share_their_queries() -> None:
    from airflow.models.dag_version import DagVersion
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session(scoped=False) as session:
        version = session.scalar(select(DagVersion.id).where(DagVersion.dag_id == "videoretalk_quickstart"))
        found = kin_of(session, dag_version=version, task_id="retalk")
        assert (found.names, found.after) == (("retalk", "speech", "publish"), {"publish"})
        assert kin_of(session, dag_version=version, task_id="retalk") is found
        assert {found: 1} == {replace(found): 1}, "a key"
