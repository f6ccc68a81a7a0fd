"""Counts that no machine changes stay below their ceilings (``tests/count_ceilings.py``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.secrets.environment_variables import EnvironmentVariablesBackend
from count_ceilings import CEILINGS, check
from media_files import coded, video, wav
from object_store import ObjectStore, attached, place
from project_files import ROOT
from pytest_httpserver import HTTPServer
from range_server import RangeServer
from small_mp4 import mp4_of_size
from state_store import TaskStateStore
from unit.polling.virtual import Desk, Service, VirtualLoop, run

from airflow_provider_videoretalk.dashscope import async_client
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.job_history import history
from airflow_provider_videoretalk.media.probe import probe
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.outbound.host_access import any_address
from airflow_provider_videoretalk.polling.progress_log import ProgressLog
from airflow_provider_videoretalk.polling.trigger_event import event_of
from airflow_provider_videoretalk.publishing.transfer import copy_object
from airflow_provider_videoretalk.submission import registry
from airflow_provider_videoretalk.triggers import client as trigger_module
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger


def test_every_ceiling_is_checked() -> None:
    """A ceiling that no test checks would hold nothing."""
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in CEILINGS if f'"{name}"' not in tests] == []


def test_a_count_that_grew_fails() -> None:
    check("a publication", CEILINGS["a publication"])
    with pytest.raises(AssertionError, match=r"a publication: 700 requests, at most 1 by tests/count_ceilings\.py"):
        check("a publication", {"requests": 700, "files opened": 2})
    with pytest.raises(AssertionError, match=r"a publication: .* were counted, .* have a ceiling"):
        check("a publication", {"requests": 1})


def test_the_log_lines_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, lines = 10, list[str]()
    log = SimpleNamespace(info=lambda text, *_: lines.append(text), warning=lambda text, *_: lines.append(text))

    async def main(loop: VirtualLoop) -> None:
        service = Service(loop, slots=1)
        monkeypatch.setattr(async_client, "AsyncClient", service.client)
        desk = Desk(service)
        for number in range(jobs):
            service.submit(f"t{number}", 64.0, age=jobs - number)
        await asyncio.gather(*(desk.wait(job, on_progress=ProgressLog(log)) for job in service.clips))

    run(main)
    check("10 jobs, one after another", {"log lines": len(lines) / jobs})


# Submitting, and the connection.


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The connections that were looked up so far."""
    seen: list[str] = []
    get = EnvironmentVariablesBackend.get_conn_value

    def counted(backend: EnvironmentVariablesBackend, conn_id: str, *others: Any, **named: Any) -> Any:
        seen.append(conn_id)
        return get(backend, conn_id, *others, **named)

    monkeypatch.setattr(EnvironmentVariablesBackend, "get_conn_value", counted)
    return seen


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls for task state and Variables so far; each is a request to Airflow's API server."""
    seen: list[str] = []
    for name in ("get", "set", "delete", "names"):
        call = getattr(TaskStateStore, name)

        def counted(store: TaskStateStore, *arguments: Any, name: str = name, call: Any = call) -> Any:
            seen.append(name)
            return call(store, *arguments)

        monkeypatch.setattr(TaskStateStore, name, counted)
    return seen


