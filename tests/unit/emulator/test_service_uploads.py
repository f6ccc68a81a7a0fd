"""Uploads over real HTTP."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from typing import Any

import pytest
import requests

from airflow_provider_videoretalk.emulator.api.request_body import MAX_JSON_BYTES
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE


@pytest.fixture
def client(start: Any, connect: Any) -> Any:
    return connect(start(render_factor=0, upload_megabytes=1))


def policy(client: Any, model: str = "videoretalk") -> dict[str, Any]:
    reply = client.get("/uploads", action="getPolicy", model=model)
    assert reply.status_code == 200, reply.text
    return dict(reply.json()["data"])


def form(granted: dict[str, Any], name: str = "clip.mp4", **changes: Any) -> dict[str, str]:
    fields: dict[str, str | None] = {
        "OSSAccessKeyId": granted["oss_access_key_id"],
        "Signature": granted["signature"],
        "policy": granted["policy"],
        "x-oss-object-acl": granted["x_oss_object_acl"],
        "x-oss-forbid-overwrite": granted["x_oss_forbid_overwrite"],
        "key": f"{granted['upload_dir']}/{name}",
        "success_action_status": "200",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def put(granted: dict[str, Any], fields: dict[str, str], content: bytes = b"video") -> requests.Response:
    return requests.post(granted["upload_host"], data=fields, files={"file": ("clip.mp4", content)}, timeout=10)


def submit(client: Any, url: str, **headers: str) -> Any:
    body = {"model": "videoretalk", "input": {"video_url": url, "audio_url": url}, "parameters": {}}
    return client.post(
        "/services/aigc/image2video/video-synthesis", json=body, headers={"X-DashScope-Async": "enable", **headers}
    )


RESOLVE = {"X-DashScope-OssResourceResolve": "enable"}


def test_upload_becomes_an_input(client: Any, engine: Any, until: Any) -> None:
    granted = policy(client)
    fields = form(granted)
    reply = put(granted, fields, b"a video" * 1000)
    assert (reply.status_code, reply.content) == (200, b"")
    url = f"oss://{fields['key']}"
    task = submit(client, url, **RESOLVE).json()["output"]["task_id"]
    until(lambda: client.status(task) == "SUCCEEDED")
    video = requests.get(client.query(task)["output"]["video_url"], timeout=10)
    assert video.content == b"a video" * 1000


def test_oss_url_without_the_header(client: Any) -> None:
    reply = submit(client, "oss://dashscope-instant/x/y.mp4")
    assert reply.status_code == 400
    assert "No connection adapters were found for 'oss://" in reply.json()["message"]


def test_upload_belongs_to_one_account_and_one_model(client: Any, connect: Any, until: Any) -> None:
    other = connect(client.emulator, key="sk-two")
    granted, foreign = policy(client), policy(client, model="wan2.2-s2v")
    for given, asking in ((granted, other), (foreign, client)):
        assert put(given, form(given)).status_code == 200
        task = submit(asking, f"oss://{form(given)['key']}", **RESOLVE).json()["output"]["task_id"]
        until(lambda asking=asking, task=task: asking.status(task) == "FAILED")
        assert asking.query(task)["output"]["code"] == "InvalidURL"


def test_upload_is_kept_for_two_days(client: Any, clock: Any, until: Any) -> None:
    granted = policy(client)
    put(granted, form(granted))
    clock.advance(48 * 3600)
    task = submit(client, f"oss://{form(granted)['key']}", **RESOLVE).json()["output"]["task_id"]
    until(lambda: client.status(task) == "FAILED")


def test_policy_expires(client: Any, clock: Any) -> None:
    granted = policy(client)
    assert granted["expire_in_seconds"] == 300
    clock.advance(300)
    reply = put(granted, form(granted))
    assert (reply.status_code, reply.headers["content-type"]) == (403, "application/xml")
    assert "Policy expired" in reply.text


def test_key_can_be_written_once(client: Any) -> None:
    granted = policy(client)
    assert put(granted, form(granted)).status_code == 200
    again = put(granted, form(granted))
    assert again.status_code == 409
    assert "<Code>FileAlreadyExists</Code>" in again.text
    assert put(granted, form(granted, name="other.mp4")).status_code == 200


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 3 * 1024 * 1024])
def test_too_large(client: Any, size: int) -> None:
    granted = policy(client)
    reply = put(granted, form(granted), bytes(size))
    assert reply.status_code == 400
    assert "<Code>EntityTooLarge</Code>" in reply.text
    assert put(granted, form(granted), bytes(1024 * 1024)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"Signature": "AAAA"}, 403, "SignatureDoesNotMatch"),
        ({"policy": "e30="}, 403, "SignatureDoesNotMatch"),
        ({"OSSAccessKeyId": "LTAIother"}, 403, "InvalidAccessKeyId"),
        ({"key": "elsewhere/clip.mp4"}, 403, "AccessDenied"),
        ({"x-oss-object-acl": "public-read"}, 403, "AccessDenied"),
        ({"x-oss-forbid-overwrite": None}, 403, "AccessDenied"),
        ({"key": None}, 400, "InvalidArgument"),
    ],
)
def test_form_must_fit_its_policy(client: Any, changes: dict[str, Any], status: int, code: str) -> None:
    granted = policy(client)
    reply = put(granted, form(granted, **changes))
    assert (reply.status_code, f"<Code>{code}</Code>" in reply.text) == (status, True), reply.text


def test_file_must_come_last(client: Any) -> None:
    granted = policy(client)
    parts: list[Any] = [("file", ("clip.mp4", b"x")), *((name, (None, value)) for name, value in form(granted).items())]
    reply = requests.post(granted["upload_host"], files=parts, timeout=10)
    assert reply.status_code == 400
    assert requests.post(granted["upload_host"], data="no form", timeout=10).status_code == 400


def test_policy_needs_action_and_model(client: Any) -> None:
    for query in ({}, {"action": "getPolicy"}, {"action": "put", "model": "videoretalk"}):
        assert client.get("/uploads", **query).status_code == 400


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much of a form was in memory, each time that its file began to be written to disk."""
    found: list[int] = []
    rollover = tempfile.SpooledTemporaryFile.rollover

    def recording(file: Any) -> None:
        found.append(file.tell())
        rollover(file)

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", recording)
    return found


