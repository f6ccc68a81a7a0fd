"""The shared poller, its real HTTP client and a real server: what memory and virtual time leave out."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.polling.account import shared_poller
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy

SAMPLES = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717"
VIDEO, AUDIO = f"{SAMPLES}/pvegot/input_video_01.mp4", f"{SAMPLES}/aumwir/stella2-%E6%9C%89%E5%A3%B0%E4%B9%A67.wav"
COUNT = 60
QUERIES = 50
"""Requests a second that the poller is told. The emulator allows half as many again: a busy machine bunches them."""


@pytest.fixture(params=[frozenset(), frozenset({"list"})], ids=["list", "no list"])
def emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    settings = EmulatorSettings(
        port=0,
        running=30,
        submits_per_second=1000,
        queries_per_second=QUERIES * 1.5,
        render_factor=0.5,
        missing=request.param,
    )
    with Emulator(settings, engine=FakeEngine()) as running:
        yield running


def test_each_gets_its_own_video_within_the_rate(emulator: Emulator) -> None:
    endpoint = Endpoint(api_key="sk-watcher", base_url=emulator.base_url, queries_per_second=1000)
    with Client(endpoint) as client:
        request = VIDEORETALK.submit_request(urls={"video_url": VIDEO, "audio_url": AUDIO}, parameters={})
        submitted = [client.send(request).task_id for _ in range(COUNT)]
    emulator.faults.arm(
        FaultRule(operation="query", effect="html", times=3, after=5),
        FaultRule(operation="list", effect="error_before", status=500, code="InternalError", after=2),
        FaultRule(operation="query", effect="drop_before", times=2, after=20),
    )
    since = time.time()
    asking = Endpoint(api_key="sk-watcher", base_url=emulator.base_url, queries_per_second=QUERIES)

    async def wait(task_id: str) -> Task:
        async with shared_poller(asking) as watcher:
            return await watcher.wait(
                task_id=task_id,
                submitted_at=since,
                poll_policy=PollPolicy(poll_interval=0.3),
                on_progress=lambda news: None,
            )

    async def main() -> list[Task]:
        tasks = await asyncio.gather(*(wait(task_id) for task_id in submitted))
        assert len(asyncio.all_tasks()) == 1
        return tasks

    tasks = asyncio.run(main())
    assert [task.task_id for task in tasks] == submitted
    assert {task.status for task in tasks} == {"SUCCEEDED"}
    assert all(task_id in str(task.result_url) for task_id, task in zip(submitted, tasks, strict=True))
    asked: Counter[str] = Counter()
    for entry in emulator.state.requests:
        record: dict[str, Any] = entry
        asked[f"{record['operation']} {record['status']}"] += 1
    assert not [kind for kind in asked if kind.endswith("429")]
    assert ("list 200" in asked) is ("list" not in emulator.settings.missing)
