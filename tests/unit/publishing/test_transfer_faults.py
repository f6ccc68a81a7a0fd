"""A thousand faulty transfers, into stores that are observed all the time."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from faulty_origin import FaultyOrigin, Kind, Sum, Turn
from object_store import ObjectStore, attached, place
from small_mp4 import mp4
from store_observers import DiskObserver, MemoryObserver, S3Observer, StoreObserver, observing

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.outbound.download import ChangedSourceError, RetrySettings
from airflow_provider_videoretalk.outbound.host_access import any_address
from airflow_provider_videoretalk.publishing.atomic_object import BLOCK_BYTES, Destination
from airflow_provider_videoretalk.publishing.transfer import DownloadedObject, copy_object

pytestmark = pytest.mark.exhaustive

TO_TWO, TO_THREE = range(750), range(750, 1000)

# Each transfer begins with one of these, in turn, and with everything that the fault needs to take effect.
FAULTS: dict[Kind, str] = {
    "cut": "cut",
    "stall": "stalled",
    "refuse": "refused",
    "status": "5xx",
    "length": "wrong length",
    "swap": "changed object",
}
# Faults that may follow. A resumed download repairs the first group, and never the second one.
_REPAIRABLE: tuple[Kind, ...] = ("cut", "cut", "cut", "refuse", "status", "window")
_FATAL: tuple[Kind, ...] = ("swap", "length", "flip", "whole", "other_part")


def scripted(chance: random.Random, size: int, first: Kind) -> list[Turn]:
    more = [_turn(chance, size, chance.choice(_REPAIRABLE)) for _ in range(chance.randrange(5))]
    if chance.random() < 0.25:
        more.insert(chance.randrange(len(more) + 1), _turn(chance, size, chance.choice(_FATAL)))
    # An object that is replaced before its first byte is read is simply the newer object.
    cut = [Turn(kind="cut", at=chance.randrange(1, size))] if first == "swap" else []
    return [*cut, _turn(chance, size, first), *more]


def _turn(chance: random.Random, size: int, kind: Kind) -> Turn:
    at = chance.randrange(size)
    if kind == "length":
        at = chance.choice((-1, 1, -at - 1, at + 1))
    return Turn(kind=kind, at=at, status=chance.choice((500, 502, 503, 504)))


def build_metadata(downloaded: DownloadedObject, _: Destination) -> Mapping[str, Any]:
    return {"size": downloaded.content.size, "sha256": downloaded.content.sha256}


def contents(chance: random.Random, *, large: bool) -> list[bytes]:
    """Two versions of an object, sometimes of the same length. Large ones are uploaded in several parts."""
    least, most = (BLOCK_BYTES, 2 * BLOCK_BYTES) if large else (2, 20_000)
    sizes = [chance.randrange(least, most) for _ in range(2)]
    if chance.random() < 0.3:
        sizes[1] = sizes[0]
    return [mp4(chance.randbytes(size), index_first=chance.random() < 0.5) for size in sizes]


def transfer(seed: int, observers: Sequence[StoreObserver], *, large: bool) -> tuple[str, Counter[Kind]]:
    """One transfer: its outcome, and the faults that took effect."""
    chance = random.Random(seed)
    versions = contents(chance, large=large)
    strong = chance.choice((True, True, False))
    # Without a checksum a wrong byte could not be noticed.
    kinds: list[tuple[Sum, ...]] = [("md5",), ("etag",) if strong else ("md5",), ("crc64",), ("md5", "crc64")]
    if chance.random() < 0.2:
        for observer in observers:
            observer.clear()
    for observer in observers:
        observer.expect(*versions)
    before = [observer.published() for observer in observers]
    first = list(FAULTS)[seed % len(FAULTS)]
    with FaultyOrigin(
        *versions,
        script=scripted(chance, len(versions[0]), first),
        # In Python the CRC of a large one takes a second.
        sums=chance.choice(kinds[:2] if large else kinds),
        strong=strong,
        framing="length" if first == "length" else chance.choice(("length", "length", "chunked")),
        watch=all_of(observers),
    ) as origin:
        outcome, shas = attempt(origin, observers, read_timeout=1 if large else 0.1)
    after = [observer.published() for observer in observers]
    if not shas:
        assert after == before, "nothing may change"
    for content, sha in after if shas else ():
        assert content == after[0][0]
        assert content in versions
        assert {hashlib.sha256(content or b"").hexdigest()} == {sha} == shas
    return outcome, origin.faults


def attempt(origin: FaultyOrigin, observers: Sequence[StoreObserver], *, read_timeout: float) -> tuple[str, set[str]]:
    """The outcome of the transfer, and the SHA-256 of the published object: one, or none."""
    look, copied, failure = all_of(observers), [], None
    try:
        copied = copy_object(
            origin.url,
            [place(observer.uri) for observer in observers],
            build_metadata=build_metadata,
            access=any_address,
            # There are no delays, so only stalls take time.
            retry=RetrySettings(first_delay=0, read_timeout=read_timeout),
            sleep=lambda _: look(),
            on_object_visible=look,
        )
    except TransportError as error:
        failure = error
    assert "secret" not in str(failure)
    outcome = "changed" if isinstance(failure, ChangedSourceError) else "failed" if failure else "published"
    return outcome, {each.metadata["sha256"] for each in copied}


def all_of(observers: Sequence[StoreObserver]) -> Callable[[], None]:
    def look() -> None:
        for observer in observers:
            observer.observe()

    return look


def run(seeds: range, observers: Sequence[StoreObserver], *, large: int = 0) -> tuple[Counter[str], Counter[Kind]]:
    """All transfers of these seeds; one in ``large`` has a large object. Returns the outcomes and the faults."""
    outcomes: Counter[str] = Counter()
    faults: Counter[Kind] = Counter()
    with observing(*observers):
        for seed in seeds:
            outcome, met = transfer(seed, observers, large=bool(large) and seed % large == 0)
            outcomes[outcome] += 1
            faults += met
            for observer in observers:
                shown = f"seed {seed} showed something other than a version at {observer.uri}"
                assert not observer.unexpected, (
                    f"{shown}: {[len(content or b'') for content in observer.unexpected]} bytes"
                )
                assert not observer.leftovers(), f"seed {seed} left something at {observer.uri}"
    return outcomes, faults


def report(
    observers: Sequence[StoreObserver],
    outcomes: Counter[str],
    faults: Counter[Kind],
    record_property: Callable[[str, object], None],
) -> None:
    """Prints a summary, and checks that enough faults took effect."""
    total = outcomes.total()
    looks = sum(observer.observations for observer in observers)
    met = ", ".join(f"{faults[kind]:,} {name}" for kind, name in FAULTS.items())
    others = faults.total() - sum(faults[kind] for kind in FAULTS)
    summary = (
        f"{total:,} faulty transfers to {len(observers)} stores each ({met}, {others:,} others): "
        f"{outcomes['published']:,} published byte by byte, {total - outcomes['published']:,} failed and changed "
        f"nothing, {outcomes['changed']:,} of them since the object had changed; 0 truncated or mixed objects in "
        f"{looks:,} observations"
    )
    print(summary)
    record_property("faulty transfers", summary)
    assert all(faults[kind] >= total / len(FAULTS) - 1 for kind in FAULTS)
    assert min(outcomes[outcome] for outcome in ("published", "failed", "changed")) >= total / 20
    assert looks >= total


def test_to_disk_and_memory(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    store = ObjectStore()
    observers = [DiskObserver(tmp_path), MemoryObserver(store, connection="mine")]
    with attached(mine=store):
        outcomes, faults = run(TO_TWO, observers)
    report(observers, outcomes, faults, record_property)


def test_to_disk_and_memory_and_s3(tmp_path: Path, s3: Any, record_property: Callable[[str, object], None]) -> None:
    """The rest of the thousand. Large objects are uploaded to S3 in parts."""
    store, remote = ObjectStore(), S3Observer(s3, connection="weed")
    observers = [DiskObserver(tmp_path), MemoryObserver(store, connection="mine"), remote]
    with attached(mine=store):
        outcomes, faults = run(TO_THREE, observers, large=20)
    remote.close()
    report(observers, outcomes, faults, record_property)
