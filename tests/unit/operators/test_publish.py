from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, AssetAlias
from connections import connect
from faulty_origin import FaultyOrigin, Turn
from media_files import wav
from object_store import ObjectStore, attached
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_httpserver import HTTPServer
from small_mp4 import mp4
from werkzeug import Response

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.airflow_adapters.job_history_writer import open_history
from airflow_provider_videoretalk.airflow_adapters.object_storage_path import store_path
from airflow_provider_videoretalk.dashscope.errors import (
    InputError,
    ResultExpiredError,
    TaskUnknownError,
    TransportError,
)
from airflow_provider_videoretalk.job_history.fact_keys import day_of
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator

try:
    from airflow.sdk.lineage import HookLineageCollector
except ImportError:
    # Airflow 3.1.
    from airflow.lineage.hook import HookLineageCollector

CONTENT = mp4(bytes(range(256)) * 20_000, seconds=7.2)


pytestmark = pytest.mark.usefixtures("sources_on_this_machine")


@pytest.fixture
def result(httpserver: HTTPServer) -> dict[str, Any]:
    """The return value of a retalk task, with a URL that works."""
    httpserver.expect_request("/out.mp4").respond_with_data(CONTENT, content_type="video/mp4")
    return {
        "task_id": "t1",
        "request_id": "r1",
        "status": "SUCCEEDED",
        "video_url": httpserver.url_for("/out.mp4?Signature=secret"),
        "expires_at": (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat(),
        "billed_seconds": 7.2,
    }


def operator(**arguments: Any) -> PublishMediaOperator:
    return PublishMediaOperator(task_id="publish", **arguments)


def test_publishes_the_object_and_its_metadata(tmp_path: Path, result: dict[str, Any], context: dict[str, Any]) -> None:
    destination = tmp_path / "videos" / "en.mp4"
    asset, alias = Asset("video"), AssetAlias("videos")
    task = operator(
        source=result, destination=destination.as_uri(), metadata={"language": "en"}, outlets=[asset, alias]
    )
    returned = task.execute(context)
    assert destination.read_bytes() == CONTENT
    metadata = json.loads((tmp_path / "videos" / "en.mp4.json").read_text())
    assert metadata == {name: value for name, value in returned.items() if name != "metadata_uri"}
    assert metadata["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (metadata["size"], metadata["content_type"]) == (len(CONTENT), "video/mp4")
    assert (metadata["task_id"], metadata["billed_seconds"], metadata["language"]) == ("t1", 7.2, "en")
    assert "secret" not in json.dumps(returned)
    assert context["outlet_events"][asset].extra == metadata
    assert context["outlet_events"][alias].added == [(destination.as_uri(), metadata)]


def test_a_folder_gets_the_tasks_name(tmp_path: Path, result: dict[str, Any], context: dict[str, Any]) -> None:
    returned = operator(source=result, destination=f"{tmp_path.as_uri()}/").execute(context)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t1.mp4", "t1.mp4.json"]
    assert returned["uri"].endswith("/t1.mp4")


@pytest.mark.parametrize("name", ["a b", "größe", "a%20b", "100%", "#1?"])
def test_a_file_uri_is_percent_encoded(
    tmp_path: Path, result: dict[str, Any], context: dict[str, Any], name: str
) -> None:
    folder, alias = tmp_path / name, AssetAlias("videos")
    returned = operator(source=result, destination=f"{folder.as_uri()}/", outlets=[alias]).execute(context)
    assert sorted(path.name for path in folder.iterdir()) == ["t1.mp4", "t1.mp4.json"]
    assert returned["uri"] == (folder / "t1.mp4").as_uri()
    assert returned["metadata_uri"] == (folder / "t1.mp4.json").as_uri()
    assert store_path(returned["uri"]).read_bytes() == CONTENT
    ((uri, _),) = context["outlet_events"][alias].added
    assert uri == returned["uri"]


def test_allowed_sources_hold_for_a_url_and_not_for_a_tasks_result(
    tmp_path: Path, result: dict[str, Any], context: dict[str, Any]
) -> None:
    only: dict[str, Any] = {"allowed_sources": "https://mine.example/", "destination": f"{tmp_path.as_uri()}/"}
    with pytest.raises(InputError, match=r"^source is 'http://.*\ballowed_sources"):
        operator(source=result["video_url"], **only).execute(context)
    assert not list(tmp_path.iterdir())
    assert operator(source=result, **only).execute(context)["task_id"] == "t1"


def test_the_templated_fields() -> None:
    assert PublishMediaOperator.template_fields == (
        "source",
        "destination",
        "storage_conn_id",
        "dashscope_conn_id",
        "metadata",
        "subtitles",
        "subtitle_track",
        "allowed_sources",
        "allowed_destinations",
        "aigc_label",
        "content_credentials",
        "presenter",
        "lip_check",
    )


def test_a_plain_url(tmp_path: Path, result: dict[str, Any], context: dict[str, Any]) -> None:
    operator(source=result["video_url"], destination=f"{tmp_path.as_uri()}/").execute(context)
    assert (tmp_path / "out.mp4").read_bytes() == CONTENT


def test_a_folder_without_its_slash(tmp_path: Path, result: dict[str, Any], context: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"which is a folder.* End it with a slash"):
        operator(source=result, destination=tmp_path.as_uri()).execute(context)
    assert not list(tmp_path.iterdir())


def test_an_object_store(result: dict[str, Any], context: dict[str, Any]) -> None:
    store, alias = ObjectStore(), AssetAlias("videos")
    with attached(mine=store):
        task = operator(source=result, destination="s3://mine@bucket/a b/en.mp4", outlets=[alias])
        returned = task.execute(context)
    assert (returned["uri"], returned["metadata_uri"]) == (
        "s3://mine@bucket/a b/en.mp4",
        "s3://mine@bucket/a b/en.mp4.json",
    )
    ((uri, _),) = context["outlet_events"][alias].added
    assert uri == "s3://bucket/a%20b/en.mp4"
    assert [(call["path"], call["ContentType"]) for call in store.opened] == [
        ("bucket/a b/en.mp4", "video/mp4"),
        ("bucket/a b/en.mp4.json", "application/json"),
    ]
    assert store.objects["bucket/a b/en.mp4"] == CONTENT


def test_oss(result: dict[str, Any], context: dict[str, Any]) -> None:
    store, alias = ObjectStore(), AssetAlias("videos")
    with attached("oss", mine=store):
        task = operator(source=result, destination="oss://mine@bucket/videos/", outlets=[alias])
        assert task.execute(context)["uri"] == "oss://mine@bucket/videos/t1.mp4"
    ((uri, _),) = context["outlet_events"][alias].added
    assert uri == "oss://bucket/videos/t1.mp4"
    assert store.objects["bucket/videos/t1.mp4"] == CONTENT
    assert store.opened[0]["ContentType"] == "video/mp4"


def test_the_connection_of_a_store_whose_uri_names_none(result: dict[str, Any], context: dict[str, Any]) -> None:
    mine, other = ObjectStore(), ObjectStore()
    with attached(mine=mine, other=other):
        task = operator(
            source=result, destination=["s3://bucket/en.mp4", "s3://other@bucket/en.mp4"], storage_conn_id="mine"
        )
        assert task.execute(context)["uris"] == ["s3://mine@bucket/en.mp4", "s3://other@bucket/en.mp4"]
    assert mine.objects.keys() == other.objects.keys() == {"bucket/en.mp4", "bucket/en.mp4.json"}


def test_several_destinations(tmp_path: Path, result: dict[str, Any], context: dict[str, Any]) -> None:
    asset, alias, store = Asset("video"), AssetAlias("videos"), ObjectStore()
    folder, remote = f"{tmp_path.as_uri()}/", "s3://mine@bucket/en.mp4"
    with attached(mine=store):
        task = operator(source=result, destination=[folder, remote], metadata={"a": 1}, outlets=[asset, alias])
        returned = task.execute(context)
    local = (tmp_path / "t1.mp4").as_uri()
    assert returned["uris"] == [local, remote]
    assert returned["metadata_uris"] == [f"{local}.json", f"{remote}.json"]
    assert (returned["uri"], returned["metadata_uri"]) == (local, f"{local}.json")
    metadata = [json.loads((tmp_path / "t1.mp4.json").read_text()), json.loads(store.objects["bucket/en.mp4.json"])]
    assert [each["uri"] for each in metadata] == [local, remote]
    assert [each["sha256"] for each in metadata] == [hashlib.sha256(CONTENT).hexdigest()] * 2
    assert context["outlet_events"][asset].extra == metadata[0]
    assert context["outlet_events"][alias].added == [(local, metadata[0]), ("s3://bucket/en.mp4", metadata[1])]


def test_a_list_of_one_returns_lists(tmp_path: Path, result: dict[str, Any], context: dict[str, Any]) -> None:
    returned = operator(source=result, destination=[f"{tmp_path.as_uri()}/"]).execute(context)
    assert returned["uris"] == [returned["uri"]]
    assert returned["metadata_uris"] == [returned["metadata_uri"]]


def test_names_are_templates(tmp_path: Path, result: dict[str, Any], context: dict[str, Any]) -> None:
    task = operator(
        source=result,
        destination=[
            f"{tmp_path.as_uri()}/{{{{ ds }}}}/{{{{ params.language }}}}/",
            f"{tmp_path.as_uri()}/{{{{ ds }}}}.mp4",
        ],
    )
    with DAG("dag"):
        task.render_template_fields({"ds": "2026-11-22", "params": {"language": "en"}})
    task.execute(context)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.mp4")}
    assert found == {"2026-11-22/en/t1.mp4", "2026-11-22.mp4"}


def test_the_metadata_lists_the_verified_values(tmp_path: Path, context: dict[str, Any]) -> None:
    usage = {"task_id": "t1", "request_id": "r1", "usage": {"video_duration": 7.2}, "cost": {"amount": 0.576}}
    with FaultyOrigin(CONTENT, sums=("md5", "crc64")) as origin:
        operator(source=usage | {"video_url": origin.url}, destination=f"{tmp_path.as_uri()}/").execute(context)
    metadata = json.loads((tmp_path / "t1.mp4.json").read_text())
    assert {"length", "crc64"} <= set(metadata["verified"])
    assert metadata["unverified"] == {}
    assert usage.items() <= metadata.items()
    assert datetime.fromisoformat(metadata["published_at"]) <= datetime.now(timezone.utc)
    assert "secret" not in json.dumps(metadata)


def test_a_url_that_expires_on_the_way_is_requested_again(
    tmp_path: Path,
    httpserver: HTTPServer,
    result: dict[str, Any],
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    masked: list[str],
) -> None:
    connect(monkeypatch, host=httpserver.url_for("/api/v1"), allow_private=True)
    url = f"{result['video_url'].partition('?')[0]}?Expires=1995000000&OSSAccessKeyId=k&Signature=fresh-signature"
    fresh = {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": url}
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json({"output": fresh})
    with FaultyOrigin(bytes(9_000_000), script=[Turn(kind="cut", at=100), Turn(kind="status", status=403)]) as origin:
        result["video_url"] = origin.url
        operator(source=result, destination=f"{tmp_path.as_uri()}/", dashscope_conn_id="dashscope_default").execute(
            context
        )
    assert (tmp_path / "t1.mp4").read_bytes() == CONTENT
    assert "fresh-signature" in masked
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t1.mp4", "t1.mp4.json"]


def test_skips_the_same_also_when_its_url_has_expired(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any]
) -> None:
    """A task that is cleared days later finds what it published; its outlets get their events again."""
    destination, alias = f"{tmp_path.as_uri()}/", AssetAlias("videos")
    first = operator(source=result, destination=destination).execute(context)
    result["expires_at"] = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
    asked = len(httpserver.log)
    task = operator(source=result, destination=destination, if_exists="skip_same", metadata={"new": 1}, outlets=[alias])
    assert task.execute(context) == first
    assert len(httpserver.log) == asked
    metadata = {name: value for name, value in first.items() if name != "metadata_uri"}
    assert context["outlet_events"][alias].added == [(first["uri"], metadata)]


def test_metadata_that_is_no_json(tmp_path: Path, result: dict[str, Any], context: dict[str, Any]) -> None:
    task = operator(source=result, destination=f"{tmp_path.as_uri()}/", metadata={"seconds": float("nan")})
    with pytest.raises(InputError, match=r"^metadata cannot be written as JSON"):
        task.execute(context)
    assert list(tmp_path.iterdir()) == []


def test_speech_is_known_by_its_request(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any]
) -> None:
    httpserver.expect_request("/speech.wav").respond_with_data(wav(), content_type="audio/wav")
    speech = {"audio_url": httpserver.url_for("/speech.wav"), "request_id": "r1", "task_id": None}
    for request_id, requests in (("r1", 1), ("r1", 1), ("r2", 2)):
        source = speech | {"request_id": request_id}
        destination = (tmp_path / "speech.wav").as_uri()
        operator(source=source, destination=destination, if_exists="skip_same").execute(context)
        assert len(httpserver.log) == requests


def test_a_plain_url_is_fetched_to_see_whether_it_is_the_same(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any]
) -> None:
    path = tmp_path / "en.mp4"
    for _ in range(2):
        operator(source=result["video_url"], destination=path.as_uri(), if_exists="skip_same").execute(context)
        path.touch()
    assert len(httpserver.log) == 2
    assert json.loads((tmp_path / "en.mp4.json").read_text())["size"] == len(CONTENT)


