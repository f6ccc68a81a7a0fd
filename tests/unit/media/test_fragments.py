"""Fragmented videos: length and frame rate are counted, or not known. FFmpeg counts the same frames."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from media_files import box, video
from range_server import RangeServer

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.inputs.preflight import check_media
from airflow_provider_videoretalk.media.probe import probe
from airflow_provider_videoretalk.media.probe_result import ProbeResult
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.outbound.host_access import any_address
from airflow_provider_videoretalk.outbound.read_budget import ReadBudget

FRAGMENTED = "frag_keyframe+empty_moov"
EVERY_FRAME = "frag_every_frame+empty_moov+default_base_moof"


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer() as running:
        yield running


def probed(content: bytes, tmp_path: Path, **options: Any) -> ProbeResult:
    path = tmp_path / "any.name"
    path.write_bytes(content)
    return probe(path, **options)


def counted_by_ffmpeg(path: Path) -> tuple[int, float]:
    """Frames, and seconds."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        frames = sum(bool(packet.size) for packet in container.demux(stream))
        assert stream.duration
        assert stream.time_base
        return frames, float(stream.duration * stream.time_base)


def agrees_with_ffmpeg(path: Path, *, tolerance: float = 0.002) -> ProbeResult:
    media = probe(path)
    frames, seconds = counted_by_ffmpeg(path)
    assert media.unchecked == ()
    assert media.seconds == pytest.approx(seconds, abs=tolerance)
    assert media.fps == pytest.approx(frames / media.seconds, rel=0.001)
    return media


def fragments(tmp_path: Path, *, seconds: float = 5, flags: str = FRAGMENTED) -> bytes:
    return video(tmp_path / "f.mp4", seconds=seconds, container="mp4", options={"movflags": flags}).read_bytes()


def without_index(content: bytes) -> bytes:
    at = content.rfind(b"mfra")
    assert at > 0
    return content[: at - 4]


@pytest.mark.parametrize(
    ("flags", "seconds"),
    [
        *((flags, seconds) for flags in (FRAGMENTED, "frag_keyframe") for seconds in (1, 5, 5.2, 90)),
        *((EVERY_FRAME, seconds) for seconds in (0.1, 5.2)),
    ],
)
def test_fragments(tmp_path: Path, flags: str, seconds: float) -> None:
    media = probed(fragments(tmp_path, seconds=seconds, flags=flags), tmp_path)
    assert (media.seconds, media.fps, media.unchecked) == (pytest.approx(seconds, abs=0.05), pytest.approx(15), ())


def test_fragments_without_an_index(tmp_path: Path) -> None:
    media = probed(without_index(fragments(tmp_path)), tmp_path)
    assert (media.seconds, media.fps, media.unchecked) == (5.0, 15.0, ())


