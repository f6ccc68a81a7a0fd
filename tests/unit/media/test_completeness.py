"""A file that was cut is recognised as such, wherever it was cut; a whole file never is."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from media_files import Memory, coded, image, video, wav
from small_mp4 import mp4

from airflow_provider_videoretalk.media.header.completeness import find_cut
from airflow_provider_videoretalk.media.header.file_type import detect_file_type
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.outbound.read_budget import LOCAL_BUDGET, BudgetMeter

MAKERS: dict[str, Callable[[Path], bytes]] = {
    "index last": lambda path: video(path / "a.mp4").read_bytes(),
    "index first": lambda path: video(path / "a.mp4", options={"movflags": "faststart"}).read_bytes(),
    "fragments": lambda path: video(
        path / "a.mp4", options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    ).read_bytes(),
    "mov": lambda path: video(path / "a.mov", container="mov").read_bytes(),
    "avi": lambda path: video(path / "a.avi", container="avi", codec="mpeg4").read_bytes(),
    "wav": lambda _: wav(),
    "mp3 with an index": lambda path: coded(path / "a.mp3").read_bytes(),
    "png": lambda _: image("png", width=400, height=400),
    "jpeg": lambda _: image("jpeg"),
    "bmp": lambda _: image("bmp"),
    "webp": lambda _: image("webp"),
}


def cut_of(content: bytes) -> str | None:
    meter = BudgetMeter(LOCAL_BUDGET)
    container = detect_file_type(RangedReader(Memory(content, meter), meter))
    assert container
    return find_cut(RangedReader(Memory(content, meter), meter), container)


@pytest.mark.parametrize("name", MAKERS)
def test_whole_and_cut(name: str, tmp_path: Path) -> None:
    content = MAKERS[name](tmp_path)
    assert cut_of(content) is None
    for part in (0.3, 0.6, 0.9):
        assert cut_of(content[: int(part * len(content))]), f"cut at {part}"


@pytest.mark.parametrize("trailer", [bytes(8), b"junk of another program", b"\xff" * 100])
def test_what_follows_a_whole_mp4_does_not_matter(trailer: bytes) -> None:
    assert cut_of(mp4(bytes(1000)) + trailer) is None
    assert cut_of(mp4(bytes(1000), index_first=True) + trailer) is None


def test_the_index_lists_more_than_there_is() -> None:
    """Also if the box of the frames was shortened so that it fits."""
    content = mp4(bytes(1000), index_first=True)
    start = content.index(b"mdat") - 4
    shorter = content[:start] + struct.pack(">I", 508) + content[start + 4 : start + 508]
    assert cut_of(shorter) == f"its index lists frames up to byte {len(content):,}"
    to_the_end = content[:start] + bytes(4) + content[start + 4 : -1]
    assert cut_of(to_the_end) == f"its index lists frames up to byte {len(content):,}"
    assert cut_of(content[:start] + bytes(4) + content[start + 4 :]) is None


@pytest.mark.parametrize("stated", [0, 0x7FFFFFFF, 0x7FFFD300, 0xFFFFFFFF])
def test_the_size_in_a_streamed_wav_states_nothing(stated: int) -> None:
    content = wav()
    position = content.index(b"data") + 4
    assert cut_of(content[:position] + struct.pack("<I", stated) + content[position + 4 :]) is None


@pytest.mark.parametrize(
    "content",
    [
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        b"\0\0\0\x18ftyp",
        b"RIFF",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_little_more_than_a_signature(content: bytes) -> None:
    meter = BudgetMeter(LOCAL_BUDGET)
    for container in ("mp4", "wav", "avi", "mp3", "png", "jpeg", "bmp", "webp", "aac", "ogg"):
        find_cut(RangedReader(Memory(content, meter), meter), container)
