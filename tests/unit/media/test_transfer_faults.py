"""A thousand downloads on which everything goes wrong, into two stores that somebody watches all the time."""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faulty_origin import FaultyOrigin, Kind, Sum, Turn
from object_store import ObjectStore, attached, place

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.media.download import ChangedSourceError, Persistence
from airflow_provider_videoretalk.media.draft import Destination
from airflow_provider_videoretalk.media.transfer import Fetched, copy

TRANSFERS, BATCHES = 1000, 10
KEY = "bucket/en.mp4"

# Most of them are mended by going on; those of the second line never are.
_MENDED: tuple[Kind, ...] = ("cut", "cut", "cut", "cut", "refuse", "status", "window")
_FATAL: tuple[Kind, ...] = ("swap", "length", "flip", "whole", "other_part")


class Watched:
    """One name on a disk and in a store, and what may be seen there."""

    def __init__(self, folder: Path) -> None:
        self.disk = folder / "en.mp4"
        self.store = ObjectStore()
        self.allowed: set[bytes | None] = {None}
        self.bad: list[bytes] = []
        self.looks = 0
        self._lock = threading.Lock()

    def allow(self, *versions: bytes) -> None:
        """From now on, one of these, what is there already, or nothing."""
        with self._lock:
            self.allowed = {None, self.on_disk, self.store.objects.get(KEY), *versions}

    def look(self) -> None:
        with self._lock:
            self.looks += 1
            self.bad += [
                found or b"" for found in (self.on_disk, self.store.objects.get(KEY)) if found not in self.allowed
            ]

    @property
    def on_disk(self) -> bytes | None:
        try:
            return self.disk.read_bytes()
        except FileNotFoundError:
            return None

    def told(self) -> list[tuple[bytes | None, str | None]]:
        """Both objects, each with the checksum that its JSON tells."""
        beside = self.disk.with_name("en.mp4.json")
        jsons = (beside.read_bytes() if beside.exists() else None, self.store.objects.get(f"{KEY}.json"))
        sums = [json.loads(each)["sha256"] if each else None for each in jsons]
        return list(zip((self.on_disk, self.store.objects.get(KEY)), sums, strict=True))

    def hidden(self) -> list[Any]:
        """What was left behind."""
        return [path for path in self.disk.parent.iterdir() if path.name.startswith(".")] + list(self.store.uploads)


@contextmanager
def watched_by_a_thread(watched: Watched) -> Iterator[None]:
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.0005):
            watched.look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def scripted(chance: random.Random, size: int) -> list[Turn]:
    script = [_turn(chance, size, chance.choice(_MENDED)) for _ in range(chance.randrange(6))]
    if chance.random() < 0.04:
        script.insert(0, _turn(chance, size, "stall"))
    if chance.random() < 0.5:
        script.insert(chance.randrange(len(script) + 1), _turn(chance, size, chance.choice(_FATAL)))
    return script


def _turn(chance: random.Random, size: int, kind: Kind) -> Turn:
    at = chance.randrange(size + 1)
    if kind == "length":
        at = chance.choice((-1, 1, -at, at))
    return Turn(kind=kind, at=at, status=chance.choice((500, 502, 503, 429)))


def describe(fetched: Fetched, _: Destination) -> Mapping[str, Any]:
    return {"size": fetched.verdict.size, "sha256": fetched.verdict.sha256}


def transfer(watched: Watched, *, seed: int) -> str:
    """One transfer, and what became of it."""
    chance = random.Random(seed)
    versions = [chance.randbytes(chance.randrange(1, 20_000)) for _ in range(2)]
    if chance.random() < 0.3:
        versions[1] = chance.randbytes(len(versions[0]))
    strong = chance.choice((True, True, False))
    # Without any checksum nobody could tell a wrong byte from a right one.
    kinds: list[tuple[Sum, ...]] = [("md5",), ("crc64",), ("md5", "crc64"), ("etag",) if strong else ("crc64",)]
    sums = chance.choice(kinds)
    # Pauses are none, so only stalls take time.
    persistence = Persistence(first_pause=0, read_timeout=0.15)
    watched.allow(*versions)
    before = watched.told()
    with FaultyOrigin(
        *versions,
        script=scripted(chance, len(versions[0])),
        sums=sums,
        strong=strong,
        framing=chance.choice(("length", "length", "chunked")),
        watch=watched.look,
    ) as origin:
        destinations = [place(watched.disk.as_uri()), place("s3://mine@bucket/en.mp4")]
        failure, copied = None, []
        try:
            copied = copy(
                origin.url,
                destinations,
                describe=describe,
                persistence=persistence,
                sleep=lambda _: watched.look(),
                on_object=watched.look,
            )
        except TransportError as error:
            failure = error
    if failure is not None:
        assert "secret" not in str(failure)
        assert watched.told() == before, "nothing was to change"
        return "changed" if isinstance(failure, ChangedSourceError) else "failed"
    told = {each.metadata["sha256"] for each in copied}
    for content, said in watched.told():
        assert content in versions
        assert {hashlib.sha256(content or b"").hexdigest()} == {said} == told
    return "resumed" if len(origin.requests) > 1 else "at once"


@pytest.mark.parametrize("batch", range(BATCHES))
def test_never_anything_but_whole_objects(tmp_path: Path, batch: int) -> None:
    watched = Watched(tmp_path)
    outcomes: Counter[str] = Counter()
    with attached(mine=watched.store), watched_by_a_thread(watched):
        for seed in range(batch * TRANSFERS // BATCHES, (batch + 1) * TRANSFERS // BATCHES):
            outcomes[transfer(watched, seed=seed)] += 1
            assert not watched.bad, f"seed {seed} showed {len(watched.bad[0])} bytes of no version"
            assert not watched.hidden(), f"seed {seed} left something behind"
    # Else it would prove nothing.
    assert outcomes["resumed"] >= 20
    assert outcomes["failed"] >= 2
    assert outcomes["changed"] >= 1
    assert watched.looks >= 300
