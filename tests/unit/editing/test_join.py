"""Joined pieces: each frame once, each sound with its picture, no click, and copied where possible."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numbered_video import (
    moments_in,
    number_of,
    numbered_video,
    numbers_in,
    picture_of,
    sound_in,
    video_with_hidden_frames,
)
from numpy.typing import NDArray

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.editing.join import join_pieces
from airflow_provider_videoretalk.emulator.engine.mp4_writer import Mp4Writer

RATE = 44_100
B_FRAMES = {"preset": "veryfast", "bf": "3"}
Samples = NDArray[np.float32]


def tone(seconds: float, *, hertz: float = 220, phase: float = 0, channels: int = 1, rate: int = RATE) -> Samples:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate + phase)
    return np.tile(wave.astype(np.float32), (channels, 1))


def beep(seconds: float, *, at: float, rate: int = RATE) -> Samples:
    """Silence with 20 ms of 1 kHz."""
    samples = np.zeros((1, round(seconds * rate)), np.float32)
    start, length = round(at * rate), round(0.02 * rate)
    samples[0, start : start + length] = tone(0.02, hertz=1000, rate=rate)[0]
    return samples


def middle_of_beep(samples: Samples, *, near: float, rate: int = RATE) -> float:
    """When the energy of a beep has its middle, in seconds, looked for within 0.1 s."""
    start = max(0, round((near - 0.1) * rate))
    energy = samples[0, start : start + round(0.2 * rate)].astype(float) ** 2
    return (start + float(np.sum(np.arange(len(energy)) * energy) / np.sum(energy))) / rate


def pieces_of(
    folder: Path, *lengths: int, sound: Callable[[float], Samples] | None = None, **options: Any
) -> list[Path]:
    """Pieces whose frames are numbered through."""
    rate = Fraction(options.get("rate", 25))
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    return [
        numbered_video(
            folder / f"piece-{i}.mp4",
            range(start, start + length),
            sound=sound(float(length / rate)) if sound else None,
            **options,
        )
        for i, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]


@pytest.fixture(autouse=True)
def ffmpeg_is_silent(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """FFmpeg warns of nothing, when a file is written or read."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    with caplog.at_level(logging.WARNING, logger="libav"):
        yield
    av.logging.set_level(before)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("libav")] == []


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"options": B_FRAMES},
        {"options": {**B_FRAMES, "x264-params": "open-gop=1:keyint=12:scenecut=0"}},
        {"rate": Fraction(30_000, 1001), "options": B_FRAMES},
        {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=12:bframes=3"}},
        {"rotation": 90},
        {"options": B_FRAMES, "muxer_options": {"movflags": "frag_keyframe+empty_moov"}},
    ],
    ids=["no B-frames", "B-frames", "open groups", "NTSC", "HEVC", "rotated", "fragments"],
)
def test_equal_pieces_are_copied(options: dict[str, Any], tmp_path: Path) -> None:
    pieces = pieces_of(tmp_path, 40, 25, 3, 33, sound=tone, **options)
    joined = join_pieces(pieces, tmp_path / "joined.mp4")
    rate = Fraction(options.get("rate", 25))
    assert (joined.reencoded, joined.frames, joined.rate) == (False, 101, rate)
    assert joined.seams == tuple(float(frames / rate) for frames in (40, 65, 68))
    assert joined.seconds == pytest.approx(float(101 / rate))
    assert numbers_in(tmp_path / "joined.mp4") == list(range(101))
    assert moments_in(tmp_path / "joined.mp4") == [number / rate for number in range(101)]
    with av.open(tmp_path / "joined.mp4") as container:
        decoding = [packet.dts for packet in container.demux(video=0) if packet.dts is not None]
        assert len(decoding) == 101
        assert all(before < after for before, after in pairwise(decoding))


def test_pieces_of_the_emulator_are_copied(tmp_path: Path) -> None:
    """It stands for the service, whose pieces of one presenter are made alike."""
    rate = Fraction(25)
    paths = [tmp_path / f"{number}.mp4" for number in range(3)]
    for number, path in enumerate(paths):
        sound = iter([tone(2)[0]])
        with Mp4Writer(path, width=64, height=64, rate=rate, sound=sound) as writer:
            for frame in range(40):
                grey = picture_of(40 * number + frame)
                writer.write(np.stack([grey] * 3, axis=2))
    joined = join_pieces(paths, tmp_path / "joined.mp4")
    assert (joined.frames, joined.reencoded) == (120, False)
    assert numbers_in(tmp_path / "joined.mp4") == list(range(120))


