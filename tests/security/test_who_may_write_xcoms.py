"""Who may write XComs can make Airflow open neither a store nor a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from object_store import ObjectStore, attached
from pytest_httpserver import HTTPServer
from video_rows import Row, result

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.ui import media_stream

DAG = "videoretalk_quickstart"
PAGE = f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1"
CONTENT = b"video" * 1000
HOSTILE_URLS = [
    "file:///etc/hostname",
    "/etc/hostname",
    "s3://any_conn@bucket/secret.mp4",
    "oss://dashscope-instant/of-somebody-else.wav",
    "gs://any@bucket/a.wav",
    ["https://a.example/"],
    {"audio_url": "https://a.example/"},
    "//etc/hostname",
    7,
]
Runs = Callable[..., None]
Login = Callable[..., TestClient]
Publish = Callable[[str, bytes], dict[str, Any]]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URIs that the API server opens."""
    uris: list[str] = []
    open_stored = media_stream._open_stored

    def record(medium: Any, range_header: str | None) -> Any:
        uris.append(medium.uri)
        return open_stored(medium, range_header)

    monkeypatch.setattr(media_stream, "_open_stored", record)
    return uris


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_speech_that_is_no_url(url: Any, service: HTTPServer, context: dict[str, Any]) -> None:
    for mode in ("strict", "off"):
        task = VideoRetalkOperator(
            task_id="retalk", video_url="https://v.example/v.mp4", audio_url={"audio_url": url}, preflight=mode
        )
        with pytest.raises(InputError, match="audio_url"):
            task.execute(context)
    assert not service.log


@pytest.mark.parametrize("field", ["video_url", "audio_url", "url"])
@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_a_result_that_is_no_url(field: str, url: Any, tmp_path: Path, context: dict[str, Any]) -> None:
    task = PublishMediaOperator(task_id="publish", source={field: url}, destination=f"{tmp_path.as_uri()}/")
    with pytest.raises(InputError, match="source"):
        task.execute(context)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("location", [*HOSTILE_URLS, "https://a.example/a.mp4", "s3://mine@other/a.mp4"])
def test_a_location_in_no_store_of_the_task(location: Any, context: dict[str, Any]) -> None:
    """A joined video is read from a store. An XCom chooses none that the task does not write to."""
    mine, other = ObjectStore(), ObjectStore()
    source: Any = {"task_id": "t1", "video_location": location}
    task = PublishMediaOperator(task_id="publish", source=source, destination="s3://mine@bucket/videos/")
    with attached(mine=mine, any_conn=other), pytest.raises(InputError, match="source's video_location is"):
        task.execute(context)
    assert not mine.steps
    assert not other.steps


@pytest.mark.parametrize("task_id", ["../pwn", "/etc/pwn", "a/b", "..", ".hidden", "a\\b", "a\x00b", "x" * 300])
def test_an_id_that_is_no_name(task_id: str, tmp_path: Path, context: dict[str, Any]) -> None:
    source = {"video_url": "https://v.example/a.py", "task_id": task_id}
    folder = tmp_path / "videos"
    folder.mkdir()
    with pytest.raises(InputError, match="cannot name an object"):
        PublishMediaOperator(task_id="publish", source=source, destination=f"{folder.as_uri()}/").execute(context)
    assert [path.name for path in tmp_path.rglob("*")] == ["videos"]


def rows(
    *, publication: dict[str, Any], destination: Any, storage_conn_id: str | None = None, **fields: Any
) -> list[Row]:
    job = {"video_url": "https://v.example/v.mp4", "audio_url": {"audio_url": "https://a.example/a.wav"}}
    rendered = {"destination": destination, "storage_conn_id": storage_conn_id, **fields}
    return [
        Row(task_id="retalk", xcoms={"dashscope_task_id": "t", "return_value": result("t")}, fields=job),
        Row(task_id="publish", xcoms={"return_value": publication}, fields=rendered),
    ]


@pytest.mark.parametrize(
    "destination",
    [
        None,
        "",
        7,
        "Truncated. You can change this behaviour in [core]max_templated_field_length. 'file:///",
        "s3://conn@bucket/videos/",
        "file:///srv/videos/",
        ["file:///srv/videos/", {"a": 1}],
    ],
)
def test_a_published_object_that_no_destination_names(
    destination: Any, runs: Runs, login: Login, published: Publish, opened: list[str]
) -> None:
    """The JSON beside the file is right, so the destination alone tells that it is not the task's."""
    runs(DAG, one=rows(publication=published("t", CONTENT), destination=destination))
    assert login(DAG).get(f"{PAGE}/media/result").status_code == 404
    assert login(DAG).get(PAGE).status_code == 200
    assert opened == []


