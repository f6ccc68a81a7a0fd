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