def packets_of(path: Path) -> list[bytes]:
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def test_copied_packets_are_the_same_bytes(tmp_path: Path) -> None:
    pieces = pieces_of(tmp_path, 30, 30, options=B_FRAMES)
    join_pieces(pieces, tmp_path / "joined.mp4")
    assert packets_of(tmp_path / "joined.mp4") == [*packets_of(pieces[0]), *packets_of(pieces[1])]


def test_pieces_with_and_without_b_frames(tmp_path: Path) -> None:
    """Their parameter sets differ, so they are encoded again."""
    first = numbered_video(tmp_path / "1.mp4", range(30), options=B_FRAMES)
    second = numbered_video(tmp_path / "2.mp4", range(30, 60))
    joined = join_pieces([first, second], tmp_path / "joined.mp4")
    assert joined.reencoded
    assert numbers_in(tmp_path / "joined.mp4") == list(range(60))


def test_pieces_of_another_depth_of_reordering_are_copied(tmp_path: Path) -> None:
    """The same parameter sets, but one piece has no frame to reorder."""
    pieces = pieces_of(tmp_path, 1, 30, 1, 2, options=B_FRAMES)
    assert not join_pieces(pieces, tmp_path / "joined.mp4").reencoded
    assert numbers_in(tmp_path / "joined.mp4") == list(range(34))


DIFFERENT = {
    "size": {"size": (96, 64)},
    "codec": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "pixel format": {"pixels": "yuv444p"},
    "parameter sets": {"options": {"level": "31"}},
}


@pytest.mark.parametrize("difference", DIFFERENT)
def test_a_different_piece_is_converted(difference: str, tmp_path: Path) -> None:
    first = numbered_video(tmp_path / "1.mp4", range(30))
    second = numbered_video(tmp_path / "2.mp4", range(30, 50), **DIFFERENT[difference])
    joined = join_pieces([first, second], tmp_path / "joined.mp4")
    assert (joined.reencoded, joined.frames) == (True, 50)
    with av.open(tmp_path / "joined.mp4") as container:
        pictures = list(container.decode(video=0))
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.width, stream.height, stream.pix_fmt) == ("h264", 64, 64, "yuv420p")
    assert [number_of(picture) for picture in pictures[:30]] == list(range(30))
    assert [picture.pts * picture.time_base for picture in pictures] == [Fraction(i, 25) for i in range(50)]
    if difference != "size":
        assert [number_of(picture) for picture in pictures[30:]] == list(range(30, 50))


def test_another_shape_stands_between_black_bars(tmp_path: Path) -> None:
    first = numbered_video(tmp_path / "1.mp4", [0xFFFF] * 5, size=(64, 64))
    second = numbered_video(tmp_path / "2.mp4", [0xFFFF] * 5, size=(128, 64))
    join_pieces([first, second], tmp_path / "joined.mp4")
    with av.open(tmp_path / "joined.mp4") as container:
        *_, last = container.decode(video=0)
    grey = last.to_ndarray(format="gray")
    assert (grey[8, 32], grey[32, 2], grey[32, 62], grey[56, 32]) == pytest.approx((0, 225, 225, 0), abs=12)