@pytest.mark.parametrize(
    "changes", [{"Signature": "AAAA"}, {"policy": None}, {"key": "elsewhere/clip.mp4"}, {"OSSAccessKeyId": "LTAIother"}]
)
def test_nothing_is_written_without_permission(
    start: Any, connect: Any, on_disk: list[int], changes: dict[str, Any]
) -> None:
    client = connect(start(upload_megabytes=5))
    granted = policy(client)
    assert put(granted, form(granted, **changes), bytes(3 * MEGABYTE)).status_code in (400, 403)
    assert on_disk == []
    assert put(granted, form(granted), bytes(3 * MEGABYTE)).status_code == 200
    assert len(on_disk) == 1


def test_nothing_is_written_after_the_policy_has_expired(
    start: Any, connect: Any, clock: Any, on_disk: list[int]
) -> None:
    client = connect(start(upload_megabytes=5))
    granted = policy(client)
    clock.advance(300)
    assert put(granted, form(granted), bytes(3 * MEGABYTE)).status_code == 403
    assert on_disk == []


def sent_before_the_end(emulator: Any, head: str, *, declared: bool, most: int) -> int:
    """How many bytes of an endless body the emulator takes before it closes the connection; at most `most`."""
    length = f"Content-Length: {most}" if declared else "Transfer-Encoding: chunked"
    chunk, sent = bytes(MEGABYTE // 4), 0
    frame = chunk if declared else f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=10) as connection:
        connection.sendall(f"{head}\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
        while sent < most:
            try:
                connection.sendall(frame)
            except ConnectionError:
                break
            sent += len(chunk)
    return sent


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
@pytest.mark.parametrize(
    ("head", "limit"),
    [
        ("POST /oss HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b", MEGABYTE),
        ("POST /oss HTTP/1.1\r\nContent-Type: text/plain", MEGABYTE),
        (
            "POST /api/v1/services/aigc/image2video/video-synthesis HTTP/1.1\r\n"
            "X-DashScope-Async: enable\r\nAuthorization: Bearer sk-one\r\nContent-Type: application/json",
            MAX_JSON_BYTES,
        ),
        ("POST /emulator/faults HTTP/1.1\r\nContent-Type: application/json", MAX_JSON_BYTES),
    ],
    ids=["form", "no form", "submit", "faults"],
)
def test_a_body_that_does_not_end(client: Any, head: str, limit: int, declared: bool) -> None:
    # The kernel's buffers on both sides take more: up to tcp_rmem and tcp_wmem, which are 36 MiB on some machines.
    most = 2 * limit + 256 * MEGABYTE
    assert sent_before_the_end(client.emulator, head, declared=declared, most=most) < most


def test_an_endless_upload_that_is_allowed(client: Any) -> None:
    granted = policy(client)
    fields = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form(granted).items()
    )
    file = '--b\r\nContent-Disposition: form-data; name="file"; filename="clip.mp4"\r\n\r\n'

    taken = []

    def content() -> Any:
        yield (fields + file).encode()
        for number in range(200):
            taken.append(number)
            yield bytes(MEGABYTE // 4)

    # Whether the refusal is seen depends on what the client still sends.
    with contextlib.suppress(requests.ConnectionError):
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        reply = requests.post(granted["upload_host"], data=content(), headers=headers, timeout=10)
        assert "<Code>EntityTooLarge</Code>" in reply.text
    assert len(taken) < 200
    assert list(client.emulator.state.storage.folder("uploads").iterdir()) == []
    assert put(granted, form(granted)).status_code == 200
