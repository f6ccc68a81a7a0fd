"""Damaged and hostile headers: facts or this package's own error, in bounded steps, whatever the bytes are."""

from __future__ import annotations

import math
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_files import Memory, box, coded, image, video, wav

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.inputs.preflight import check_media
from airflow_provider_videoretalk.media.ffmpeg_probe import complete_with_ffmpeg
from airflow_provider_videoretalk.media.header.media_facts import PROPERTY_NAMES, MediaFacts, unknown_facts
from airflow_provider_videoretalk.media.header.reader import read_media_facts
from airflow_provider_videoretalk.media.probe_result import ProbeResult
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.model_catalog.videoretalk import (
    AUDIO_CONTAINERS,
    IMAGE_FORMATS,
    VIDEO_CONTAINERS,
    VIDEORETALK,
)
from airflow_provider_videoretalk.outbound.read_budget import (
    LOCAL_BUDGET,
    REMOTE_BUDGET,
    BudgetMeter,
    OutOfReachError,
    ReadBudget,
)

TAKEN = {"video": VIDEO_CONTAINERS, "audio": AUDIO_CONTAINERS, "image": IMAGE_FORMATS}
MUTATIONS = 400
# Of the processor, for one file.
SECONDS = 3.0
READS = 400_000

NAMES = [
    "mp4", "mp4-fragmented", "mp4-hybrid", "mp4-dash", "mp4-every-frame", "mov", "avi", "avi-bare", "avi-extended",
    "wav", "wav-trailer", "mp3", "mp3-bare", "mp3-joined", "aac", "aac-joined",
    "jpeg", "png", "bmp", "webp", "webp-lossless",
]  # fmt: skip


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("seeds")

    def made(name: str, make: Callable[..., Path], **options: object) -> bytes:
        return make(folder / name, **options).read_bytes()

    bare = {"write_xing": "0"}
    avi, aac = made("a.avi", video), made("a.aac", coded, codec="aac", container="adts")
    frames = avi[avi.index(b"movi") : avi.rindex(b"idx1")]
    movi = b"LIST" + struct.pack("<I", len(frames)) + frames
    return {
        "mp4": made("a.mp4", video),
        "mp4-fragmented": made("b.mp4", video, options={"movflags": "frag_keyframe+empty_moov"}),
        "mp4-hybrid": made("c.mp4", video, options={"movflags": "frag_keyframe"}),
        "mp4-dash": made("d.mp4", video, options={"movflags": "frag_keyframe+empty_moov+dash+global_sidx"}),
        "mp4-every-frame": made("e.mp4", video, options={"movflags": "frag_every_frame+empty_moov"}),
        "mov": made("a.mov", video),
        "avi": avi,
        "avi-bare": avi[: avi.rindex(b"idx1")],
        "avi-extended": avi + b"RIFF" + struct.pack("<I", len(movi) + 4) + b"AVIX" + movi,
        "wav": wav(),
        "wav-trailer": wav() + b"LIST" + struct.pack("<I", 20) + b"INFOISFT" + bytes(12),
        "mp3": made("a.mp3", coded),
        "mp3-bare": made("b.mp3", coded, options=bare, quality=4),
        "mp3-joined": made("a.mp3", coded) + made("c.mp3", coded, rate=16_000),
        "aac": aac,
        "aac-joined": aac + made("b.aac", coded, codec="aac", container="adts", rate=16_000),
        **{kind: image(kind) for kind in ("jpeg", "png", "bmp", "webp")},
        "webp-lossless": image("webp", width=3, height=3),
    }


class Counted(RangedReader):
    reads = 0

    def read_at(self, start: int, length: int) -> bytes:
        assert start >= 0
        assert length >= 0
        self.reads += 1
        return super().read_at(start, length)


def findings_by_kind(facts: MediaFacts) -> dict[str, list[str]]:
    """The codes of the findings if the file were each of the inputs."""
    media = ProbeResult(**vars(facts))
    return {
        limits.kind: [finding.code for finding in check_media(name, media, limits)]
        for name, limits in VIDEORETALK.media_inputs.items()
    }


def survives(
    content: bytes, *, budget: ReadBudget = REMOTE_BUDGET, forward_only: bool = False, states_size: bool = True
) -> MediaFacts | None:
    meter = BudgetMeter(budget)
    ranged = Counted(Memory(content, meter, forward_only=forward_only, states_size=states_size), meter)
    begun, code = time.thread_time(), ""
    try:
        facts = complete_with_ffmpeg(read_media_facts(ranged, field="video_url"), ranged)
        plausible(facts)
        findings_by_kind(facts)
    except (InputError, OutOfReachError) as error:
        facts, code = None, error.code
    assert code in ("", "InvalidFile.Openerror", "InvalidFile.Format")
    assert time.thread_time() - begun < SECONDS
    assert ranged.reads < READS
    assert meter.size <= budget.size
    assert meter.requests <= budget.requests
    return facts


