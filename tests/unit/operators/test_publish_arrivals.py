"""Nothing that arrives is trusted: pages in place of videos, hostile names, refusals before the end of a URL."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from connections import connect
from media_files import image, wav
from object_store import ObjectStore, attached
from pytest_httpserver import HTTPServer
from small_mp4 import mp4
from werkzeug import Response

from airflow_provider_videoretalk.dashscope.errors import InputError, ResultExpiredError, TransportError
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.template_values import as_location

VIDEO = mp4(bytes(200_000), seconds=7.2)
PAGE = b"<html><head><title>502</title></head></html>"


pytestmark = pytest.mark.usefixtures("sources_on_this_machine")


@pytest.fixture
def result(httpserver: HTTPServer) -> dict[str, Any]:
    """The return value of a VideoRetalk task; nothing is at its URL yet."""
    return {
        "task_id": "t1",
        "video_url": httpserver.url_for("/out.mp4?Signature=secret"),
        "expires_at": in_hours(23),
        "billed_seconds": 7.2,
        "cost": 0.576,
    }


def in_hours(hours: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(hours=hours)).isoformat()


def publish(context: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    returned: dict[str, Any] = PublishMediaOperator(task_id="publish", **arguments).execute(context)
    return returned


def serve(httpserver: HTTPServer, content: bytes, *, path: str = "/out.mp4", content_type: str = "video/mp4") -> None:
    httpserver.expect_request(path).respond_with_data(content, content_type=content_type)


@pytest.mark.parametrize("if_exists", ["overwrite", "fail", "skip_same"])
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (PAGE, "an HTML page"),
        (b"", "an empty file"),
        (b'{"code": "InternalError"}', "a JSON document"),
        (VIDEO[:30], "an MP4 file that is cut after 30 bytes"),
        (VIDEO[:-10], "an MP4 file that is cut after 0.2 MB"),
        (mp4(bytes(200_000), seconds=7.2, index_first=True)[:-10], "an MP4 file that is cut after 0.2 MB"),
        (mp4(seconds=3), "a file of 3.00 s, where 7.20 s were billed"),
        (wav(seconds=7.2), "a WAV file"),
        (image("png"), "a PNG image"),
    ],
)
def test_what_is_no_video_is_published_nowhere(
    tmp_path: Path,
    httpserver: HTTPServer,
    result: dict[str, Any],
    context: dict[str, Any],
    content: bytes,
    what: str,
    if_exists: str,
) -> None:
    serve(httpserver, content)
    store = ObjectStore()
    destination = [f"{tmp_path.as_uri()}/", "s3://mine@bucket/videos/"]
    with attached(mine=store), pytest.raises(TransportError, match=f"source is {what}") as caught:
        publish(context, source=result, destination=destination, if_exists=if_exists)
    assert caught.value.retryable
    assert not list(tmp_path.iterdir())
    assert not store.objects
    assert not store.uploads
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("looked_at", [None, {"kind": "json"}, {"kind": "audio"}, "video", {}])
def test_an_error_page_of_an_earlier_release_does_not_stay(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any], looked_at: object
) -> None:
    """Its metadata names the same render job, and its size is right."""
    serve(httpserver, VIDEO)
    (tmp_path / "t1.mp4").write_bytes(PAGE)
    metadata = {"task_id": "t1", "size": len(PAGE), "verified": ["length"], "content_type": "text/html"}
    metadata |= {"media": looked_at} if looked_at is not None else {}
    (tmp_path / "t1.mp4.json").write_text(json.dumps(metadata))
    publish(context, source=result, destination=f"{tmp_path.as_uri()}/", if_exists="skip_same")
    assert (tmp_path / "t1.mp4").read_bytes() == VIDEO
    asked = len(httpserver.log)
    publish(context, source=result, destination=f"{tmp_path.as_uri()}/", if_exists="skip_same")
    assert len(httpserver.log) == asked


@pytest.mark.parametrize(
    "said", ["text/html", "text/html; charset=utf-8", "application/octet-stream", "image/svg+xml", ""]
)
def test_the_content_type_is_what_the_bytes_are(
    httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any], said: str
) -> None:
    serve(httpserver, VIDEO, content_type=said)
    store = ObjectStore()
    with attached(mine=store):
        returned = publish(context, source=result, destination="s3://mine@bucket/en.mp4")
    assert (store.opened[0]["ContentType"], returned["content_type"]) == ("video/mp4", "video/mp4")
    assert returned["media"]["kind"] == "video"
    assert returned["media"]["seconds"] == 7.2
    assert json.loads(store.objects["bucket/en.mp4.json"])["media"] == returned["media"]


@pytest.mark.parametrize(
    ("source", "content", "name"),
    [
        # Results of other models, as DashScopeTaskOperator returns them.
        ({"video_url": "/a.png", "task_id": "t1", "billed_seconds": None}, image("png"), "t1.png"),
        ({"video_url": "/a.json", "task_id": "t1", "billed_seconds": 12.0}, b'{"transcripts": []}', "t1.json"),
        ({"video_url": "/a", "task_id": "t1", "billed_seconds": None}, image("jpeg"), "t1"),
        ({"video_url": "/a.mp3x", "task_id": "t1", "billed_seconds": 7.0}, VIDEO, "t1.mp4"),
        ({"audio_url": "/a.wav", "request_id": "r1", "seconds": 3.0}, wav(seconds=3), "r1.wav"),
        ({"audio_url": "/a", "request_id": "r1", "seconds": None, "format": "pcm"}, bytes(range(256)), "r1.pcm"),
        ({"url": "/a.json"}, b"[]", "a.json"),
        ("/clip.wav", wav(), "clip.wav"),
        ("/clip.mp4", VIDEO, "clip.mp4"),
    ],
)
def test_results_of_every_kind(
    tmp_path: Path, httpserver: HTTPServer, context: dict[str, Any], source: Any, content: bytes, name: str
) -> None:
    path = source if isinstance(source, str) else next(value for key, value in source.items() if key.endswith("url"))
    serve(httpserver, content, path=path, content_type="text/html")
    url = httpserver.url_for(path)
    full = url if isinstance(source, str) else {key: url if value == path else value for key, value in source.items()}
    publish(context, source=full, destination=f"{tmp_path.as_uri()}/")
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize(
    ("names", "path"),
    [
        ({"task_id": "../pwn"}, "/pwn.py"),
        ({"task_id": "/etc/cron.d/pwn"}, "/out.mp4"),
        ({"task_id": None, "request_id": "..\\pwn"}, "/out.mp4"),
        ({"task_id": "%2e%2e%2fpwn"}, "/out.mp4"),
    ],
)
def test_a_hostile_id_writes_nowhere(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any], names: Any, path: str
) -> None:
    serve(httpserver, VIDEO, path=path)
    folder = tmp_path / "dags" / "videos"
    source = result | {"video_url": httpserver.url_for(path)} | names
    with pytest.raises(InputError, match="Name the object in destination"):
        publish(context, source=source, destination=f"{folder.as_uri()}/")
    assert not list(tmp_path.iterdir())
    assert not httpserver.log
    publish(context, source=source, destination=(folder / "en.mp4").as_uri())
    assert {found.name for found in folder.iterdir()} == {"en.mp4", "en.mp4.json"}


def test_no_suffix_of_a_program(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any]
) -> None:
    serve(httpserver, VIDEO, path="/out.py")
    source = result | {"video_url": httpserver.url_for("/out.py")}
    publish(context, source=source, destination=f"{tmp_path.as_uri()}/")
    assert {found.name for found in tmp_path.iterdir()} == {"t1.mp4", "t1.mp4.json"}


@pytest.mark.parametrize("status", [403, 404, 410])
@pytest.mark.parametrize("told_by", ["the task", "the URL"])
def test_a_refusal_before_the_end_is_retryable(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any], status: int, told_by: str
) -> None:
    httpserver.expect_request("/out.mp4").respond_with_response(Response("<Error/>", status=status))
    if told_by == "the URL":
        end = int(datetime.now(timezone.utc).timestamp()) + 3600
        result |= {"expires_at": None, "video_url": httpserver.url_for(f"/out.mp4?Expires={end}&Signature=secret")}
    with pytest.raises(TransportError, match="expires only at") as caught:
        publish(context, source=result, destination=f"{tmp_path.as_uri()}/")
    assert (caught.value.retryable, caught.value.status) == (True, status)
    assert "not billed" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_refused_url_is_requested_again(
    tmp_path: Path,
    httpserver: HTTPServer,
    result: dict[str, Any],
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect(monkeypatch, host=httpserver.url_for("/api/v1"))
    httpserver.expect_request("/out.mp4").respond_with_response(Response("<Error/>", status=403))
    serve(httpserver, VIDEO, path="/fresh.mp4")
    fresh = {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": httpserver.url_for("/fresh.mp4")}
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json({"output": fresh})
    publish(context, source=result, destination=f"{tmp_path.as_uri()}/", dashscope_conn_id="dashscope_default")
    assert (tmp_path / "t1.mp4").read_bytes() == VIDEO


def test_a_new_url_that_is_none_is_told(
    tmp_path: Path,
    httpserver: HTTPServer,
    result: dict[str, Any],
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect(monkeypatch, host=httpserver.url_for("/api/v1"))
    fresh = {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "https://\u00fc..example/a.mp4"}
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json({"output": fresh})
    result["expires_at"] = in_hours(-1)
    with pytest.raises(InputError, match=r"^source has an invalid host name"):
        publish(context, source=result, destination=f"{tmp_path.as_uri()}/", dashscope_conn_id="dashscope_default")


@pytest.mark.parametrize(
    "changes", [{"expires_at": in_hours(-1)}, {"expires_at": None, "query": "?Expires=1700000000&Signature=s"}]
)
def test_an_expired_url_names_the_free_way_first(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any], changes: dict[str, Any]
) -> None:
    if "query" in changes:
        result["video_url"] = httpserver.url_for(f"/out.mp4{changes['query']}")
    result["expires_at"] = changes["expires_at"]
    with pytest.raises(ResultExpiredError, match=r"for free: set dashscope_conn_id.* is billed again") as caught:
        publish(context, source=result, destination=f"{tmp_path.as_uri()}/")
    assert not caught.value.retryable
    assert not httpserver.log


def test_a_forgotten_job_says_what_another_one_costs(
    tmp_path: Path,
    httpserver: HTTPServer,
    result: dict[str, Any],
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect(monkeypatch, host=httpserver.url_for("/api/v1"))
    for output in ({"task_id": "t1", "task_status": "UNKNOWN"}, {"task_id": "t1", "task_status": "SUCCEEDED"}):
        httpserver.clear()
        httpserver.expect_request("/api/v1/tasks/t1").respond_with_json({"output": output})
        result["expires_at"] = in_hours(-1)
        with pytest.raises(Exception, match="Making the result again is billed again"):
            publish(context, source=result, destination=f"{tmp_path.as_uri()}/", dashscope_conn_id="dashscope_default")


@pytest.mark.parametrize("odd", ["tomorrow", 12, ["x"], "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_odd_end_is_no_end(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any], odd: object
) -> None:
    serve(httpserver, VIDEO)
    publish(context, source=result | {"expires_at": odd}, destination=f"{tmp_path.as_uri()}/")
    assert (tmp_path / "t1.mp4").exists()


@pytest.mark.parametrize("name", ["a b", "größe", "a%20b", "100%", "#1?", "a+b", "%2F"])
def test_what_is_published_is_found_under_its_uri(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any], name: str
) -> None:
    """The URI that publishing returns is a source, on a disk and in a store."""
    from airflow_provider_videoretalk.inputs.source import source_of

    serve(httpserver, VIDEO)
    store = ObjectStore()
    with attached(mine=store):
        remote = f"s3://mine@bucket/{name}/en.mp4"
        returned = publish(context, source=result, destination=[(tmp_path / name / "en.mp4").as_uri(), remote])
        local, stored = (source_of("video_url", as_location("video_url", uri)).location for uri in returned["uris"])
        assert Path(str(local)).read_bytes() == VIDEO
        assert (returned["uris"][1], stored.path) == (remote, f"bucket/{name}/en.mp4")  # type: ignore[union-attr]
        assert f"bucket/{name}/en.mp4" in store.objects


@pytest.mark.parametrize("form", ["file://{}/", "file:{}/", "FILE://{}/", "file://localhost{}/", " file://{}/ "])
def test_a_file_uri_names_the_folder_that_it_is_written_to(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any], form: str
) -> None:
    serve(httpserver, VIDEO)
    publish(context, source=result, destination=form.format(f"{tmp_path}/a%20b"))
    assert [found.name for found in tmp_path.iterdir()] == ["a b"]


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("file://host/videos/", "names the host 'host'"),
        ("file://videos", "names the host 'videos'"),
        ("file:videos/", "begins with a slash"),
        ("file:///videos/a#b.mp4", "# as %23"),
        ("file:///videos/what?.mp4", "[?] is written as %3F"),
        ("file:///videos/a%00b.mp4", "control character"),
        ("s3://mine@bucket/a\nb.mp4", "control character"),
        ("videos/en.mp4", "without a scheme begins with a slash"),
        ("./en.mp4", "without a scheme begins with a slash"),
        ("local://videos/en.mp4", "names the host 'videos'"),
    ],
)
def test_destinations_that_could_be_read_in_two_ways(
    httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any], destination: str, message: str
) -> None:
    with attached(mine=ObjectStore()), pytest.raises(InputError, match=message):
        publish(context, source=result, destination=destination)
    assert not httpserver.log


@pytest.mark.parametrize("redirected", [False, True])
def test_a_private_address_is_read_from_the_own_host_only(
    tmp_path: Path,
    httpserver: HTTPServer,
    result: dict[str, Any],
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    redirected: bool,
) -> None:
    serve(httpserver, VIDEO, path="/moved.mp4" if redirected else "/out.mp4")
    if redirected:
        moved = Response(status=302, headers={"Location": httpserver.url_for("/moved.mp4")})
        httpserver.expect_request("/out.mp4").respond_with_response(moved)
    target = tmp_path / "t1.mp4"
    monkeypatch.delenv("AIRFLOW_CONN_DASHSCOPE_DEFAULT")
    with pytest.raises(InputError, match="has no public address, allowed are public addresses"):
        publish(context, source=result, destination=target.as_uri())
    assert not httpserver.log
    connect(monkeypatch, host="https://elsewhere.example", name="other")
    with pytest.raises(InputError, match="has no public address"):
        publish(context, source=result, destination=target.as_uri(), dashscope_conn_id="other")
    assert not target.exists()
    connect(monkeypatch, host=httpserver.url_for("/api/v1"), name="other")
    publish(context, source=result, destination=target.as_uri(), dashscope_conn_id="other")
    assert target.read_bytes() == VIDEO