def test_fails_where_something_is(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any]
) -> None:
    (tmp_path / "t1.mp4").write_bytes(b"before")
    with pytest.raises(InputError, match=r"t1\.mp4 exists already, and if_exists is 'fail'"):
        operator(source=result, destination=f"{tmp_path.as_uri()}/", if_exists="fail").execute(context)
    assert not httpserver.log
    assert (tmp_path / "t1.mp4").read_bytes() == b"before"


def test_a_policy_that_is_none() -> None:
    with pytest.raises(InputError, match=r"^if_exists is 'skip', allowed is one of fail, skip_same, overwrite"):
        operator(source="http://h/a.mp4", destination="file:///tmp/", if_exists="skip")


def test_nothing_is_logged_that_opens_the_url(
    tmp_path: Path, context: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="airflow_provider_videoretalk")
    with FaultyOrigin(CONTENT, script=[Turn(kind="refuse"), Turn(kind="cut", at=99)]) as origin:
        operator(source=origin.url, destination=(tmp_path / "en.mp4").as_uri()).execute(context)
    assert "secret" not in caplog.text


def test_steps_between_which_a_process_may_be_killed(
    tmp_path: Path, result: dict[str, Any], context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, list[str]]] = []

    def note(step: str) -> None:
        seen.append((step, sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("."))))

    monkeypatch.setattr("airflow_provider_videoretalk.operators.publish.fault_point", note)
    operator(source=result, destination=f"{tmp_path.as_uri()}/").execute(context)
    assert seen == [("during_publish", ["t1.mp4"]), ("after_publish", ["t1.mp4", "t1.mp4.json"])]