def plausible(facts: MediaFacts) -> None:
    unknown = {name.partition(":")[0] for name in facts.unchecked} - {"format"}
    assert unknown == {name for field, name in PROPERTY_NAMES[facts.kind].items() if getattr(facts, field) is None}
    assert facts.seconds is None or (math.isfinite(facts.seconds) and facts.seconds >= 0)
    assert facts.fps is None or (math.isfinite(facts.fps) and facts.fps >= 0)
    assert facts.width is None or facts.width > 0
    assert facts.height is None or facts.height > 0


def mutated(seed: bytes, chance: random.Random) -> bytes:
    """Bytes changed near the ends, where headers are; parts left out, doubled, or cut off."""
    content = bytearray(seed)
    reach = min(len(content), 3000)
    for _ in range(chance.randint(1, 20)):
        position = chance.randrange(reach) if chance.random() < 0.6 else len(content) - 1 - chance.randrange(reach)
        if chance.random() < 0.3:
            struct.pack_into(">I", content, min(position, len(content) - 4), chance.choice(EDGES))
        else:
            content[position] = chance.randrange(256)
    start, end = sorted(chance.randrange(len(content)) for _ in range(2))
    match chance.randrange(6):
        case 0:
            return bytes(content[:end])
        case 1:
            return bytes(content[:start] + content[end:])
        case 2:
            return bytes(content[:end] + content[start:])
        case _:
            return bytes(content)


EDGES = [0, 1, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF8, 16, 0x01000000]


@pytest.mark.parametrize("name", NAMES)
def test_seeds_are_read(seeds: dict[str, bytes], name: str) -> None:
    facts = survives(seeds[name])
    assert facts is not None
    assert facts.container == name.partition("-")[0]
    assert not facts.unchecked


def test_every_kind_that_is_taken_has_seeds() -> None:
    assert {name.partition("-")[0] for name in NAMES} == {*VIDEO_CONTAINERS, *AUDIO_CONTAINERS, *IMAGE_FORMATS}


@pytest.mark.parametrize("name", NAMES)
def test_mislabelled_files(seeds: dict[str, bytes], name: str) -> None:
    """Each in the place of each input: taken where it belongs, and refused by its kind elsewhere."""
    facts = survives(seeds[name])
    assert facts is not None
    wanted = {place: [] if facts.container in kinds else ["InvalidFile.Format"] for place, kinds in TAKEN.items()}
    assert findings_by_kind(facts) == wanted


@pytest.mark.parametrize("name", NAMES)
def test_mutated_files(seeds: dict[str, bytes], name: str) -> None:
    chance = random.Random(name)
    for number in range(MUTATIONS):
        survives(mutated(seeds[name], chance), forward_only=number % 5 == 0, states_size=number % 7 != 0)


