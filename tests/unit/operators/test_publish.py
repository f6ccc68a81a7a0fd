from __future__ import annotations

import hashlib
import json
import socket
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from airflow.sdk import Asset, AssetAlias
from connections import connect
from fsspec.implementations.memory import MemoryFileSystem
from pytest_httpserver import HTTPServer
from werkzeug import Response

from airflow_provider_videoretalk.dashscope.errors import (
    InputError,
    ResultExpiredError,
    TaskUnknownError,
    TransportError,
)
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator

CONTENT = bytes(range(256)) * 20_000


@pytest.fixture
def result(httpserver: HTTPServer) -> dict[str, Any]:
    """What a retalk task returned, with a URL that works."""
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


def test_a_plain_url(tmp_path: Path, result: dict[str, Any], context: dict[str, Any]) -> None:
    operator(source=result["video_url"], destination=f"{tmp_path.as_uri()}/").execute(context)
    assert (tmp_path / "out.mp4").read_bytes() == CONTENT


def test_a_folder_without_its_slash(tmp_path: Path, result: dict[str, Any], context: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"is the folder .* End it with a slash"):
        operator(source=result, destination=tmp_path.as_uri()).execute(context)
    assert not list(tmp_path.iterdir())


class Store(MemoryFileSystem):
    """An object store that knows nothing of folders, and notes how objects are opened."""

    protocol = "s3"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    opened: ClassVar[list[dict[str, Any]]] = []

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        self.opened.append({"path": path, **options})
        return super()._open(path, mode, autocommit=options.get("autocommit", True))

    def mkdir(self, path: str, **_: Any) -> None:
        raise AssertionError(f"an object store needs no folder {path}")

    makedirs = mkdir


def test_an_object_store(result: dict[str, Any], context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    attached: set[tuple[str, str | None]] = set()

    def attach(protocol: str, conn_id: str | None = None, **_: Any) -> SimpleNamespace:
        attached.add((protocol, conn_id))
        return SimpleNamespace(fs=Store())

    monkeypatch.setattr("airflow.sdk.io.path.attach", attach)
    alias = AssetAlias("videos")
    task = operator(source=result, destination="s3://mine@bucket/a b/en.mp4", outlets=[alias])
    returned = task.execute(context)
    assert returned["uri"] == "s3://mine@bucket/a b/en.mp4"
    ((uri, _),) = context["outlet_events"][alias].added
    assert uri == "s3://bucket/a%20b/en.mp4"
    assert attached == {("s3", "mine")}
    assert [(call["path"], call["ContentType"], call["autocommit"]) for call in Store.opened] == [
        ("/bucket/a b/en.mp4", "video/mp4", False),
        ("/bucket/a b/en.mp4.json", "application/json", False),
    ]
    assert Store().cat("/bucket/a b/en.mp4") == CONTENT


@pytest.mark.parametrize("already", [False, True])
def test_a_broken_download_publishes_nothing(tmp_path: Path, context: dict[str, Any], already: bool) -> None:
    """What stood there before stays as it was, and no part of the new object can be seen."""
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
    with pytest.raises(ResultExpiredError, match="source died at"):
        operator(source=result, destination=f"{tmp_path.as_uri()}/").execute(context)
    assert not httpserver.log


def test_a_dead_url_is_asked_for_again(
    tmp_path: Path,
    httpserver: HTTPServer,
    result: dict[str, Any],
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect(monkeypatch, host=httpserver.url_for("/api/v1"))
    fresh = {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": result["video_url"]}
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json({"output": fresh})
    result["expires_at"] = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
    result["video_url"] = httpserver.url_for("/dead.mp4")
    destination = f"{tmp_path.as_uri()}/"
    operator(source=result, destination=destination, dashscope_conn_id="dashscope_default").execute(context)
    assert (tmp_path / "t1.mp4").read_bytes() == CONTENT
    assert "/dead.mp4" not in [request.path for request, _ in httpserver.log]


def test_a_forgotten_task_cannot_be_asked_for_again(
    tmp_path: Path,
    httpserver: HTTPServer,
    result: dict[str, Any],
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect(monkeypatch, host=httpserver.url_for("/api/v1"))
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json(
        {"output": {"task_id": "t1", "task_status": "UNKNOWN"}}
    )
    result["expires_at"] = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
    with pytest.raises(TaskUnknownError):
        operator(source=result, destination=f"{tmp_path.as_uri()}/", dashscope_conn_id="dashscope_default").execute(
            context
        )


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, ResultExpiredError), (404, ResultExpiredError), (500, TransportError), (302, TransportError)],
)
def test_what_the_store_of_results_refuses(
    tmp_path: Path, httpserver: HTTPServer, context: dict[str, Any], status: int, kind: type[Exception]
) -> None:
    httpserver.expect_request("/gone.mp4").respond_with_response(Response("<Error/>", status=status))
    with pytest.raises(kind):
        operator(source=httpserver.url_for("/gone.mp4"), destination=f"{tmp_path.as_uri()}/").execute(context)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "out.mp4"}, "source is 'out.mp4', allowed is an http"),
        ({"source": {"task_id": "t"}}, r"source is a mapping with the keys \['task_id'\] and no URL in it"),
        ({"metadata": "language=en"}, "metadata is a str, allowed is a mapping"),
        ({"destination": " "}, "destination is ' '"),
        ({"metadata": {"when": datetime.now(timezone.utc)}}, "metadata is not JSON-safe"),
        ({"destination": None}, "destination is None"),
    ],
)
def test_bad_input(tmp_path: Path, context: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    valid = {"source": "http://127.0.0.1:9/a.mp4", "destination": f"{tmp_path.as_uri()}/"}
    with pytest.raises(InputError, match=message):
        operator(**valid | arguments).execute(context)