@pytest.mark.parametrize(
    ("named", "destination"),
    [
        ("s3://conn@bucket/videos/t.mp4", "s3://other@bucket/videos/"),
        ("s3://conn@bucket/videos/t.mp4", "s3://conn@bucket/videos-other/"),
        ("s3://conn@bucket/videos/../t.mp4", "s3://conn@bucket/videos/"),
        ("s3://conn@bucket/videos/a/t.mp4", "s3://conn@bucket/videos/"),
        ("s3://conn@bucket/videos/t.mp4", "s3://conn@bucket/videos/u.mp4"),
        ("s3://bucket/videos/t.mp4", "s3://conn@bucket/videos/"),
        ("file:///srv/videos/..%2F..%2Fetc%2Ft.mp4", "file:///srv/videos/"),
        ("file:///srv/videos/../t.mp4", "file:///srv/videos/"),
        ("file:///srv/videos/t.mp4", "file:///srv/videos-other/"),
    ],
)
def test_an_object_beside_the_destination(
    named: str, destination: str, runs: Runs, login: Login, opened: list[str]
) -> None:
    publication = {"uri": named, "sha256": "0", "size": 1, "task_id": "t"}
    runs(DAG, one=rows(publication=publication, destination=destination))
    assert login(DAG).get(f"{PAGE}/media/result").status_code == 404
    assert opened == []


def test_a_destination_that_was_refused_is_not_opened(
    runs: Runs, login: Login, published: Publish, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused task has rendered fields too, and somebody may write its return value."""
    publication = published("t", CONTENT)
    narrowed = rows(publication=publication, destination=publication["uri"], allowed_destinations=["s3://conn@b/"])
    runs(DAG, one=rows(publication=publication, destination=publication["uri"]), two=narrowed)
    client = login(DAG)
    assert client.get(f"{PAGE}/media/result").content == CONTENT
    assert opened == [publication["uri"]]
    assert client.get(f"{PAGE.replace('one', 'two')}/media/result").status_code == 404
    monkeypatch.setenv("AIRFLOW__VIDEORETALK__ALLOWED_DESTINATIONS", "remote")
    assert client.get(f"{PAGE}/media/result").status_code == 404
    assert len(opened) == 1


def test_a_published_object_is_found_by_each_way_to_name_it(
    runs: Runs, login: Login, published: Publish, tmp_path: Path
) -> None:
    publication = published("t", CONTENT)
    folder, uri = f"{tmp_path.as_uri()}/", publication["uri"]
    for number, destination in enumerate((uri, folder, f"{tmp_path}/", ["s3://conn@bucket/videos/", folder])):
        run = f"run{number}"
        runs(DAG, **{run: rows(publication=publication, destination=destination)})
        reply = login(DAG).get(f"{PAGE.replace('one', run)}/media/result")
        assert (reply.status_code, reply.content) == (200, CONTENT), destination


@pytest.mark.parametrize("location", ["s3://any@bucket/secret.mp4", "gs://any@bucket/secret.mp4", "/etc/a.mp4"])
def test_inputs_in_a_return_value(location: str, runs: Runs, login: Login, opened: list[str]) -> None:
    speech = {"audio_url": location.replace("mp4", "wav"), "format": "wav", "seconds": 3.0}
    returned = result("t", inputs={"video_url": location, "audio_url": location})
    job = {"video_url": "https://v.example/v.mp4", "audio_url": speech}
    runs(
        DAG,
        one=[
            Row(task_id="speech", xcoms={"return_value": speech}),
            Row(task_id="retalk", xcoms={"dashscope_task_id": "t", "return_value": returned}),
        ],
        two=[Row(task_id="retalk", xcoms={"dashscope_task_id": "t", "return_value": returned}, fields=job)],
        three=[
            Row(
                task_id="retalk",
                xcoms={"dashscope_task_id": "t", "return_value": returned | {"video_url": location}},
                fields={"video_url": location, "audio_url": speech["audio_url"], "allowed_sources": ["https://"]},
            )
        ],
    )
    client = login(DAG)
    for run in ("one", "two", "three"):
        page = PAGE.replace("one", run)
        assert client.get(page).status_code == 200
        for part in ("source", "audio", "result"):
            if (run, part) != ("two", "source"):
                assert client.get(f"{page}/media/{part}").status_code == 404
    assert opened == []


def test_the_link_in_a_review_is_no_xcom(examples: Any) -> None:
    review = examples.load("videoretalk_review").get_task("review")
    assert "xcom_pull" not in review.body
    body = examples.render(review).body
    assert "(/videoretalk/dags/videoretalk_review/runs/run/tasks/retalk/-1)" in body, json.dumps(body)
