"""Each limit holds, whatever the service does instead of answering: on the triggerer, in virtual time."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.polling.virtual import EPOCH, Client, Desk, Service, VirtualLoop, refusal, reply, run

from airflow_provider_videoretalk.dashscope import async_client as module
from airflow_provider_videoretalk.dashscope.errors import (
    DashScopeError,
    QueueTimeoutError,
    RenderTimeoutError,
    TaskTimeoutError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.request import Reply, Request

FOR_GOOD = {"retry-after": "1000000000"}
Answer = Callable[[], Reply | Exception | None]


def never() -> Reply:
    """The virtual service takes infinity for a request that is never answered."""
    return NEVER


NEVER = reply(0, b"")
BROKEN: dict[str, Answer] = {
    "never answers": never,
    "no reply": lambda: TransportError("timed out"),
    "503, Retry-After 1e9": lambda: reply(503, {"code": "ServiceUnavailable", "message": "m"}, **FOR_GOOD),
    "429, Retry-After 1e9": lambda: refusal(**FOR_GOOD),
    "429 storm": refusal,
    "HTML": lambda: reply(200, b"<html>"),
    "NaN": lambda: reply(200, b'{"output": {"task_id": "t", "task_status": NaN}}'),
    "another job": lambda: reply(200, {"output": {"task_id": "other", "task_status": "SUCCEEDED"}}),
    "403": lambda: reply(403, {}),
    "UNKNOWN": lambda: reply(200, {"output": {"task_id": "t", "task_status": "UNKNOWN"}}),
}
LASTING = ("403", "UNKNOWN")
# By limit: seconds after the submit, the policy, and the error that it raises.
LIMITS: dict[str, tuple[float, dict[str, Any], type[TaskTimeoutError]]] = {
    "queue_timeout": (500, {"queue_timeout": 500}, QueueTimeoutError),
    "render_timeout": (
        300,
        {"render_timeout": 290, "begun_by": EPOCH + 1_010, "queue_timeout": 9_000},
        RenderTimeoutError,
    ),
    "deadline": (400, {"deadline": EPOCH + 1_400, "queue_timeout": 9_000}, TaskTimeoutError),
    "the service's three hours": (3 * 3600 - 120, {}, QueueTimeoutError),
}


class SlowClient(Client):
    """Waits for a reply that never comes until the request's time is over."""

    async def send(self, request: Request[Any]) -> Any:
        answer = await self._service.reply(request)
        if answer is NEVER:
            await asyncio.sleep(request.total_timeout)
            raise TransportError("it took too long")
        return request.read(answer)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[VirtualLoop], Service]:
    def serve(loop: VirtualLoop, **given: Any) -> Service:
        service = Service(loop, **given)
        monkeypatch.setattr(module, "AsyncClient", lambda endpoint, **_: SlowClient(service, endpoint))
        return service

    return serve


@pytest.mark.parametrize(
    ("limit", "broken"),
    # What is refused for ten minutes ends the wait before a later limit.
    [(limit, broken) for limit in LIMITS for broken in BROKEN if LIMITS[limit][0] < 600 or broken not in LASTING],
)
def test_a_limit_needs_no_answer(serve: Callable[..., Service], limit: str, broken: str) -> None:
    seconds, policy, kind = LIMITS[limit]
    answer = BROKEN[broken]

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        service.submit("t", 1e9)
        service.fault = lambda request: answer()
        begun = loop.time()
        with pytest.raises(DashScopeError) as caught:
            await Desk(service, **policy).wait("t")
        assert type(caught.value) is kind
        assert seconds <= loop.time() - begun <= seconds + 10
        assert "no query of its status was answered" in str(caught.value)
        assert "is billed if it succeeds" in str(caught.value)

    run(main)


@pytest.mark.parametrize("limit", ["queue_timeout", "deadline"])
def test_a_last_query_decides(serve: Callable[..., Service], limit: str) -> None:
    """The service comes back at the limit: what it then says of the job counts."""
    seconds, policy, _ = LIMITS[limit]

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        service.submit("t", 50.0)
        back = loop.time() + seconds
        service.fault = lambda request: never() if loop.time() < back else None
        desk = Desk(service, **policy)
        await desk.wait("t")
        assert loop.time() <= back + 3
        assert desk.got["t"].status == "SUCCEEDED"

    run(main)


