"""A thousand transfers on which everything goes wrong, into stores that somebody watches all the time."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from faulty_origin import FaultyOrigin, Kind, Sum, Turn
from object_store import ObjectStore, attached, place
from onlookers import DiskOnlooker, MemoryOnlooker, Onlooker, S3Onlooker, looking

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.publishing.download import ChangedSourceError, Persistence
from airflow_provider_videoretalk.publishing.draft import BLOCK_BYTES, Destination
from airflow_provider_videoretalk.publishing.transfer import Fetched, copy

TO_TWO, TO_THREE = range(750), range(750, 1000)

# Each transfer begins with one of these, in turn, and with what it takes for it to matter.
FAULTS: dict[Kind, str] = {
    "cut": "cut",
    "stall": "stalled",
    "refuse": "refused",
    "status": "5xx",
    "length": "wrong length",
    "swap": "changed object",
}
# What may come after it: most of them are mended by going on; those of the second line never are.
_MENDED: tuple[Kind, ...] = ("cut", "cut", "cut", "refuse", "status", "window")
_FATAL: tuple[Kind, ...] = ("swap", "length", "flip", "whole", "other_part")


def scripted(chance: random.Random, size: int, first: Kind) -> list[Turn]:
    more = [_turn(chance, size, chance.choice(_MENDED)) for _ in range(chance.randrange(5))]
    if chance.random() < 0.25:
        more.insert(chance.randrange(len(more) + 1), _turn(chance, size, chance.choice(_FATAL)))
    # What is replaced before a byte of it was read is simply the newer object.
    cut = [Turn(kind="cut", at=chance.randrange(1, size))] if first == "swap" else []
    return [*cut, _turn(chance, size, first), *more]


def _turn(chance: random.Random, size: int, kind: Kind) -> Turn:
    at = chance.randrange(size)
    if kind == "length":
        at = chance.choice((-1, 1, -at - 1, at + 1))
    return Turn(kind=kind, at=at, status=chance.choice((500, 502, 503, 504)))


def describe(fetched: Fetched, _: Destination) -> Mapping[str, Any]:
    return {"size": fetched.verdict.size, "sha256": fetched.verdict.sha256}


def contents(chance: random.Random, *, large: bool) -> list[bytes]:
    """Two versions of an object, now and then of the same length; large ones are sent in several parts."""
    least, most = (BLOCK_BYTES, 2 * BLOCK_BYTES) if large else (2, 20_000)
    versions = [chance.randbytes(chance.randrange(least, most)) for _ in range(2)]
    if chance.random() < 0.3:
        versions[1] = chance.randbytes(len(versions[0]))
    return versions


def transfer(seed: int, onlookers: Sequence[Onlooker], *, large: bool) -> tuple[str, Counter[Kind]]:
    """One transfer: what became of it, and the faults that it met."""
    chance = random.Random(seed)
    versions = contents(chance, large=large)
    strong = chance.choice((True, True, False))
    # Without any checksum nobody could tell a wrong byte from a right one.
    kinds: list[tuple[Sum, ...]] = [("md5",), ("etag",) if strong else ("md5",), ("crc64",), ("md5", "crc64")]
    if chance.random() < 0.2:
        for onlooker in onlookers:
            onlooker.clear()
    for onlooker in onlookers:
        onlooker.expect(*versions)
    before = [onlooker.told() for onlooker in onlookers]
    first = list(FAULTS)[seed % len(FAULTS)]
    with FaultyOrigin(
        *versions,
        script=scripted(chance, len(versions[0]), first),
        # In Python the CRC of a large one takes a second.
        sums=chance.choice(kinds[:2] if large else kinds),
        strong=strong,
        framing="length" if first == "length" else chance.choice(("length", "length", "chunked")),
        watch=all_of(onlookers),
    ) as origin:
        outcome, shas = attempt(origin, onlookers, read_timeout=1 if large else 0.1)
    after = [onlooker.told() for onlooker in onlookers]
    if not shas:
        assert after == before, "nothing was to change"
    for content, told in after if shas else ():
        assert content == after[0][0]
        assert content in versions
        assert {hashlib.sha256(content or b"").hexdigest()} == {told} == shas
    return outcome, origin.faults


def attempt(origin: FaultyOrigin, onlookers: Sequence[Onlooker], *, read_timeout: float) -> tuple[str, set[str]]:
    """What became of the transfer, and the SHA-256 that it gives for what was published: one, or none at all."""
    look, copied, failure = all_of(onlookers), [], None
    try:
        copied = copy(
            origin.url,
            [place(onlooker.uri) for onlooker in onlookers],
            describe=describe,
            # Pauses are none, so only stalls take time.
            persistence=Persistence(first_pause=0, read_timeout=read_timeout),
            sleep=lambda _: look(),
            on_object=look,
        )
    except TransportError as error:
        failure = error
    assert "secret" not in str(failure)
    outcome = "changed" if isinstance(failure, ChangedSourceError) else "failed" if failure else "published"
    return outcome, {each.metadata["sha256"] for each in copied}


def all_of(onlookers: Sequence[Onlooker]) -> Callable[[], None]:
    def look() -> None:
        for onlooker in onlookers:
            onlooker.look()

    return look


def run(seeds: range, onlookers: Sequence[Onlooker], *, large: int = 0) -> tuple[Counter[str], Counter[Kind]]:
    """All transfers of these seeds, of which one in ``large`` is of a large object: their ends, and their faults."""
    outcomes: Counter[str] = Counter()
    faults: Counter[Kind] = Counter()
    with looking(*onlookers):
        for seed in seeds:
            outcome, met = transfer(seed, onlookers, large=bool(large) and seed % large == 0)
            outcomes[outcome] += 1
            faults += met
            for onlooker in onlookers:
                shown = f"seed {seed} showed something else than a version at {onlooker.uri}"
                assert not onlooker.bad, f"{shown}: {[len(content or b'') for content in onlooker.bad]} bytes"
                assert not onlooker.left_behind(), f"seed {seed} left something behind at {onlooker.uri}"
    return outcomes, faults


def report(
    onlookers: Sequence[Onlooker],
    outcomes: Counter[str],
    faults: Counter[Kind],
    record_property: Callable[[str, object], None],
) -> None:
    """Says what happened, and checks that it was enough to prove something."""
    total = outcomes.total()
    looks = sum(onlooker.looks for onlooker in onlookers)
    met = ", ".join(f"{faults[kind]:,} {name}" for kind, name in FAULTS.items())
    others = faults.total() - sum(faults[kind] for kind in FAULTS)
    summary = (
        f"{total:,} faulty transfers to {len(onlookers)} stores each ({met}, {others:,} others): "
        f"{outcomes['published']:,} published byte by byte, {total - outcomes['published']:,} failed and changed "
        f"nothing, {outcomes['changed']:,} of them since the object had changed; 0 truncated or mixed objects in "
        f"{looks:,} looks"
    )
    print(summary)
    record_property("faulty transfers", summary)
    assert all(faults[kind] >= total / len(FAULTS) - 1 for kind in FAULTS)
    assert min(outcomes[outcome] for outcome in ("published", "failed", "changed")) >= total / 20
    assert looks >= total


def test_to_disk_and_memory(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    store = ObjectStore()
    onlookers = [DiskOnlooker(tmp_path), MemoryOnlooker(store, connection="mine")]
    with attached(mine=store):
        outcomes, faults = run(TO_TWO, onlookers)
    report(onlookers, outcomes, faults, record_property)


def test_to_disk_and_memory_and_s3(tmp_path: Path, s3: Any, record_property: Callable[[str, object], None]) -> None:
    """The rest of the thousand; what is large goes to S3 in parts."""
    store, remote = ObjectStore(), S3Onlooker(s3, connection="weed")
    onlookers = [DiskOnlooker(tmp_path), MemoryOnlooker(store, connection="mine"), remote]
    with attached(mine=store):
        outcomes, faults = run(TO_THREE, onlookers, large=20)
    remote.close()
    report(onlookers, outcomes, faults, record_property)
