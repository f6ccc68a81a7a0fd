"""The presenter's parts: every frame of the sequence, once, in the order in which the extension plays the clip."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from numbered_video import moments_in, numbered_video, numbers_in, video_with_hidden_frames

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.editing import presenter_frames
from airflow_provider_videoretalk.editing.presenter_part import cut_presenter, presenter_length
from airflow_provider_videoretalk.emulator.engine.video_frames import ping_pong_index

B_FRAMES = {"preset": "veryfast", "bf": "3"}
CLIPS: Mapping[str, Mapping[str, Any]] = {
    "no B-frames": {},
    "B-frames": {"options": B_FRAMES},
    "one keyframe": {"options": {**B_FRAMES, "g": "1000", "sc_threshold": "0"}},
    "all keyframes": {"options": {"g": "1"}},
    "open groups": {"options": {**B_FRAMES, "x264-params": "open-gop=1:keyint=12:scenecut=0"}},
    "HEVC": {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=12:open-gop=1:bframes=3"}},
    "HEVC ten bits": {
        "codec": "libx265",
        "pixels": "yuv420p10le",
        "options": {"x265-params": "log-level=none:keyint=12"},
    },
    "NTSC": {"rate": Fraction(30_000, 1001)},
    "open groups in fragments": {
        "options": {**B_FRAMES, "x264-params": "open-gop=1:keyint=12:scenecut=0"},
        "muxer_options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "fragments": {"options": B_FRAMES, "muxer_options": {"movflags": "frag_keyframe+empty_moov"}},
}


@pytest.mark.parametrize("clip", CLIPS)
def test_a_part_shows_the_sequence(clip: str, tmp_path: Path) -> None:
    source = numbered_video(tmp_path / "clip.mp4", range(50), **CLIPS[clip])
    part = cut_presenter(source, tmp_path / "part.mp4", start_frame=30, frames=130)
    assert numbers_in(tmp_path / "part.mp4") == [ping_pong_index(30 + i, length=50) for i in range(130)]
    assert (part.frames, part.next_frame) == (130, 160)
    assert presenter_length(source).frames == 50


@pytest.mark.parametrize("clip", ["open groups", "open groups in fragments", "HEVC"])
def test_a_part_may_begin_at_any_frame(clip: str, tmp_path: Path) -> None:
    """Frames that are shown before a keyframe may stand behind it in the file."""
    source = numbered_video(tmp_path / "clip.mp4", range(50), **CLIPS[clip])
    for start in range(19, 38):
        cut_presenter(source, tmp_path / "part.mp4", start_frame=start, frames=2)
        assert numbers_in(tmp_path / "part.mp4") == [start, start + 1]


def test_the_turns_written_out(tmp_path: Path) -> None:
    source = numbered_video(tmp_path / "clip.mp4", range(4))
    cut_presenter(source, tmp_path / "part.mp4", start_frame=0, frames=14)
    assert numbers_in(tmp_path / "part.mp4") == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_shortest_clips(length: int, tmp_path: Path) -> None:
    source = numbered_video(tmp_path / "clip.mp4", range(length))
    cut_presenter(source, tmp_path / "part.mp4", start_frame=1, frames=5)
    assert numbers_in(tmp_path / "part.mp4") == {1: [0] * 5, 2: [1, 0, 1, 0, 1], 3: [1, 2, 1, 0, 1]}[length]


@pytest.mark.parametrize("window", [1, 7, 12, 1000])
def test_backwards_in_windows_of_any_size(window: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presenter_frames, "_WINDOW_BYTES", window * 64 * 64 * 3 // 2)
    source = numbered_video(tmp_path / "clip.mp4", range(50), options=B_FRAMES)
    cut_presenter(source, tmp_path / "part.mp4", start_frame=55, frames=40)
    assert numbers_in(tmp_path / "part.mp4") == list(range(43, 3, -1))


def test_consecutive_parts_continue(tmp_path: Path) -> None:
    source = numbered_video(tmp_path / "clip.mp4", range(40), options=B_FRAMES)
    shown: list[int] = []
    start = 0
    for frames in (25, 13, 1, 40, 31, 60):
        part = cut_presenter(source, tmp_path / "part.mp4", start_frame=start, frames=frames)
        shown += numbers_in(tmp_path / "part.mp4")
        start = part.next_frame
    assert len(shown) == 170
    assert {abs(after - before) for before, after in pairwise(shown)} == {1}


def test_a_cut_of_the_forward_pass(tmp_path: Path) -> None:
    source = numbered_video(tmp_path / "clip.mp4", range(100), options=B_FRAMES)
    cut_presenter(source, tmp_path / "part.mp4", start_frame=37, frames=30)
    assert numbers_in(tmp_path / "part.mp4") == list(range(37, 67))


def test_an_edit_list_hides_frames(tmp_path: Path) -> None:
    """A copied cut begins at a keyframe, and hides the frames before the cut."""
    whole = numbered_video(tmp_path / "whole.mp4", range(48), options=B_FRAMES)
    source = tmp_path / "clip.mp4"
    video_with_hidden_frames(whole, source)
    shown = numbers_in(source)
    assert 40 <= len(shown) < 48
    assert presenter_length(source).frames == len(shown)
    cut_presenter(source, tmp_path / "part.mp4", start_frame=0, frames=60)
    assert numbers_in(tmp_path / "part.mp4") == [shown[ping_pong_index(i, length=len(shown))] for i in range(60)]


def test_avi(tmp_path: Path) -> None:
    source = numbered_video(tmp_path / "clip.avi", range(50), options={"bf": "0"})
    length = presenter_length(source)
    assert (length.frames, length.rate, length.seconds) == (50, 25, 2.0)
    cut_presenter(source, tmp_path / "part.mp4", start_frame=30, frames=60)
    assert numbers_in(tmp_path / "part.mp4") == [ping_pong_index(30 + i, length=50) for i in range(60)]


def test_a_variable_rate_becomes_its_average(tmp_path: Path) -> None:
    moments = [i * 30 + (i % 5) * 6 for i in range(61)]
    source = numbered_video(tmp_path / "clip.mp4", range(61), moments=moments)
    length = presenter_length(source)
    assert length.frames == 61
    assert float(length.rate) == pytest.approx(1000 / 30, rel=0.01)
    part = cut_presenter(source, tmp_path / "part.mp4", start_frame=0, frames=61)
    assert part.rate == length.rate
    assert numbers_in(tmp_path / "part.mp4") == list(range(61))
    shown = moments_in(tmp_path / "part.mp4")
    steps = {after - before for before, after in pairwise(shown)}
    assert max(steps) - min(steps) < Fraction(1, 10_000)


def test_the_part_is_stored_as_the_clip(tmp_path: Path) -> None:
    rate = Fraction(30_000, 1001)
    source = numbered_video(tmp_path / "clip.mp4", range(30), rate=rate, size=(96, 64), rotation=90)
    cut_presenter(source, tmp_path / "part.mp4", start_frame=20, frames=30)
    with av.open(tmp_path / "part.mp4") as part:
        (stream,) = part.streams
        assert (stream.codec_context.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", rate)
        assert (stream.width, stream.height, stream.frames, stream.start_time) == (96, 64, 30, 0)
        first = next(part.decode(stream))
        assert (first.key_frame, first.rotation) == (True, 90)


def test_the_index_stands_at_the_front(tmp_path: Path) -> None:
    source = numbered_video(tmp_path / "clip.mp4", range(10))
    cut_presenter(source, tmp_path / "part.mp4", start_frame=0, frames=10)
    content = (tmp_path / "part.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_damaged_picture_keeps_the_numbers_of_the_others(tmp_path: Path) -> None:
    source = numbered_video(tmp_path / "clip.mp4", range(40), options={"g": "1"})
    with av.open(source) as container:
        packet = next(
            packet for packet in container.demux(video=0) if packet.pts * packet.time_base == Fraction(20, 25)
        )
        position, size = packet.pos, packet.size
    content = bytearray(source.read_bytes())
    content[position : position + size] = b"\xff" * size
    source.write_bytes(content)
    cut_presenter(source, tmp_path / "part.mp4", start_frame=10, frames=20)
    shown = numbers_in(tmp_path / "part.mp4")
    assert [number for i, number in enumerate(shown) if i != 10] == [*range(10, 20), *range(21, 30)]


@pytest.mark.parametrize(("start", "frames"), [(-1, 5), (0, 0)])
def test_values_out_of_range(start: int, frames: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allowed is at least"):
        cut_presenter(tmp_path / "clip.mp4", tmp_path / "part.mp4", start_frame=start, frames=frames)


@pytest.mark.parametrize(
    "content", [None, b"", b"#EXTM3U\nhttp://192.0.2.1/a.ts\n", b"\0\0\0\x18ftypmp42" + b"\1" * 500]
)
def test_what_is_no_video_is_refused_by_name(content: bytes | None, tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(InputError, match=r"the presenter's clip is '.*clip\.mp4'"):
        cut_presenter(source, tmp_path / "part.mp4", start_frame=0, frames=5)
    assert not list(tmp_path.glob("*part*"))


def test_a_rate_that_no_video_has(tmp_path: Path) -> None:
    source = numbered_video(tmp_path / "clip.mp4", range(3), moments=[0, 9_000_000, 18_000_000])
    with pytest.raises(InputError, match=r"its frame rate is .* fps, allowed is 1 to 240 fps"):
        presenter_length(source)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    source = numbered_video(tmp_path / "clip.mp4", range(4))
    with pytest.raises(TransportError, match="cannot be written"):
        cut_presenter(source, tmp_path / "missing" / "part.mp4", start_frame=0, frames=4)
