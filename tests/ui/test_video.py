"""Which video a task belongs to, by the XComs and fields of its related tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from airflow.sdk import DAG
from video_rows import NOW, result

from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator
from airflow_provider_videoretalk.operators.make_video import MakeVideoOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor
from airflow_provider_videoretalk.ui.airflow_db.task_row import StoredXCom, TaskRow
from airflow_provider_videoretalk.ui.playable_media import StoredMedium, find_media
from airflow_provider_videoretalk.ui.related_tasks import RelatedTasks, find_related_tasks, nearest_related_tasks
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef
from airflow_provider_videoretalk.ui.task_outputs import TaskOutputs
from airflow_provider_videoretalk.ui.video import Video

FOLDER = "s3://c@b/videos/"
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
    related: RelatedTasks | None = None,
    xcoms: Mapping[tuple[str, str], Any],
    fields: Mapping[str, Mapping[str, Any]],
    state: str = "success",
) -> Video:
    related = related or nearest_related_tasks(two_in_sequence(), task_id)
    ref = TaskInstanceRef(dag_id="two", run_id="r", task_id=task_id, map_index=-1)
    outputs = TaskOutputs(
        viewed=TaskRow(ref=ref, run_number=1, state=state),
        related=related,
        states={(name, -1): "success" for name in related.task_ids} | {(task_id, -1): state},
        xcoms={(task, -1, key): StoredXCom(value=value, timestamp=NOW) for (task, key), value in xcoms.items()},
        fields={(task, -1): task_fields for task, task_fields in fields.items()},
    )
    return outputs.to_video()


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
            video = seen_from(f"{task}{number}", xcoms=FIRST | SECOND, fields=TEXTS)
            found = (video.job_id, video.result["task_id"], video.publication["uri"], video.script)
            assert found == (f"t{number}", f"t{number}", f"s3://b/{number}.mp4", f"Script {number}"), task


def test_a_task_that_has_not_started_shows_nothing_of_the_video_before_it() -> None:
    for task in ("speech2", "retalk2", "publish2"):
        video = seen_from(task, xcoms=FIRST, fields=TEXTS, state="running")
        assert (video.job_id, video.result, video.publication) == (None, {}, {}), task


def test_scripts_come_from_before() -> None:
    video = seen_from("retalk1", xcoms=FIRST, fields={"speech2": TEXTS["speech2"]})
    assert video.script is None
    del (xcoms := dict(FIRST | SECOND))["speech1", "return_value"]
    assert seen_from("retalk1", xcoms=xcoms, fields={}).speech == {}


def test_a_job_of_any_model_is_a_job() -> None:
    with DAG(dag_id="any", schedule=None) as dag:
        first = VideoRetalkOperator(task_id="first", video_url="u", audio_url="u")
        first >> DashScopeTaskOperator(task_id="second", model="m", path="p", input={})
    fields = {
        "first": {"video_url": "u", "dashscope_conn_id": "one"},
        "second": {"model": "m", "path": "p", "input": {}, "dashscope_conn_id": "two"},
    }
    xcoms = {("first", "dashscope_task_id"): "t1", ("first", "return_value"): result("t1")}
    video = seen_from(
        "second", related=nearest_related_tasks(dag, "second"), xcoms=xcoms, fields=fields, state="running"
    )
    assert (video.job_id, video.result, video.conn_id) == (None, {}, "two")
    alone = seen_from(
        "second", related=RelatedTasks(task_ids=("second", "first")), xcoms=xcoms, fields=fields, state="running"
    )
    assert (alone.job_id, alone.conn_id) == (None, "two"), "also where the DAG is gone"


def test_a_sensor_of_another_dags_task_knows_it_by_its_field() -> None:
    with DAG(dag_id="any", schedule=None) as dag:
        first = VideoRetalkOperator(task_id="first", video_url="u", audio_url="u")
        first >> DashScopeTaskSensor(task_id="wait", dashscope_task_id="t9")
    fields = {"video_url": "u", "dashscope_conn_id": "one"}
    xcoms = {("first", "dashscope_task_id"): "t1", ("first", "return_value"): result("t1")}
    for given in ("t9", {"task_id": "t9", "request_id": "r"}):
        asked = {"dashscope_task_id": given, "dashscope_conn_id": "nine"}
        video = seen_from(
            "wait",
            related=nearest_related_tasks(dag, "wait"),
            xcoms=xcoms,
            fields={"first": fields, "wait": asked},
            state="deferred",
        )
        assert (video.job_id, video.conn_id, video.result, video.job_fields) == ("t9", "nine", {}, {})


@pytest.mark.usefixtures("dags")
def test_versions_of_a_dag_with_the_same_tasks_share_their_queries() -> None:
    from airflow.models.dag_version import DagVersion
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session(scoped=False) as session:
        version = session.scalar(select(DagVersion.id).where(DagVersion.dag_id == "videoretalk_quickstart"))
        found = find_related_tasks(session, dag_version=version, task_id="retalk")
        assert (found.task_ids, found.downstream) == (("retalk", "speech", "publish"), {"publish"})
        assert find_related_tasks(session, dag_version=version, task_id="retalk") is found
        assert {found: 1} == {replace(found): 1}, "a key"


def test_a_speech_whose_rendered_url_is_masked_comes_from_its_xcom() -> None:
    """Airflow stores no signature in rendered fields."""
    signed = {"audio_url": "https://a.example.com/a.wav?Expires=1&Signature=x", "request_id": "r1", "seconds": 3.0}
    masked = {"retalk1": {"audio_url": {**signed, "audio_url": "https://a.example.com/a.wav?***"}}}
    xcoms = FIRST | {("speech1", "return_value"): signed}
    assert seen_from("retalk1", xcoms=xcoms, fields=masked).speech == signed
    del xcoms["speech1", "return_value"]
    video = seen_from("retalk1", xcoms=xcoms, fields=masked)
    assert video.speech["seconds"] == 3.0
    assert find_media(video, "audio") == []


def test_published_speech_plays_when_its_own_url_has_expired() -> None:
    speech = {"audio_url": "https://a.example.com/a.wav", "expires_at": "2026-01-01T00:00:00+00:00", "request_id": "r1"}
    kept = {"uri": "s3://c@b/r1.wav", "request_id": "r1", "sha256": "5" * 64}
    xcoms = {("speech1", "return_value"): speech, ("publish1", "return_value"): kept}
    video = seen_from("publish1", xcoms=xcoms, fields={"publish1": {"destination": "s3://c@b/"}})
    (medium,) = find_media(video, "audio")
    assert medium == StoredMedium(
        uri="s3://c@b/r1.wav", content_type="audio/wav", identity={"request_id": "r1", "sha256": "5" * 64}
    )
    assert find_media(video, "result") == []


def test_a_video_of_several_pieces_plays_from_the_folder_of_its_task_alone() -> None:
    joined = {"task_id": "job-3", "video_url": None, "video_location": "s3://c@b/videos/pieces/abc.mp4"}
    with DAG(dag_id="two", schedule=None) as dag:
        MakeVideoOperator(task_id="make", row={"label": "a", "row": 0}, folder=FOLDER)
    see = partial(seen_from, "make", related=nearest_related_tasks(dag, "make"), fields={"make": {"folder": FOLDER}})
    assert find_media(see(xcoms={("make", "return_value"): joined}), "result") == [
        StoredMedium(uri="s3://c@b/videos/pieces/abc.mp4", content_type="video/mp4", identity={"task_id": "job-3"})
    ]
    for elsewhere in ("s3://c@b/other/abc.mp4", "s3://c@b/videos/pieces/../abc.mp4", "file:///etc/abc.mp4"):
        moved = {("make", "return_value"): {**joined, "video_location": elsewhere}}
        assert find_media(see(xcoms=moved), "result") == []