def test_another_rotation_is_shown_upright(tmp_path: Path) -> None:
    first = numbered_video(tmp_path / "1.mp4", [0] * 5)
    second = numbered_video(tmp_path / "2.mp4", [0x000F] * 5, rotation=90)
    join_pieces([first, second], tmp_path / "joined.mp4")
    with av.open(tmp_path / "joined.mp4") as container:
        *_, last = container.decode(video=0)
    assert last.rotation == 0
    grey = last.to_ndarray(format="gray")
    # The bright row at the top, turned anticlockwise, is the column on the left.
    assert (grey[32, 8], grey[32, 56], grey[56, 32]) == pytest.approx((225, 25, 25), abs=12)


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(50, [*range(0, 40, 2)]), (Fraction(25, 2), [number // 2 for number in range(80)])],
    ids=["twice the rate", "half the rate"],
)
def test_another_rate_is_shown_at_the_first_ones(rate: Fraction, shown: list[int], tmp_path: Path) -> None:
    first = numbered_video(tmp_path / "1.mp4", range(100, 110))
    second = numbered_video(tmp_path / "2.mp4", range(40), rate=rate, options=B_FRAMES)
    joined = join_pieces([first, second], tmp_path / "joined.mp4")
    assert joined.frames == 10 + len(shown)
    found = numbers_in(tmp_path / "joined.mp4")
    assert found[:10] == list(range(100, 110))
    assert np.abs(np.array(found[10:]) - shown).max() <= 1
    assert moments_in(tmp_path / "joined.mp4") == [Fraction(number, 25) for number in range(joined.frames)]


def test_a_variable_rate_becomes_constant(tmp_path: Path) -> None:
    moments = [0, 40, 80, 200, 240, 280, 320]
    piece = numbered_video(tmp_path / "1.mp4", range(7), moments=moments)
    first = numbered_video(tmp_path / "0.mp4", range(7))
    joined = join_pieces([first, piece], tmp_path / "joined.mp4")
    assert joined.reencoded
    assert numbers_in(tmp_path / "joined.mp4")[7:13] == [0, 1, 2, 2, 2, 3]
    assert join_pieces([piece, piece], tmp_path / "joined.mp4").reencoded


def test_an_avi_is_encoded(tmp_path: Path) -> None:
    first = numbered_video(tmp_path / "1.avi", range(30), options={"bf": "0"})
    second = numbered_video(tmp_path / "2.mp4", range(30, 60))
    assert join_pieces([first, second], tmp_path / "joined.mp4").reencoded
    assert numbers_in(tmp_path / "joined.mp4") == list(range(60))


def test_hidden_frames_stay_hidden(tmp_path: Path) -> None:
    whole = numbered_video(tmp_path / "whole.mp4", range(48), options=B_FRAMES)
    piece = tmp_path / "1.mp4"
    video_with_hidden_frames(whole, piece)
    shown = numbers_in(piece)
    assert len(shown) < 48
    assert join_pieces([piece, piece], tmp_path / "joined.mp4").reencoded
    assert numbers_in(tmp_path / "joined.mp4") == [*shown, *shown]


@pytest.mark.parametrize("rate", [25, Fraction(30_000, 1001)], ids=["25", "NTSC"])
@pytest.mark.parametrize("length", [-0.03, 0.0, 0.017], ids=str)
def test_sound_stays_with_its_picture(length: float, rate: Fraction, tmp_path: Path) -> None:
    """The sound of a piece may be longer or shorter than its pictures by a part of a frame: nothing adds up."""
    at = float(10 / Fraction(rate))
    pieces = pieces_of(
        tmp_path, *[21] * 8, rate=rate, sound=lambda seconds: beep(seconds + length, at=at), options=B_FRAMES
    )
    joined = join_pieces(pieces, tmp_path / "joined.mp4")
    samples = sound_in(tmp_path / "joined.mp4")
    for number, start in enumerate((0.0, *joined.seams)):
        expected = float(21 * number / Fraction(rate)) + at + 0.01
        assert start == pytest.approx(float(21 * number / Fraction(rate)))
        assert middle_of_beep(samples, near=expected) == pytest.approx(expected, abs=0.001)
    assert joined.longest_cut == pytest.approx(max(length, 0), abs=0.002)
    assert samples.shape[1] / RATE == pytest.approx(joined.seconds, abs=1024 / RATE)


def largest_step(samples: Samples, moment: float, *, within: float = 0.02) -> float:
    """The largest difference of neighbouring samples around a moment."""
    start, end = max(0, round((moment - within) * RATE)), round((moment + within) * RATE)
    return float(np.abs(np.diff(samples[:, start:end])).max())


@pytest.mark.parametrize("length", [-0.03, 0.0, 0.03])
def test_no_click_where_the_sound_jumps(length: float, tmp_path: Path) -> None:
    phases = iter((0, np.pi / 2, np.pi, 4.0))
    pieces = pieces_of(
        tmp_path, 40, 40, 40, 40, sound=lambda seconds: tone(seconds + length, phase=next(phases)), sound_codec="alac"
    )
    joined = join_pieces(pieces, tmp_path / "joined.mp4")
    samples = sound_in(tmp_path / "joined.mp4")
    without_seam = largest_step(tone(2), 1.0)
    assert without_seam == pytest.approx(0.0157, abs=0.001)
    for seam in joined.seams:
        assert largest_step(samples, seam) < 1.5 * without_seam
        # And the sound around the fade is as loud as before.
        assert np.abs(samples[:, round((seam + 0.03) * RATE) :][:, :441]).max() == pytest.approx(0.5, abs=0.05)


def test_sound_that_continues_is_not_faded(tmp_path: Path) -> None:
    """40 frames have 352 periods of the tone."""
    pieces = pieces_of(tmp_path, 40, 40, sound=tone, sound_codec="alac")
    (seam,) = join_pieces(pieces, tmp_path / "joined.mp4").seams
    around = sound_in(tmp_path / "joined.mp4")[:, round((seam - 0.005) * RATE) : round((seam + 0.005) * RATE)]
    assert np.abs(around).max() == pytest.approx(0.5, abs=0.05)
    assert largest_step(around, 0.005) < 0.03


def test_a_silent_piece_between(tmp_path: Path) -> None:
    first, second, third = pieces_of(tmp_path, 25, 25, 25, sound=tone)
    numbered_video(second, range(25, 50))
    joined = join_pieces([first, second, third], tmp_path / "joined.mp4")
    assert (joined.reencoded, joined.has_sound) == (False, True)
    samples = sound_in(tmp_path / "joined.mp4")
    assert np.abs(samples[:, round(1.05 * RATE) : round(1.95 * RATE)]).max() < 0.001
    assert np.abs(samples[:, round(2.05 * RATE) : round(2.9 * RATE)]).max() == pytest.approx(0.5, abs=0.05)


def test_no_piece_has_sound(tmp_path: Path) -> None:
    joined = join_pieces(pieces_of(tmp_path, 10, 10), tmp_path / "joined.mp4")
    assert not joined.has_sound
    with av.open(tmp_path / "joined.mp4") as container:
        assert [stream.type for stream in container.streams] == ["video"]


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_mono_and_stereo(first: int, second: int, tmp_path: Path) -> None:
    one = numbered_video(tmp_path / "1.mp4", range(25), sound=tone(1, channels=first))
    other = numbered_video(tmp_path / "2.mp4", range(25, 50), sound=tone(1, channels=second))
    join_pieces([one, other], tmp_path / "joined.mp4")
    samples = sound_in(tmp_path / "joined.mp4")
    assert len(samples) == first
    for start in (0.2, 1.2):
        loudness = np.abs(samples[:, round(start * RATE) :][:, : RATE // 2]).max(axis=1)
        assert loudness == pytest.approx(0.5, abs=0.05)


def test_another_sample_rate_keeps_pitch_and_place(tmp_path: Path) -> None:
    one = numbered_video(tmp_path / "1.mp4", range(50), sound=beep(2, at=1))
    other = numbered_video(tmp_path / "2.mp4", range(50, 100), sound=beep(2, at=1, rate=24_000), sound_rate=24_000)
    join_pieces([one, other], tmp_path / "joined.mp4")
    samples = sound_in(tmp_path / "joined.mp4")
    assert middle_of_beep(samples, near=3.01) == pytest.approx(3.01, abs=0.001)
    heard = samples[0, round(3.0 * RATE) : round(3.02 * RATE)]
    assert np.sum(np.diff(np.sign(heard)) != 0) == pytest.approx(40, abs=3)


def test_sound_that_begins_later_than_the_picture(tmp_path: Path) -> None:
    whole = numbered_video(tmp_path / "whole.mp4", range(50), sound=beep(2, at=0.2))
    late = tmp_path / "late.mp4"
    with av.open(whole) as read, av.open(late, mode="w") as written:
        streams = {stream.index: written.add_stream_from_template(stream) for stream in read.streams}
        for packet in read.demux():
            if packet.dts is not None:
                if packet.stream.type == "audio":
                    shift = round(Fraction(1, 2) / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = streams[packet.stream.index]
                written.mux(packet)
    join_pieces([whole, late], tmp_path / "joined.mp4")
    assert middle_of_beep(sound_in(tmp_path / "joined.mp4"), near=2.71) == pytest.approx(2.71, abs=0.002)


def test_one_piece(tmp_path: Path) -> None:
    joined = join_pieces(pieces_of(tmp_path, 20, sound=tone), tmp_path / "joined.mp4")
    assert (joined.frames, joined.seams, joined.reencoded) == (20, (), False)


def test_the_index_stands_at_the_front(tmp_path: Path) -> None:
    join_pieces(pieces_of(tmp_path, 10, 10, sound=tone), tmp_path / "joined.mp4")
    content = (tmp_path / "joined.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_no_piece(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pieces is empty"):
        join_pieces([], tmp_path / "joined.mp4")


def test_missing_pieces_are_named(tmp_path: Path) -> None:
    pieces = pieces_of(tmp_path, 10, 10, 10, 10)
    pieces[1].unlink()
    with pytest.raises(InputError, match=r"pieces\[1\] \('.*piece-1.mp4'\) does not exist.*other pieces are kept"):
        join_pieces(pieces, tmp_path / "joined.mp4")
    pieces[3].unlink()
    with pytest.raises(InputError, match=r"pieces\[1\] .*, pieces\[3\] .* do not exist"):
        join_pieces(pieces, tmp_path / "joined.mp4")


def without_index(content: bytes) -> bytes:
    return content.replace(b"moov", b"void")


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "noise": lambda content: bytes(range(256)) * 20,
    "web page": lambda content: b"<!DOCTYPE html><html><body>503</body></html>",
    "cut off": lambda content: content[: len(content) * 2 // 3],
    "without an index": without_index,
    "broken index": lambda content: content.replace(b"stsz", b"stsx"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_piece_is_named(damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pieces = pieces_of(tmp_path, 30, 30, 30, sound=tone, muxer_options={"movflags": "faststart"})
    pieces[1].write_bytes(DAMAGE[damage](pieces[1].read_bytes()))
    with pytest.raises(InputError, match=r"pieces\[1\].*piece-1\.mp4.*Make this piece again"):
        join_pieces(pieces, tmp_path / "joined.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["piece-0.mp4", "piece-1.mp4", "piece-2.mp4"]
    # FFmpeg does warn of these.
    caplog.clear()


def test_a_piece_without_picture_is_named(tmp_path: Path) -> None:
    pieces = pieces_of(tmp_path, 30, 30, sound=tone)
    with av.open(tmp_path / "sound.mp4", mode="w") as output:
        stream = output.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(1), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(InputError, match=r"pieces\[2\] has no picture"):
        join_pieces([*pieces, tmp_path / "sound.mp4"], tmp_path / "joined.mp4")


def test_a_piece_that_disappears_while_it_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = pieces_of(tmp_path, 30, 30)
    target = tmp_path / "joined.mp4"
    target.write_bytes(b"an earlier one")
    from airflow_provider_videoretalk.editing import piece

    read = piece.read_piece

    def read_and_remove(path: Path, *, field: str) -> piece.Piece:
        found = read(path, field=field)
        if path == pieces[1]:
            path.unlink()
        return found

    monkeypatch.setattr(piece, "read_piece", read_and_remove)
    with pytest.raises(InputError, match=r"pieces\[1\]"):
        join_pieces(pieces, target)
    assert target.read_bytes() == b"an earlier one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["joined.mp4", "piece-0.mp4"]


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="cannot be written"):
        join_pieces(pieces_of(tmp_path, 5), tmp_path / "missing" / "joined.mp4")


@pytest.mark.exhaustive
def test_twenty_minutes(tmp_path: Path) -> None:
    """Twenty pieces of about a minute, each of its own length: frames, seams and drift against what was put in."""
    rate = Fraction(15)
    lengths = [850 + 7 * i for i in range(20)]
    at = 30.0
    pieces = pieces_of(
        tmp_path, *lengths, rate=rate, sound=lambda seconds: beep(seconds - 0.02, at=at, rate=16_000), sound_rate=16_000
    )
    joined = join_pieces([*pieces], tmp_path / "joined.mp4")
    assert (joined.frames, joined.reencoded) == (sum(lengths), False)
    assert joined.seconds == pytest.approx(1222, abs=0.01)
    shown = numbers_in(tmp_path / "joined.mp4")
    assert shown == list(range(sum(lengths)))
    samples = sound_in(tmp_path / "joined.mp4")
    assert samples.shape[1] / 16_000 == pytest.approx(joined.seconds, abs=1024 / 16_000)
    for number in range(20):
        start = sum(lengths[:number]) / 15
        assert (0.0, *joined.seams)[number] == pytest.approx(start)
        found = middle_of_beep(samples, near=start + at + 0.01, rate=16_000)
        assert found == pytest.approx(start + at + 0.01, abs=0.002)


def test_the_same_pieces_give_the_same_bytes(tmp_path: Path) -> None:
    pieces = pieces_of(tmp_path, 20, 20, sound=tone)
    join_pieces(pieces, tmp_path / "one.mp4")
    shutil.copy(tmp_path / "one.mp4", tmp_path / "kept.mp4")
    join_pieces(pieces, tmp_path / "one.mp4")
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "kept.mp4").read_bytes()