def test_the_job_history_has_the_first_place_and_the_moment(
    tmp_path: Path, result: dict[str, Any], context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variable_store, "HAS_KEYS", True)
    before = time.time()
    for source in (result, result["video_url"]):
        destination = [(tmp_path / "a.mp4").as_uri(), (tmp_path / "b.mp4").as_uri()]
        operator(source=source, destination=destination).execute(context)
    (record,) = open_history().load(day_of(before))
    assert record.published is not None
    assert (record.published.job_id, record.published.uri) == ("t1", (tmp_path / "a.mp4").as_uri())
    assert before <= record.published.published_at <= time.time()


def test_the_copy_has_a_span_of_the_render_job(
    tmp_path: Path, result: dict[str, Any], context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    with trace.get_tracer("airflow").start_as_current_span("worker.publish"):
        operator(source=result, destination=f"{tmp_path.as_uri()}/").execute(context)
    span, _ = exporter.get_finished_spans()
    assert (span.name, span.attributes) == ("videoretalk.publish", {"videoretalk.job_id": "t1"})
    provider.shutdown()


def test_the_log_says_whether_an_object_was_published_or_kept(
    tmp_path: Path, result: dict[str, Any], context: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        operator(source=result, destination=f"{tmp_path.as_uri()}/", if_exists="skip_same").execute(context)
    written = f"{(tmp_path / 't1.mp4').as_uri()} ({len(CONTENT)} bytes)"
    said = re.findall(rf"\b(Published|Kept the existing object) {re.escape(written)}", capsys.readouterr().out)
    assert said == ["Published", "Kept the existing object"]


def test_lineage(
    tmp_path: Path, result: dict[str, Any], context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = HookLineageCollector()
    monkeypatch.setattr("airflow.providers.common.compat.lineage.hook.get_hook_lineage_collector", lambda: collector)
    operator(source=result, destination=f"{tmp_path.as_uri()}/").execute(context)
    assert [output.asset.uri for output in collector.collected_assets.outputs] == [(tmp_path / "t1.mp4").as_uri()]


@pytest.mark.parametrize("already", [False, True])
def test_a_broken_download_publishes_nothing(tmp_path: Path, context: dict[str, Any], already: bool) -> None:
    """An existing object stays unchanged, and no part of the new object is visible."""
    destination = tmp_path / "en.mp4"
    if already:
        destination.write_bytes(b"before")
    before = sorted(path.name for path in tmp_path.iterdir())
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 3_000_000)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/out.mp4"
        with pytest.raises(TransportError, match="Nothing was published"):
            operator(source=url, destination=destination.as_uri()).execute(context)
        thread.join()
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert not already or destination.read_bytes() == b"before"


def test_an_expired_result_is_not_even_fetched(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any]
) -> None:
    result["expires_at"] = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
    with pytest.raises(ResultExpiredError, match="source expired at"):
        operator(source=result, destination=f"{tmp_path.as_uri()}/").execute(context)
    assert not httpserver.log


def test_an_expired_url_is_requested_again(
    tmp_path: Path,
    httpserver: HTTPServer,
    result: dict[str, Any],
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect(monkeypatch, host=httpserver.url_for("/api/v1"), allow_private=True)
    fresh = {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": result["video_url"]}
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json({"output": fresh})
    result["expires_at"] = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
    result["video_url"] = httpserver.url_for("/expired.mp4")
    destination = f"{tmp_path.as_uri()}/"
    operator(source=result, destination=destination, dashscope_conn_id="dashscope_default").execute(context)
    assert (tmp_path / "t1.mp4").read_bytes() == CONTENT
    assert "/expired.mp4" not in [request.path for request, _ in httpserver.log]


def test_the_url_of_a_forgotten_job_cannot_be_requested_again(
    tmp_path: Path,
    httpserver: HTTPServer,
    result: dict[str, Any],
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect(monkeypatch, host=httpserver.url_for("/api/v1"), allow_private=True)
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json(
        {"output": {"task_id": "t1", "task_status": "UNKNOWN"}}
    )
    result["expires_at"] = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
    with pytest.raises(TaskUnknownError):
        operator(source=result, destination=f"{tmp_path.as_uri()}/", dashscope_conn_id="dashscope_default").execute(
            context
        )


def test_the_url_of_speech_cannot_be_requested_again(
    tmp_path: Path, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a render job can be asked for."""
    connect(monkeypatch, host="https://service.example/api/v1")
    ended = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
    speech = {"audio_url": "https://speech.example/a.wav", "request_id": "r1", "task_id": None, "expires_at": ended}
    with pytest.raises(ResultExpiredError, match="source expired at"):
        operator(source=speech, destination=f"{tmp_path.as_uri()}/", dashscope_conn_id="dashscope_default").execute(
            context
        )


@pytest.mark.parametrize(
    ("status", "kind"),
    [(410, ResultExpiredError), (403, TransportError), (404, TransportError), (500, TransportError)],
)
def test_refused_sources(
    tmp_path: Path, httpserver: HTTPServer, context: dict[str, Any], status: int, kind: type[Exception]
) -> None:
    httpserver.expect_request("/gone.mp4").respond_with_response(Response("<Error/>", status=status))
    with pytest.raises(kind):
        operator(source=httpserver.url_for("/gone.mp4"), destination=f"{tmp_path.as_uri()}/").execute(context)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "out.mp4"}, "^source is 'out.mp4', allowed is an http"),
        (
            {"source": {"task_id": "t"}},
            r"^source is a mapping with the keys \['task_id'\], allowed is one with video_url",
        ),
        ({"metadata": "language=en"}, "^metadata is a str, allowed is a mapping"),
        ({"destination": " "}, "^destination is ' '"),
        ({"metadata": {"when": datetime.now(timezone.utc)}}, "metadata cannot be written as JSON"),
        ({"destination": None}, "^destination is None"),
        ({"destination": []}, r"^destination is \[\], allowed is a URI or a list of URIs"),
        ({"destination": ["file:///tmp/a/", None]}, "^destination is None"),
        ({"destination": ["file:///tmp/a.mp4", "file:///tmp/a.mp4"]}, "^destination names file:///tmp/a.mp4 twice"),
    ],
)
def test_bad_input(tmp_path: Path, context: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    valid = {"source": "http://127.0.0.1:9/a.mp4", "destination": f"{tmp_path.as_uri()}/"}
    with pytest.raises(InputError, match=f"^(?:{message})"):
        operator(**valid | arguments).execute(context)