def test_a_limit_that_comes_nearer_with_the_render_needs_no_answer_either(serve: Callable[..., Service]) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        service.submit("t", 1e9)
        begun, answers = loop.time(), iter([None])
        service.fault = lambda request: next(answers, NEVER)
        with pytest.raises(RenderTimeoutError, match=r"since .* UTC, when it was RUNNING"):
            await Desk(service, queue_timeout=9_000, render_timeout=100).wait("t")
        assert loop.time() - begun <= 110

    run(main)


# Broken tasks beside healthy ones.


@pytest.mark.parametrize("broken", [name for name in BROKEN if name != "UNKNOWN"])
@pytest.mark.parametrize("listed", [True, False])
def test_a_broken_task_delays_no_news_of_others(serve: Callable[..., Service], broken: str, listed: bool) -> None:
    answer = BROKEN[broken]

    async def main(loop: VirtualLoop) -> None:
        random.seed(4)
        service = serve(loop, slots=100)
        healthy = [service.submit(f"t{number}", 60.0 + number).task_id for number in range(40)]
        for number in range(10):
            service.submit(f"broken{number}", 60.0)

        def fault(request: Request[Any]) -> Reply | Exception | None:
            if request.path == "tasks":
                return None if listed else reply(404, {})
            return answer() if "broken" in request.path else None

        service.fault = fault
        desk = Desk(service, deadline=loop.clock() + 500)
        others = asyncio.gather(*(desk.wait(f"broken{number}") for number in range(10)), return_exceptions=True)
        await asyncio.gather(*(desk.wait(task_id) for task_id in healthy))
        assert max(desk.lags) < 25
        assert {type(error) for error in await others} == {TaskTimeoutError}

    run(main)


def test_a_list_that_never_answers_delays_no_news(serve: Callable[..., Service]) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=100)
        for number in range(40):
            service.submit(f"t{number}", 60.0 + number)
        service.fault = lambda request: NEVER if request.path == "tasks" else None
        desk = Desk(service)
        await desk.wait_for_all()
        assert max(desk.lags) < 25

    run(main)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    faults=st.lists(st.sampled_from([*BROKEN, "fine", "fine"]), min_size=5, max_size=60),
    renders=st.lists(st.floats(5, 400), min_size=1, max_size=8),
    limit=st.floats(60, 900),
    slots=st.integers(1, 4),
)
def test_every_wait_ends_in_time_with_the_truth_or_a_limit(
    faults: list[str], renders: list[float], limit: float, slots: int
) -> None:
    """Liveness: what ended well before its deadline, at a service that answers, is returned."""

    async def main(loop: VirtualLoop) -> None:
        service = Service(loop, slots=slots)
        script = iter(faults)

        def fault(request: Request[Any]) -> Reply | Exception | None:
            name = next(script, "fine")
            return None if name == "fine" or request.path == "tasks" else BROKEN[name]()

        service.fault = fault
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "AsyncClient", lambda endpoint, **_: SlowClient(service, endpoint))
            for number, render in enumerate(renders):
                service.submit(f"t{number}", render)
            begun = loop.time()
            desk = Desk(service, deadline=loop.clock() + limit)
            ends = await asyncio.gather(*(desk.wait(task_id) for task_id in service.clips), return_exceptions=True)
        assert loop.time() - begun <= limit + 10
        last_fault = max((time for time, _ in service.log[: len(faults)]), default=begun)
        for clip, end in zip(service.clips.values(), ends, strict=True):
            assert isinstance(end, TaskTimeoutError) or end is desk.got[clip.task_id]
            ended = math.inf if clip.ended is None else clip.ended
            if max(ended, last_fault) + 150 < begun + limit:
                assert not isinstance(end, TaskTimeoutError), json.dumps(faults)

    run(main)