def film(
    path: Path,
    *,
    moments: Iterable[Fraction],
    flags: str,
    codec: str = "libx264",
    sound_first: bool = False,
    container: str = "mp4",
    options: dict[str, str] | None = None,
    side: int = 64,
) -> Path:
    """A fragmented video with a tone, whose frames are shown at ``moments``."""
    with av.open(path, mode="w", format=container, options={"movflags": flags} | (options or {})) as output:
        for name in ("aac", codec) if sound_first else (codec, "aac"):
            output.add_stream(name, rate=48_000 if name == "aac" else 1000)
        (sound,), (picture,) = output.streams.audio, output.streams.video
        picture.width, picture.height, picture.pix_fmt = side, side, "yuv420p"
        picture.time_base = picture.codec_context.time_base = Fraction(1, 15_360)
        picture.options = {"g": "30"} | ({"x265-params": "log-level=none"} if codec == "libx265" else {})
        chance = np.random.default_rng(3)
        last = Fraction(0)
        for last in moments:
            frame = av.VideoFrame.from_ndarray(chance.integers(0, 255, (side, side, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = int(last * 15_360), Fraction(1, 15_360)
            output.mux(picture.encode(frame))
        output.mux(picture.encode(None))
        for start in range(0, int(last * 48_000), 1024):
            piece = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            piece.planes[0].update(bytes(4096))
            piece.sample_rate, piece.pts, piece.time_base = 48_000, start, Fraction(1, 48_000)
            output.mux(sound.encode(piece))
        output.mux(sound.encode(None))
    return path


def uneven(seconds: int) -> list[Fraction]:
    """A second of 12 frames, then seconds of 25 and 26."""
    counts = [12, *(25 + second % 2 for second in range(1, seconds))]
    return [second + Fraction(i, count) for second, count in enumerate(counts) for i in range(count)]


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (FRAGMENTED, {}),
        (FRAGMENTED, {"codec": "libx265"}),
        (FRAGMENTED, {"sound_first": True}),
        ("frag_keyframe", {}),
        ("frag_keyframe+default_base_moof", {"sound_first": True}),
        (EVERY_FRAME, {}),
        (EVERY_FRAME, {"codec": "libx265", "sound_first": True}),
        ("cmaf", {}),
        (f"{FRAGMENTED}+dash", {}),
    ],
)
def test_a_frame_rate_that_varies(tmp_path: Path, flags: str, options: dict[str, Any]) -> None:
    path = film(tmp_path / "a.mp4", moments=uneven(6), flags=flags, **options)
    # FFmpeg adds the durations in the index of DASH, each of which ends with the last frame shown.
    media = agrees_with_ffmpeg(path, tolerance=0.1 if "dash" in flags else 0.002)
    assert media.fps == pytest.approx(23.3, abs=0.3)
    assert media.codec == ("hevc" if options.get("codec") else "h264")


@pytest.mark.parametrize("container", ["mov", "ismv"])
def test_other_containers_of_fragments(tmp_path: Path, container: str) -> None:
    agrees_with_ffmpeg(film(tmp_path / "a", moments=uneven(5), flags=FRAGMENTED, container=container))


@pytest.mark.parametrize("rate", [18, 25])
def test_a_recording_with_a_fragment_for_each_frame(tmp_path: Path, server: RangeServer, rate: int) -> None:
    path = video(
        tmp_path / "a.mp4", seconds=6, fps=rate, width=160, height=160, noise=True, options={"movflags": EVERY_FRAME}
    )  # fmt: skip
    assert path.stat().st_size > 2_500_000
    assert agrees_with_ffmpeg(path, tolerance=0.1).fps == pytest.approx(rate, rel=0.001)
    media = probe(server.add("/a", path.read_bytes()), access=any_address)
    assert (media.fps, media.unchecked) == (pytest.approx(rate, rel=0.001), ())
    assert len(server.asked) < 12


def test_a_recording_that_almost_exceeds_the_budget(tmp_path: Path, server: RangeServer) -> None:
    """One request for the rest leaves less of the budget than is kept for an index, which is not needed then."""
    path = video(
        tmp_path / "a.mp4", seconds=6, fps=25, width=192, height=192, noise=True, options={"movflags": EVERY_FRAME}
    )
    size = path.stat().st_size
    media = probe(server.add("/a", path.read_bytes()), access=any_address, budget=ReadBudget(size=size + 100_000))
    assert (media.fps, media.unchecked) == (pytest.approx(25, rel=0.001), ())
    assert len(server.asked) < 5


def test_the_time_of_an_index_is_not_that_of_a_fragment(tmp_path: Path, server: RangeServer) -> None:
    """``mfra`` has the time at which a frame is shown, and with B-frames that is later."""
    path = film(tmp_path / "a.mp4", moments=[Fraction(i, 15) for i in range(92)], flags=EVERY_FRAME, side=128)
    whole = probe(path).seconds
    media = probe(
        server.add("/a", path.read_bytes()),
        access=any_address,
        budget=ReadBudget(requests=9, size=path.stat().st_size // 2),
    )
    assert (media.seconds, media.fps) == (pytest.approx(whole, abs=0.001), None)


def moof(*trafs: bytes) -> bytes:
    return box(b"moof", box(b"mfhd", bytes(8)) + b"".join(trafs))


def traf(*runs: bytes, track: int = 1, begin: int | None = None, ticks_each: int | None = None) -> bytes:
    header = struct.pack(">II", 0x8 if ticks_each else 0, track) + (
        struct.pack(">I", ticks_each) if ticks_each else b""
    )
    decode_time = b"" if begin is None else box(b"tfdt", struct.pack(">II", 0, begin))
    return box(b"traf", box(b"tfhd", header) + decode_time + b"".join(runs))


def run(*ticks: int, frames: int | None = None) -> bytes:
    """A run of frames with a duration each, or of a number of frames of the default duration."""
    if frames is not None:
        return box(b"trun", struct.pack(">II", 0, frames))
    table = b"".join(struct.pack(">II", each, 1) for each in ticks)
    return box(b"trun", struct.pack(">II", 0x100 | 0x200, len(ticks)) + table)


@pytest.fixture
def head(tmp_path: Path) -> bytes:
    """An index without frames, of a track with 15,360 ticks a second. Other fragments than its own may follow."""
    content = without_index(fragments(tmp_path, seconds=1))
    assert struct.unpack_from(">I", content, content.index(b"mdhd") + 16) == (15_360,)
    return content[: content.index(b"moof") - 4]


SECOND = 15_360


@pytest.mark.parametrize(
    ("parts", "seconds", "frames"),
    [
        pytest.param([moof(traf(run(1000, 2000), run(3000), begin=0))], 6000 / SECOND, 3, id="several runs"),
        pytest.param(
            [moof(traf(run(frames=9), track=2), traf(run(512, 512), begin=0))], 1024 / SECOND, 2, id="sound comes first"
        ),
        pytest.param(
            [moof(traf(run(512), begin=0), traf(run(512), begin=512))], 1024 / SECOND, 2, id="a track in two parts"
        ),
        pytest.param([moof(traf(run(frames=30), ticks_each=512))], 1, 30, id="duration in the fragment"),
        pytest.param([moof(traf(run(frames=30), begin=0, ticks_each=512))] * 3, 1, 90, id="the same time again"),
        pytest.param([moof(traf(run(frames=30), ticks_each=512))] * 3, 3, 90, id="no times"),
        pytest.param(
            [moof(traf(run(frames=30), begin=at * SECOND, ticks_each=512)) for at in (100, 101)], 2, 60,
            id="a late start",
        ),
        pytest.param(
            [moof(traf(run(frames=30), begin=at * SECOND, ticks_each=512)) for at in (0, 3)], 4, 60, id="a pause"
        ),
        pytest.param(
            [moof(traf(run(frames=30), begin=at * SECOND, ticks_each=512)) for at in (1, 0)], 2, 60, id="out of order"
        ),
        pytest.param(
            [moof(traf(run(frames=30), begin=0, ticks_each=512)), moof(traf(run(0, 512)))], 1 + 512 / SECOND, 32,
            id="a time only at first",
        ),
        pytest.param([moof(), moof(traf(track=2)), moof(traf(run(512)))], 512 / SECOND, 1, id="empty ones"),
    ],
)  # fmt: skip
def test_shapes_of_fragments(head: bytes, tmp_path: Path, parts: list[bytes], seconds: float, frames: int) -> None:
    media = probed(head + box(b"mdat", bytes(9)).join([*parts, b""]), tmp_path)
    assert (media.seconds, media.unchecked) == (pytest.approx(seconds), ())
    assert media.fps == pytest.approx(frames / seconds)


def test_durations_of_the_index_are_the_default(head: bytes, tmp_path: Path) -> None:
    changed = bytearray(head)
    struct.pack_into(">I", changed, head.index(b"trex") + 4 + 12, 1024)
    media = probed(bytes(changed) + moof(traf(run(frames=30), begin=0)), tmp_path)
    assert (media.seconds, media.fps) == (2.0, 15.0)


def test_a_length_in_the_index_is_not_believed(head: bytes, tmp_path: Path) -> None:
    """A recorder may write ``mehd`` before it knows the length."""
    at = head.index(b"mvex") - 4
    (moov,) = struct.unpack_from(">I", head, head.index(b"moov") - 4)
    (mvex,) = struct.unpack_from(">I", head, at)
    mehd = box(b"mehd", struct.pack(">II", 0, 77_000))
    changed = bytearray(head[: at + 8] + mehd + head[at + 8 :])
    struct.pack_into(">I", changed, at, mvex + len(mehd))
    struct.pack_into(">I", changed, head.index(b"moov") - 4, moov + len(mehd))
    media = probed(bytes(changed) + moof(traf(run(frames=30), begin=0, ticks_each=512)), tmp_path)
    assert (media.seconds, media.fps) == (1.0, 30.0)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "its media data|it has no frames"),
        ([moof(traf(run(frames=30), track=2))], "it has no frames"),
        ([moof(traf(run(0, 0)))], "its fragments have no duration"),
        ([moof(traf(box(b"trun", struct.pack(">II", 0x200, 10))))], "states more frames than it has"),
        ([box(b"moof", box(b"traf", box(b"tfhd", b"\0")))], "its header ends early"),
    ],
)
def test_damaged_fragments(head: bytes, tmp_path: Path, parts: list[bytes], reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        probed(head + b"".join(parts) + box(b"mdat", b""), tmp_path)
    assert caught.value.code == "InvalidFile.Openerror"


def test_sound_in_fragments(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(path, mode="w", options={"movflags": "empty_moov+frag_every_frame"}) as output:
        sound = output.add_stream("aac", rate=48_000, layout="mono")
        for start in range(0, 48_000 * 3, 1024):
            piece = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            piece.planes[0].update(bytes(4096))
            piece.sample_rate, piece.pts = 48_000, start
            output.mux(sound.encode(piece))
        output.mux(sound.encode(None))
    media = probe(path)
    assert (media.kind, media.codec, media.unchecked) == ("audio", "aac", ())
    assert media.seconds == pytest.approx(3, abs=0.05)


def test_many_fragments_are_no_damage(head: bytes, tmp_path: Path) -> None:
    """Two minutes of 60 frames a second, with sound; and more than anybody counts."""
    pair = moof(traf(run(256), ticks_each=256)) + box(b"mdat", b"") + moof(traf(run(256), track=2)) + box(b"mdat", b"")
    media = probed(head + pair * 7200, tmp_path)
    assert (media.seconds, media.fps, media.unchecked) == (120.0, 60.0, ())
    media = probed(head + pair * 9000, tmp_path)
    assert (media.seconds, media.fps, len(media.unchecked)) == (None, None, 2)


# A quarter of the file that it is used for.
SMALL = ReadBudget(requests=12, size=700_000)


def spread(content: bytes, *, distance: int = 70_000) -> bytes:
    """Fragments so far apart that each takes a request of its own."""
    parts, start = [], 0
    while start < len(content):
        size, kind = struct.unpack_from(">I4s", content, start)
        parts.append(content[start : start + size])
        if kind == b"mdat":
            parts.append(box(b"free", bytes(distance)))
        start += size
    return b"".join(parts)


def without_times(content: bytes) -> bytes:
    """Fragments that do not tell when they begin."""
    return content.replace(b"tfdt", b"free")


@pytest.fixture
def many(tmp_path: Path, server: RangeServer) -> str:
    """The URL of forty fragments without an index."""
    return server.add("/many", spread(without_index(fragments(tmp_path, seconds=40))))


@pytest.fixture
def timeless(tmp_path: Path, server: RangeServer) -> str:
    """As ``many``, and none of them tells its time."""
    return server.add("/timeless", without_times(spread(without_index(fragments(tmp_path, seconds=40)))))


@pytest.mark.parametrize("requests", range(2, 14))
def test_too_many_fragments(timeless: str, server: RangeServer, requests: int) -> None:
    media = probe(timeless, access=any_address, budget=ReadBudget(requests=requests, size=700_000))
    assert (media.codec, media.width, media.seconds, media.fps) == ("h264", 640, None, None)
    assert [note.partition(":")[0] for note in media.unchecked] == ["duration", "frame rate"]
    assert len(server.asked) <= requests
    assert not list(check_media("video_url", media, VIDEORETALK.media_inputs["video_url"]))


@pytest.mark.parametrize("requests", range(4, 14))
def test_the_last_of_too_many_fragments_states_the_length(many: str, server: RangeServer, requests: int) -> None:
    media = probe(many, access=any_address, budget=ReadBudget(requests=requests, size=700_000))
    assert (media.seconds, media.fps) == (40.0, None)
    assert len(server.asked) <= min(requests, 8)


@pytest.mark.parametrize("look_alike", [b"moof" * 15, moof(traf(run(512), begin=9)) * 2])
def test_bytes_that_look_like_a_last_fragment(tmp_path: Path, server: RangeServer, look_alike: bytes) -> None:
    """They are in the frames before the last fragment, and what follows them is not a box."""
    content = spread(without_index(fragments(tmp_path, seconds=40)))
    at = content.rindex(b"moof") - 4 - 30_000
    content = content[:at] + look_alike + content[at + len(look_alike) :]
    media = probe(server.add("/a", content), access=any_address, budget=SMALL)
    assert (media.seconds, media.fps) == (40.0, None)


def test_a_search_for_the_last_fragment_ends(tmp_path: Path, server: RangeServer) -> None:
    content = spread(without_index(fragments(tmp_path, seconds=40)))
    at = content.rindex(b"moof") - 4 - 60_000
    media = probe(server.add("/a", content[:at] + b"moof" * 15_000 + content[at + 60_000 :]), access=any_address,
                  budget=SMALL)  # fmt: skip
    assert (media.seconds, media.fps) == (None, None)


def test_what_was_read_of_too_many_fragments_is_in_words(timeless: str) -> None:
    media = probe(timeless, access=any_address, budget=SMALL)
    assert media.unchecked[1].startswith(
        "frame rate: it consists of fragments, and it has too many fragments to read all of them; the first "
    )
    assert media.unchecked[1].endswith(" frames have 15 fps")


def test_few_requests_are_enough_for_a_file_within_the_budget(many: str, server: RangeServer) -> None:
    media = probe(many, access=any_address, budget=ReadBudget(requests=6))
    assert (media.seconds, media.fps, media.unchecked) == (40.0, 15.0, ())
    assert len(server.asked) <= 6


def test_large_fragments_are_skipped(tmp_path: Path, server: RangeServer) -> None:
    """Fifteen seconds of 40 MB; only the descriptions of the fragments are fetched."""
    content = spread(without_index(fragments(tmp_path, seconds=15)), distance=2_700_000)
    media = probe(server.add("/large", content), access=any_address)
    assert (media.seconds, media.fps, media.unchecked) == (15.0, 15.0, ())
    assert server.sent < 700_000
    assert len(server.asked) <= 19


def indexed(content: bytes) -> bytes:
    """With the position of the last fragment at the end, as ``mfra`` has it."""
    entry = struct.pack(">IIBBB", 0, content.rindex(b"moof") - 4, 1, 1, 1)
    tfra = box(b"tfra", struct.pack(">IIII", 0, 1, 0, 1) + entry)
    return content + box(b"mfra", tfra + box(b"mfro", struct.pack(">II", 0, 8 + len(tfra) + 16)))


@pytest.mark.parametrize("seconds", [15, 60])
def test_an_index_saves_reading_large_fragments(tmp_path: Path, server: RangeServer, seconds: int) -> None:
    content = indexed(spread(without_index(fragments(tmp_path, seconds=seconds)), distance=1_500_000))
    media = probe(server.add("/large", content), access=any_address)
    assert (media.seconds, media.fps) == (seconds, None)
    assert media.unchecked[0].endswith("; the first 60 frames have 15 fps")
    assert len(server.asked) <= 8
    assert server.sent < 400_000


def test_the_last_of_many_large_fragments_states_the_length(tmp_path: Path, server: RangeServer) -> None:
    content = spread(without_index(fragments(tmp_path, seconds=70)), distance=1_500_000)
    media = probe(server.add("/large", content), access=any_address)
    assert (media.seconds, media.fps) == (70.0, None)
    assert len(server.asked) <= 8
    assert server.sent < 3_000_000


def segments(path: Path, *, flags: str) -> bytes:
    """Ten seconds in fragments of two seconds."""
    return film(path, moments=[Fraction(i, 15) for i in range(150)], flags=flags, side=128).read_bytes()


@pytest.fixture(scope="module")
def indexed_in_front(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """With ``sidx``, the index of DASH."""
    content = without_index(segments(tmp_path_factory.mktemp("a") / "s.mp4", flags=f"{FRAGMENTED}+dash+global_sidx"))
    assert b"sidx" in content[:2000]
    return content


@pytest.fixture(scope="module")
def indexed_at_the_end(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """With ``mfra``."""
    return segments(tmp_path_factory.mktemp("b") / "s.mp4", flags=FRAGMENTED)


@pytest.mark.parametrize("requests", range(2, 12))
def test_an_index_in_front_states_the_length(
    indexed_in_front: bytes, tmp_path: Path, server: RangeServer, requests: int
) -> None:
    """It states no number of frames."""
    whole = probed(indexed_in_front, tmp_path)
    budget = ReadBudget(requests=requests, size=len(indexed_in_front) // 3)
    media = probe(server.add("/s", indexed_in_front), access=any_address, budget=budget)
    assert media.fps == (whole.fps if requests > 9 else None)
    assert media.seconds == pytest.approx(whole.seconds, abs=0.1)
    assert requests > 9 or media.unchecked[-1].startswith("frame rate: it consists of fragments, and ")
    assert len(server.asked) <= requests


def test_fragments_after_the_index_count(indexed_in_front: bytes, server: RangeServer) -> None:
    (rate,) = struct.unpack_from(">I", indexed_in_front, indexed_in_front.index(b"mdhd") + 16)
    content = indexed_in_front + moof(traf(run(frames=30), begin=15 * rate, ticks_each=rate // 30))
    budget = ReadBudget(requests=7, size=len(content) // 3)
    media = probe(server.add("/s", content), access=any_address, budget=budget)
    assert (media.seconds, media.fps) == (pytest.approx(16, abs=0.2), None)


@pytest.mark.parametrize("requests", range(4, 12))
def test_an_index_at_the_end_states_the_length(
    indexed_at_the_end: bytes, tmp_path: Path, server: RangeServer, requests: int
) -> None:
    """It states where the last fragment is."""
    whole = probed(indexed_at_the_end, tmp_path)
    budget = ReadBudget(requests=requests, size=len(indexed_at_the_end) // 3)
    media = probe(server.add("/s", indexed_at_the_end), access=any_address, budget=budget)
    assert media.fps == (whole.fps if requests > 9 else None)
    assert media.seconds == whole.seconds
    assert len(server.asked) <= requests


def test_a_short_recording_takes_few_requests(tmp_path: Path, server: RangeServer) -> None:
    path = tmp_path / "s.mp4"
    video(path, seconds=20, width=64, height=64, noise=True, container="mp4", options={"movflags": FRAGMENTED})
    media = probe(server.add("/s", path.read_bytes()), access=any_address)
    assert (media.seconds, media.fps, media.unchecked) == (20.0, 15.0, ())
    assert len(server.asked) <= 4
