"""A fragmented MP4 of any size is published only if it has all that it lists, and is as long as it was billed."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspected import inspect
from media_files import video
from small_mp4 import fragment_index, fragmented_mp4

from airflow_provider_videoretalk.publishing.expected_media import ExpectedMedia
from airflow_provider_videoretalk.publishing.media_inspection import MediaInspector, UnexpectedMediaError

VIDEO, BILLED = ExpectedMedia(kinds=("video",)), ExpectedMedia(kinds=("video",), seconds=10.0)
LARGE = 1_200_000
FORMS: list[dict[str, Any]] = [
    {},
    {"box_sizes": "64 bits"},
    {"box_sizes": "last to the end"},
    {"segment_index": True},
    {"decode_times": False},
    {"fragments": 500, "seconds": 0.02},
]


def refused(content: bytes, expected: ExpectedMedia = BILLED, *, piece: int = 100_000) -> str:
    with pytest.raises(UnexpectedMediaError) as caught:
        inspect(content, expected, piece=piece)
    assert caught.value.retryable
    assert "Nothing was published" in str(caught.value)
    return str(caught.value)


def joined(parts: Sequence[bytes]) -> bytes:
    return b"".join(parts)


@pytest.mark.parametrize("size", [100, LARGE])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_whole_file(form: dict[str, Any], size: int) -> None:
    parts = fragmented_mp4(**form, size=size // form.get("fragments", 10) * 10)
    with_index = joined(parts) + fragment_index(len(joined(parts[:-1])))
    for content in (joined(parts), *([with_index] if form.get("box_sizes") != "last to the end" else [])):
        report = inspect(content, BILLED)[1]
        assert (report["seconds"], "unchecked" in report) == (10.0, False)
        assert report["fps"] == pytest.approx(10 * form.get("fragments", 10) / 10)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_cut_within_a_fragment(form: dict[str, Any]) -> None:
    """At any byte; also where no length is expected, and behind the 8 MB that are kept."""
    parts = fragmented_mp4(**form, size=LARGE // form.get("fragments", 10) * 10)
    ends = [len(joined(parts[: number + 1])) for number in range(len(parts))]
    for end, part in zip(ends[1:], parts[1:], strict=True):
        if end < ends[-1] and end != ends[1]:
            continue
        for kept in (1, 7, 8, 15, 16, 40, len(part) // 2, len(part) - 1):
            refused(joined(parts)[: end - len(part) + kept], VIDEO)


def test_a_file_of_too_many_boxes_has_no_known_length() -> None:
    content = joined(fragmented_mp4())
    report = inspect(content + b"\0\0\0\x08free" * 200_000)[1]
    assert "seconds" not in report
    assert "end of the file: it has more than 200,000 boxes" in report["unchecked"]
    assert "seconds" in inspect(content)[1]


@pytest.mark.parametrize(
    ("brand", "container"), [(b"iso5", "mp4"), (b"qt  ", "mov"), (b"3gp4", "3gp"), (b"M4A ", "m4a")]
)
def test_every_format_of_boxes_can_be_fragmented(brand: bytes, container: str) -> None:
    content = joined(fragmented_mp4(size=LARGE)).replace(b"iso5", brand, 1)
    report = inspect(content)[1]
    assert (report["container"], report["seconds"], report["fps"]) == (container, 10.0, 10.0)
    assert "that is cut after" in refused(content[:-1], ExpectedMedia())


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_cut_between_two_fragments(form: dict[str, Any], share: float) -> None:
    """Every box is whole. So only the length shows it, or the index at the beginning."""
    parts = fragmented_mp4(**form, size=LARGE // form.get("fragments", 10) * 10)
    content = joined(parts[: 1 + int(share * (len(parts) - 1))])
    message = refused(content)
    if form.get("segment_index"):
        assert "its segment index lists fragments up to byte" in refused(content, VIDEO)
    else:
        assert f"a file of {10 * share:.2f} s, where 10.00 s were billed" in message
        assert inspect(content, VIDEO)[1]["seconds"] == pytest.approx(10 * share)


def test_a_part_in_the_middle_is_missing() -> None:
    parts = fragmented_mp4(size=LARGE)
    assert "lacks the fragments of 4.00 s" in refused(joined([*parts[:4], *parts[8:]]))
    assert inspect(joined([*parts[:4], *parts[8:]]), VIDEO)[1]["seconds"] == 10.0


@pytest.mark.parametrize("stated", [2, 7, 12, 50, LARGE - 100, LARGE + 1000, 0x7FFF_FFFF, 0xFFFF_FFFF])
@pytest.mark.parametrize("number", [1, 9, 10])
def test_a_box_states_another_size(stated: int, number: int) -> None:
    parts = fragmented_mp4(size=LARGE)
    at = parts[number].index(b"mdat") - 4
    parts[number] = parts[number][:at] + struct.pack(">I", stated) + parts[number][at + 4 :]
    refused(joined(parts))


@pytest.mark.parametrize("stated", [0, 7, 15, LARGE * 20, 2**63])
def test_a_box_states_another_size_in_64_bits(stated: int) -> None:
    parts = fragmented_mp4(size=LARGE, box_sizes="64 bits")
    at = parts[9].index(b"mdat") + 4
    parts[9] = parts[9][:at] + struct.pack(">Q", stated) + parts[9][at + 8 :]
    refused(joined(parts))


def test_a_box_to_the_end_hides_the_fragments_after_it() -> None:
    parts = fragmented_mp4(size=LARGE)
    at = parts[3].index(b"mdat") - 4
    parts[3] = parts[3][:at] + bytes(4) + parts[3][at + 4 :]
    assert "a file of 3.00 s" in refused(joined(parts))


def test_a_fragment_states_more_frames_than_it_has() -> None:
    parts = fragmented_mp4(size=LARGE)
    at = parts[9].index(b"trun") + 8
    parts[9] = parts[9][:at] + struct.pack(">I", 11) + parts[9][at + 4 :]
    assert "that is damaged: a fragment states more frames than it has" in refused(joined(parts))


def test_what_cannot_be_measured_is_not_refused() -> None:
    """More boxes than are followed, and a fragment that is too large to read."""
    parts = fragmented_mp4(fragments=20, size=100)
    content = joined(parts[:11]) + struct.pack(">I4s", 8, b"free") * 200_001 + joined(parts[11:])
    report = inspect(content, BILLED)[1]
    assert any("it has more than 200,000 boxes" in note for note in report["unchecked"])
    large = struct.pack(">I4s", 2_000_000, b"moof") + bytes(1_999_992)
    report = inspect(joined(parts[:11]) + large, BILLED)[1]
    assert any("its 'moof' box is too large" in note for note in report["unchecked"])


@pytest.mark.parametrize("movflags", ["frag_keyframe+empty_moov", "frag_every_frame+empty_moov+default_base_moof"])
@pytest.mark.parametrize("piece", [1000, 100_000])
def test_as_ffmpeg_writes_them(movflags: str, piece: int, tmp_path: Path) -> None:
    content = video(tmp_path / "a.mp4", seconds=20, options={"movflags": movflags}).read_bytes()
    report = inspect(content, ExpectedMedia(kinds=("video",), seconds=20), piece=piece)[1]
    assert (report["seconds"], report["fps"]) == (pytest.approx(20, abs=0.05), pytest.approx(15, abs=0.05))
    assert "unchecked" not in report
    for share in (0.3, 0.6, 0.9):
        refused(content[: int(share * len(content))], ExpectedMedia(kinds=("video",), seconds=20), piece=piece)


def test_memory_does_not_grow_with_the_file() -> None:
    inspector = MediaInspector(VIDEO)
    parts = fragmented_mp4(fragments=30, size=LARGE)
    for _ in inspector.watch(iter(parts[:2])):
        pass
    inspector.read_start(iter(()))
    for _ in inspector.watch(iter(parts[2:])):
        pass
    assert sum(len(part.content) for part in inspector._file._parts) < 2 * LARGE


@given(st.integers(0, 4000), st.binary(min_size=1, max_size=8), st.integers(1, 700))
def test_any_damage(at: int, damage: bytes, piece: int) -> None:
    content = joined(fragmented_mp4(segment_index=True))
    try:
        inspect(content[:at] + damage + content[at + len(damage) :], BILLED, piece=piece)
    except UnexpectedMediaError:
        return