@pytest.fixture
def cleans_up(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Says whether the submits of this test delete old records: the millisecond decides, for one of sixteen."""

    def say(turn: bool) -> None:
        for module in (history, registry):
            monkeypatch.setattr(module, "is_clean_up_turn", lambda moment: turn)

    say(False)
    return say


def takes_a_submit(service: HTTPServer) -> None:
    """Nothing is in the account's queue."""
    service.expect_request("/api/v1/tasks").respond_with_json({"total": 0, "total_page": 0, "data": []})
    reply = {"request_id": "r", "output": {"task_id": "t1", "task_status": "PENDING"}}
    service.expect_request("/api/v1/services/aigc/image2video/video-synthesis").respond_with_json(reply)


@pytest.mark.parametrize(
    ("name", "turn"), [("a submit without preflight", False), ("a submit that deletes old records", True)]
)
def test_a_submit(
    service: HTTPServer,
    context: dict[str, Any],
    look_ups: list[str],
    stored: list[str],
    cleans_up: Callable[[bool], None],
    name: str,
    turn: bool,
) -> None:
    takes_a_submit(service)
    cleans_up(turn)
    urls = {"video_url": "https://clips.invalid/v.mp4", "audio_url": "https://clips.invalid/a.wav"}
    with pytest.raises(TaskDeferred):
        VideoRetalkOperator(task_id="retalk", **urls, deferrable=True, preflight="off").execute(context)
    counts = {"requests": len(service.log), "look-ups": len(look_ups), "requests to Airflow": len(stored)}
    check(name, counts)


@pytest.mark.usefixtures("cleans_up")
def test_the_variables_of_a_clip(
    service: HTTPServer, context: dict[str, Any], variables: TaskStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("get", "set", "delete", "names"):
        call = getattr(TaskStateStore, name)

        def counted(store: TaskStateStore, *arguments: Any, name: str = name, call: Any = call) -> Any:
            calls.extend([f"{name} {arguments[0]}"] if store is variables else [])
            return call(store, *arguments)

        monkeypatch.setattr(TaskStateStore, name, counted)
    takes_a_submit(service)
    urls = {"video_url": "https://clips.invalid/v.mp4", "audio_url": "https://clips.invalid/a.wav"}
    retalk = VideoRetalkOperator(task_id="retalk", **urls, deferrable=True, preflight="off")
    with pytest.raises(TaskDeferred) as deferred:
        retalk.execute(context)
    awaited, _ = deferred.value.trigger.read_arguments()  # type: ignore[attr-defined]
    output = {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "https://results.invalid/1.mp4"}
    retalk.execute_complete(context, event_of(Task.parse({"request_id": "r", "output": output}), awaited))
    print(calls)
    check("the Variables of a clip", {"requests to Airflow": len(calls)})


def test_a_hundred_triggers(service: HTTPServer, look_ups: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger_module, "_START_JITTER_SECONDS", 0.0)
    for number in range(100):
        output = {"task_id": f"t{number}", "task_status": "SUCCEEDED", "video_url": "https://h/v.mp4"}
        service.expect_request(f"/api/v1/tasks/t{number}").respond_with_json({"output": output})
    triggers = [
        DashScopeTaskTrigger(dashscope_conn_id="dashscope_default", dashscope_task_id=f"t{number}")
        for number in range(100)
    ]

    async def wait(trigger: DashScopeTaskTrigger) -> None:
        assert ["error" in event.payload async for event in trigger.run()] == [False]

    async def wait_for_all() -> None:
        await asyncio.gather(*map(wait, triggers))

    asyncio.run(wait_for_all())
    check("100 triggers of ended jobs", {"requests": len(service.log), "look-ups": len(look_ups)})


# Reading an input.


def film(**options: str) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        return video(path, container="mp4", seconds=10, options=options)

    return make


def tone(path: Path) -> Path:
    path.write_bytes(wav(seconds=60))
    return path


def long_sound(path: Path, **coding: Any) -> Path:
    """Two minutes; frames can be repeated."""
    content = coded(path, seconds=10, **coding).read_bytes()
    path.write_bytes(content * 12)
    return path


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a probe of mp4, index at the end", film()),
        ("a probe of mp4, index in front", film(movflags="faststart")),
        ("a probe of mp4, fragmented", film(movflags="frag_keyframe+empty_moov")),
        ("a probe of mov", lambda path: video(path, container="mov", seconds=10)),
        ("a probe of wav", tone),
        ("a probe of aac", partial(long_sound, codec="aac", container="adts", bits=320_000)),
        ("a probe of mp3, variable rate, no index", partial(long_sound, quality=0, options={"write_xing": "0"})),
    ],
)
def test_a_probe(name: str, make: Callable[[Path], Path], tmp_path: Path) -> None:
    with RangeServer() as server:
        content = make(tmp_path / "input").read_bytes()
        assert probe(server.add("/input", content, ETag='"1"'), access=any_address).seconds
        check(name, {"requests": len(server.asked), "kB": asked_bytes(server, size=len(content)) / 1000})


def asked_bytes(server: RangeServer, *, size: int) -> int:
    """The bytes of all ranges that were asked for; how many were sent depends on when the client hangs up."""
    asked = 0
    for request in server.asked:
        first, _, last = request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
        asked += min(int(last or size), size - 1) - int(first) + 1
    return asked


# Publishing.


def test_a_publication() -> None:
    store, destination = ObjectStore(), "s3://counts@bucket/clip.mp4"
    with RangeServer() as server, attached(counts=store):
        url = server.add("/clip.mp4", mp4_of_size(2_000_000), ETag='"1"', Content_Type="video/mp4")
        copy_object(url, [place(destination)], access=any_address, build_metadata=lambda *_: {"uri": destination})
        assert len(store.objects["bucket/clip.mp4"]) == 2_000_000
        check("a publication", {"requests": len(server.asked), "files opened": len(store.opened)})
