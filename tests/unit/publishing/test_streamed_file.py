"""What is kept of a file that passes once is enough to look at it, and bounded."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from media_files import video
from small_mp4 import mp4

from airflow_provider_videoretalk.media.header.reader import read_media_facts
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.outbound.read_budget import LOCAL_BUDGET, BudgetMeter, OutOfReachError
from airflow_provider_videoretalk.publishing import streamed_file as module
from airflow_provider_videoretalk.publishing.streamed_file import StreamedFile

HEAD_BYTES, MAX_INDEX_BYTES = 8 * 1024 * 1024, 16 * 1024 * 1024


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def streamed(content: bytes, *, size: int = 256 * 1024) -> StreamedFile:
    file = StreamedFile()
    for _ in file.watch(pieces(content, size)):
        pass
    return file


def kept_bytes(file: StreamedFile) -> int:
    return sum(len(part.content) for part in file._parts)


@pytest.mark.parametrize("size", [1, 7, 16, 1000, 100_000])
@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}, {"movflags": "frag_every_frame+empty_moov"}])
def test_the_facts_are_those_of_the_file(
    size: int, options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the index comes after the beginning, and however the file arrives."""
    monkeypatch.setattr(module, "HEAD_BYTES", 4096)
    monkeypatch.setattr(module, "START_BYTES", 4096)
    path = video(tmp_path / "a.mp4", seconds=1, options=options)
    content = path.read_bytes()
    facts = read_media_facts(RangedReader(streamed(content, size=size), BudgetMeter(LOCAL_BUDGET)), field="it")
    # The frames of fragments are counted over the whole file, of which only the beginning is kept.
    known = None if "frag" in str(options) else 1
    assert (facts.seconds, facts.fps, facts.codec) == (known and pytest.approx(1), known and pytest.approx(15), "h264")


def test_every_byte_of_a_small_file_is_kept() -> None:
    content = random.Random(1).randbytes(100_000)
    file = streamed(content, size=333)
    assert (file.size, file.fetch(0, 200_000), file.fetch(99_990, 50)) == (100_000, content, content[-10:])
    assert file.fetch(100_000, 1) == b""


def test_what_has_not_passed_is_out_of_reach() -> None:
    file = StreamedFile()
    watched = file.watch(pieces(bytes(1000), 100))
    next(watched)
    assert file.fetch(90, 100) == bytes(10)
    with pytest.raises(OutOfReachError):
        file.fetch(100, 1)


def test_memory_is_bounded() -> None:
    """Whatever the file is: frames, noise that looks like boxes, or an index without end."""
    frames = mp4(bytes(40_000_000))
    assert kept_bytes(streamed(frames)) < HEAD_BYTES + 10_000
    noise = random.Random(2).randbytes(30_000_000)
    boxes = struct.pack(">I4s", 8, b"free") * 2_000_000
    indexes = struct.pack(">I4s", 1_000_000, b"moof").ljust(1_000_000, b"\0") * 40
    endless = struct.pack(">I4s", 9_000_000, b"mdat").ljust(9_000_000, b"\0") + struct.pack(">I4s", 0, b"moov")
    for content in (noise, boxes, indexes, endless + bytes(40_000_000)):
        assert kept_bytes(streamed(content)) <= HEAD_BYTES + MAX_INDEX_BYTES + 16 * module._MAX_PARTS


MEBIBYTE = 1024 * 1024


def box(kind: bytes, size: int, *, declared: int | None = None) -> bytes:
    return struct.pack(">I4s", size if declared is None else declared, kind).ljust(size, b"\1")


def test_the_first_eight_megabytes_are_kept() -> None:
    file = streamed(box(b"mdat", 9 * MEBIBYTE))
    assert file.fetch(HEAD_BYTES - 3, 100) == b"\1" * 3
    with pytest.raises(OutOfReachError, match="too large to be kept in memory"):
        file.fetch(HEAD_BYTES, 1)