@pytest.mark.parametrize("name", NAMES)
def test_cut_off_files(seeds: dict[str, bytes], name: str) -> None:
    seed = seeds[name]
    for end in [*range(0, min(len(seed), 1200), 7), *range(1200, len(seed), max(1, len(seed) // 40))]:
        survives(seed[:end])


@pytest.mark.parametrize("name", ["mp4", "mp4-fragmented", "mp4-hybrid", "mov"])
def test_mutated_files_through_ffmpeg(seeds: dict[str, bytes], name: str) -> None:
    """The second stage takes whatever the first one leaves open."""
    chance = random.Random(f"ffmpeg {name}")
    for _ in range(60):
        content = mutated(seeds[name], chance)
        meter = BudgetMeter(REMOTE_BUDGET)
        open_facts = unknown_facts("video", "mp4", reason="open")
        plausible(complete_with_ffmpeg(open_facts, RangedReader(Memory(content, meter), meter)))


MAGIC = {
    "mp4": b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00isom",
    "moov": b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  \x00\x00\x04\x00moov",
    "avi": b"RIFF\xff\xff\x00\x00AVI LIST\x00\x04\x00\x00hdrl",
    "wav": b"RIFF\xff\xff\x00\x00WAVEfmt \x10\x00\x00\x00",
    "mp3": b"\xff\xfb\x90\x00",
    "id3": b"ID3\x04\x00\x00\x00\x00\x00\x7f",
    "aac": b"\xff\xf1\x50\x80",
    "jpeg": b"\xff\xd8\xff",
    "png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "bmp": b"BM\x00\x00\x00\x00\x00\x00\x00\x00",
    "webp": b"RIFF\x10\x00\x00\x00WEBPVP8",
    "none": b"",
}


@pytest.mark.parametrize("name", MAGIC)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=2000), states_size=st.booleans(), forward_only=st.booleans())
def test_any_bytes_behind_a_signature(name: str, content: bytes, states_size: bool, forward_only: bool) -> None:
    survives(MAGIC[name] + content, states_size=states_size, forward_only=forward_only)


KINDS = [
    *(b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvhd", b"tkhd", b"mdhd", b"hdlr", b"stts", b"stsd", b"edts"),
    *(b"elst", b"mvex", b"trex", b"moof", b"traf", b"tfhd", b"tfdt", b"trun", b"mfra", b"tfra", b"mdat", b"free"),
    b"sidx",
]
TREES = st.recursive(
    st.tuples(st.sampled_from(KINDS), st.binary(max_size=90)).map(lambda pair: box(*pair)),
    lambda inner: st.tuples(st.sampled_from(KINDS), st.lists(inner, max_size=4)).map(
        lambda pair: box(pair[0], b"".join(pair[1]))
    ),
    max_leaves=25,
)


@settings(max_examples=150)
@given(st.lists(TREES, min_size=1, max_size=6))
def test_any_tree_of_boxes(trees: list[bytes]) -> None:
    survives(MAGIC["mp4"] + b"".join(trees))


def test_boxes_without_end() -> None:
    """Many, deep, empty and overlapping ones."""
    head = MAGIC["mp4"]
    deep = b""
    for _ in range(50_000):
        deep = box(b"trak", deep) if len(deep) < 2_000_000 else deep
    for content in (
        head + box(b"free", b"") * 900_000,
        head + box(b"moov", box(b"free", b"") * 900_000),
        head + box(b"moov", box(b"trak", box(b"mdia", b"") * 5000) * 20),
        head + struct.pack(">I4s", 0, b"free") + bytes(1000),
        head + struct.pack(">I4sQ", 1, b"moov", 2**63) + bytes(1000),
        head + struct.pack(">I4sQ", 1, b"moov", 0) + bytes(1000),
        head + b"\x00\x00\x00\x01moov",
        head + box(b"moov", deep[:1_000_000]),
        head + box(b"moof", b"") * 100_000,
    ):
        survives(content)
        survives(content, budget=LOCAL_BUDGET)


def test_deep_boxes() -> None:
    deep = b""
    for _ in range(3000):
        deep = box(b"trak", deep)
    survives(MAGIC["mp4"] + box(b"moov", deep))


def test_tables_that_claim_billions(seeds: dict[str, bytes]) -> None:
    content = bytearray(seeds["mp4"])
    struct.pack_into(">II", content, content.index(b"stts") + 12, 0xFFFFFFFF, 0xFFFFFFFF)
    facts = survives(bytes(content))
    assert facts is not None
    fragmented = bytearray(seeds["mp4-fragmented"])
    struct.pack_into(">I", fragmented, fragmented.index(b"trun") + 8, 0xFFFFFFFF)
    survives(bytes(fragmented))


def test_chunks_without_end() -> None:
    for content in (
        b"RIFF\xff\xff\xff\x7fAVI " + b"JUNK\x00\x00\x00\x00" * 500_000,
        b"RIFF\xff\xff\xff\x7fAVI LIST\xff\xff\xff\x7fhdrl" + b"LIST\x04\x00\x00\x00strl" * 300_000,
        b"RIFF\xff\xff\xff\x7fAVI LIST\xff\xff\xff\x7fhdrl" + b"LIST\xff\xff\x00\x00strl" * 300_000,
        b"RIFF\xff\xff\xff\x7fWAVE" + b"fact\x00\x00\x00\x00" * 500_000,
        b"\xff\xd8" + b"\xff\xe0\x00\x02" * 1_000_000,
        b"\xff\xd8" + b"\xff" * 3_000_000,
    ):
        survives(content)
        survives(content, budget=LOCAL_BUDGET)


@pytest.mark.parametrize(
    "frame", [b"\xff\xf1\x50\x80\x00\xff\xfc", b"\xff\xf3\x14\xc4" + bytes(44), b"\xff\xfb\x90\x00"]
)
def test_frames_without_end(frame: bytes) -> None:
    """The shortest ones, as many as fit; and nothing but what looks like the beginning of one."""
    for content in (frame * (6_000_000 // len(frame)), (frame + bytes(70_000)) * 80, frame * 2 + b"\xff" * 5_000_000):
        survives(content)
        survives(content, budget=LOCAL_BUDGET)
    survives(b"ID3\x04\x00\x00\x00\x00\x00\x00" * 1000 + frame * 10)
