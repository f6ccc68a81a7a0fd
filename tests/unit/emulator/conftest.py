"""An emulator without media work, with a clock that the test moves."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE = 10.0


class ManualClock:
    """Seconds since the epoch that pass only by :meth:`advance`."""

    def __init__(self, now: float = 1_795_176_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Client:
    """Plain HTTP calls to an emulator, with one key."""

    def __init__(self, emulator: Emulator, *, key: str = "sk-one") -> None:
        self.emulator = emulator
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key}"

    def submit(self, **overrides: Any) -> requests.Response:
        body = {
            "model": "videoretalk",
            "input": {
                "video_url": f"{self.emulator.url}/samples/presenter.mp4",
                "audio_url": f"{self.emulator.url}/samples/speech.wav",
                "ref_image_url": "",
            },
            "parameters": {"video_extension": False},
            **overrides,
        }
        url = f"{self.emulator.base_url}/services/aigc/image2video/video-synthesis"
        return self.session.post(url, json=body, headers={"X-DashScope-Async": "enable"}, timeout=DEADLINE)

    def submitted(self) -> str:
        reply = self.submit()
        assert reply.status_code == 200, reply.text
        return str(reply.json()["output"]["task_id"])

    def query(self, task_id: str) -> dict[str, Any]:
        reply = self.get(f"/tasks/{task_id}")
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def status(self, task_id: str) -> str:
        return str(self.query(task_id)["output"]["task_status"])

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(f"{self.emulator.base_url}{path}", params=params, timeout=DEADLINE)

    def post(self, path: str, **kwargs: Any) -> requests.Response:
        return self.session.post(f"{self.emulator.base_url}{path}", timeout=DEADLINE, **kwargs)

    def close(self) -> None:
        self.session.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds; fail after a deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.01)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    return wait_until


@pytest.fixture
def start(clock: ManualClock, engine: FakeEngine) -> Iterator[Callable[..., Emulator]]:
    """Start an emulator with the given settings; by default the rates are high."""
    with contextlib.ExitStack() as stack:

        def starter(**settings: Any) -> Emulator:
            generous = {"port": 0, "submits_per_second": 1000.0, "queries_per_second": 100_000.0}
            return stack.enter_context(
                Emulator(EmulatorSettings(**{**generous, **settings}), clock=clock, engine=engine)
            )

        yield starter


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """A client of an emulator."""
    with contextlib.ExitStack() as stack:

        def connector(emulator: Emulator, *, key: str = "sk-one") -> Client:
            client = Client(emulator, key=key)
            stack.callback(client.close)
            return client

        yield connector