def test_no_more_of_the_beginning_is_kept_if_only_indexes_are_needed() -> None:
    file = StreamedFile()
    watched = file.watch(pieces(box(b"mdat", 100_000) + box(b"moov", 1000), 1000))
    for _ in range(50):
        next(watched)
    file.keep_indexes_only()
    assert sum(map(len, watched)) == 51_000
    assert len(file.fetch(0, 100_000)) == 50_000
    with pytest.raises(OutOfReachError):
        file.fetch(50_000, 1)
    assert file.fetch(100_000, 2000) == box(b"moov", 1000)


@pytest.mark.parametrize(("size", "is_kept"), [(MAX_INDEX_BYTES, True), (MAX_INDEX_BYTES + 1, False)])
def test_sixteen_megabytes_of_indexes_are_kept(size: int, is_kept: bool) -> None:
    """Of all of them together. Of any other box, the header is."""
    before = box(b"mdat", 9 * MEBIBYTE) + box(b"free", 100)
    first = box(b"moov", 10 * MEBIBYTE)
    file = streamed(before + first + box(b"mfra", size - len(first)))
    assert file.fetch(len(before), 10) == first[:10]
    at = len(before) + len(first)
    assert file.fetch(at, 100_000) == box(b"mfra", size - len(first))[: 100_000 if is_kept else 16]
    assert file.find_cut() is None


@pytest.mark.parametrize(
    ("kind", "most"), [(b"moov", 16 * MEBIBYTE), (b"sidx", MEBIBYTE), (b"moof", MEBIBYTE), (b"free", 0)]
)
def test_boxes_that_describe_media_are_handed_over(kind: bytes, most: int) -> None:
    taken: list[tuple[bytes, int, int, int | None]] = []
    file = StreamedFile(
        lambda found, content: taken.append(
            (found.type, found.start, found.end, None if content is None else len(content))
        )
    )
    content = box(b"ftyp", 24) + box(kind, most or 100) + box(kind, (most or 100) + 1)
    for _ in file.watch(pieces(content, 100_000)):
        pass
    end = 24 + most
    handed_over = [(kind, 24, end, most - 8), (kind, end, end + most + 1, None)]
    assert taken == (handed_over if most else [])


@pytest.mark.parametrize("size", [8, 16])
def test_as_many_boxes_are_followed_as_the_longest_video_may_have(size: int) -> None:
    small = box(b"free", size)
    assert streamed(small * 200_000).find_cut() is None
    with pytest.raises(OutOfReachError, match="it has more than 200,000 boxes"):
        streamed(small * 200_001).find_cut()


@pytest.mark.parametrize(
    ("content", "cut"),
    [
        (box(b"ftyp", 24), None),
        (box(b"ftyp", 24) + box(b"mdat", 100), None),
        (box(b"ftyp", 24) + box(b"mdat", 99, declared=100), "its 'mdat' box ends at byte 124"),
        (box(b"ftyp", 24) + b"\0\0\0", "it ends within a box"),
        (box(b"ftyp", 24) + box(b"mdat", 100, declared=0), None),
    ],
)
def test_what_the_boxes_show_of_a_cut(content: bytes, cut: str | None) -> None:
    for size in (7, 1000):
        assert streamed(content, size=size).find_cut() == cut


@pytest.mark.parametrize("size", [1, 8, 1000])
def test_the_last_boxes_may_be_empty(size: int) -> None:
    """Shorter than the longest header, they are known when the file is over."""
    taken: list[tuple[bytes, int, bytes | None]] = []
    file = StreamedFile(lambda found, content: taken.append((found.type, found.start, content)))
    assert sum(map(len, file.watch(pieces(box(b"ftyp", 24) + box(b"moov", 8) + box(b"sidx", 8), size)))) == 40
    assert taken == [(b"moov", 24, b""), (b"sidx", 32, b"")]
    assert file.find_cut() is None
