"""One question at a time, answers that are kept, and sources that give none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from airflow_provider_videoretalk.ui.shared_answers import SharedAnswers, Unanswered


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Answers when it is released."""

    def __init__(self) -> None:
        self.asked = 0
        self.released = threading.Event()
        self._lock = threading.Lock()

    def __call__(self) -> int:
        with self._lock:
            self.asked += 1
            number = self.asked
        self.released.wait()
        return number


@pytest.fixture
def source() -> Iterator[Source]:
    found = Source()
    yield found
    found.released.set()


async def until(condition: Callable[[], bool]) -> None:
    # Other threads make it true.
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


def test_all_who_ask_the_same_share_one_answer(source: Source) -> None:
    answers = SharedAnswers[int](seconds=60)

    async def main() -> None:
        readers = [asyncio.create_task(answers.get("a", source, source="s")) for _ in range(50)]
        await until(lambda: source.asked > 0)
        source.released.set()
        assert await asyncio.gather(*readers) == [1] * 50
        assert await answers.get("a", source, source="s") == 1

    run(main())
    assert source.asked == 1


def test_an_answer_is_kept_for_some_seconds_only(source: Source) -> None:
    clock = Clock()
    answers = SharedAnswers[int](seconds=60, kept_seconds=5, clock=clock)
    source.released.set()

    async def main() -> None:
        assert await answers.get("a", source, source="s") == 1
        clock.now += 4
        assert await answers.get("a", source, source="s") == 1
        clock.now += 2
        assert await answers.get("a", source, source="s") == 2

    run(main())


def test_a_reader_waits_for_its_time_only_and_the_next_one_not_at_all(source: Source) -> None:
    clock = Clock()
    answers = SharedAnswers[int](seconds=0.05, silent_seconds=20, clock=clock)

    async def main() -> None:
        assert await answers.get("a", source, source="s") == Unanswered(cause="slow")
        for key in ("a", "b", "c"):
            assert await answers.get(key, source, source="s") == Unanswered(cause="slow")
        assert source.asked == 1
        clock.now += 21
        source.released.set()
        await until(lambda: not answers._running)
        assert await answers.get("b", source, source="s") == 2

    run(main())


def test_a_failure_is_no_answer_and_not_repeated_by_each_reader() -> None:
    clock, asked, error = Clock(), list[int](), OSError("nobody is there")
    answers = SharedAnswers[int](seconds=60, silent_seconds=20, clock=clock)

    def fail() -> int:
        asked.append(1)
        raise error

    async def main() -> None:
        for key in range(30):
            assert await answers.get(key, fail, source="s") == Unanswered(cause="failed", error=error)
        assert len(asked) == 1
        assert await answers.get("x", lambda: 7, source="another") == 7
        clock.now += 21
        assert await answers.get("y", lambda: 8, source="s") == 8

    run(main())


def test_a_source_that_hangs_takes_few_threads_and_none_of_the_others(source: Source) -> None:
    answers = SharedAnswers[int](seconds=60, threads=8, threads_each=2)

    async def main() -> None:
        readers = [asyncio.create_task(answers.get(key, source, source="s")) for key in range(30)]
        await until(lambda: source.asked == 2)
        assert await answers.get("other", lambda: 7, source="another") == 7
        assert source.asked == 2
        source.released.set()
        assert set(await asyncio.gather(*readers)) == set(range(1, 31))

    run(main())


def test_threads_are_bounded_in_all(source: Source) -> None:
    clock = Clock()
    answers = SharedAnswers[int](seconds=60, threads=8, threads_each=2, clock=clock)

    async def main() -> None:
        readers = [asyncio.create_task(answers.get(key, source, source=f"s{key}")) for key in range(30)]
        await until(lambda: source.asked == 8)
        clock.now += 61
        await until(lambda: sum(reader.done() for reader in readers) == 22)
        source.released.set()
        answered = await asyncio.gather(*readers)
        assert answered.count(Unanswered(cause="busy")) == 22

    run(main())
    assert source.asked == 8


def test_answers_come_also_where_another_loop_asked_before(source: Source) -> None:
    answers = SharedAnswers[int](seconds=0.05, silent_seconds=0)

    async def ask() -> None:
        assert await answers.get("a", source, source="s") == Unanswered(cause="slow")

    run(ask())

    async def ask_again() -> None:
        source.released.set()
        await until(lambda: not answers._running)
        assert await answers.get("a", source, source="s") == 1

    run(ask_again())
