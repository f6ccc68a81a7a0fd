"""What real files are, by a few of their bytes; and what they are not, whatever they are called."""

from __future__ import annotations

import builtins
import io
import random
import re
import struct
import sys
import wave
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from media_files import box, coded, image, video, wav
from PIL import Image
from range_server import RangeServer

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.inputs.preflight import check_media
from airflow_provider_videoretalk.media.header.media_facts import PROPERTY_NAMES
from airflow_provider_videoretalk.media.header.mp3 import parse_mp3_frame
from airflow_provider_videoretalk.media.probe import probe, wav_seconds
from airflow_provider_videoretalk.media.probe_result import ProbeResult
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.outbound.host_access import any_address
from airflow_provider_videoretalk.outbound.read_budget import ReadBudget

FRAGMENTED = "frag_keyframe+empty_moov"


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer() as running:
        yield running


def probed(content: bytes, tmp_path: Path, **options: Any) -> ProbeResult:
    path = tmp_path / "any.name"
    path.write_bytes(content)
    return probe(path, **options)


def refusal(content: bytes, tmp_path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        probed(content, tmp_path)
    return caught.value


@pytest.mark.parametrize(
    ("container", "flags"),
    [("mp4", ""), ("mp4", "faststart"), ("mov", ""), ("mov", "faststart"), ("avi", ""), ("mp4", FRAGMENTED)],
)
def test_videos(tmp_path: Path, container: str, flags: str) -> None:
    options = {"movflags": flags} if flags else {}
    path = video(
        tmp_path / "a.bin", container=container, seconds=3, fps=Fraction(30000, 1001), width=720, height=1280,
        options=options,
    )  # fmt: skip
    media = probe(path)
    assert media == ProbeResult(
        kind="video", container=container, codec="h264", seconds=media.seconds, fps=media.fps, width=720, height=1280,
        sound=False, size=path.stat().st_size,
    )  # fmt: skip
    assert media.seconds == pytest.approx(90 * 1001 / 30000, abs=0.001)
    assert media.fps == pytest.approx(30000 / 1001, abs=0.001)


@pytest.mark.parametrize(
    ("container", "codec", "name"),
    [
        ("mp4", "libx265", "hevc"),
        ("mov", "libx265", "hevc"),
        ("mp4", "mpeg4", "mpeg4"),
        ("avi", "mpeg4", "mpeg4"),
        ("mov", "mjpeg", "mjpeg"),
        ("avi", "mjpeg", "mjpeg"),
    ],
)
def test_codecs(tmp_path: Path, container: str, codec: str, name: str) -> None:
    path = tmp_path / "a"
    with av.open(path, mode="w", format=container) as output:
        stream = output.add_stream(codec, rate=15)
        stream.width, stream.height = 640, 640
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if codec == "libx265":
            stream.options = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0"}
        for i in range(30):
            frame = av.VideoFrame(640, 640, stream.pix_fmt)
            frame.pts = i
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    media = probe(path)
    assert (media.codec, media.seconds, media.fps) == (name, 2.0, 15.0)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotated_videos_are_measured_as_shown(tmp_path: Path, rotation: int) -> None:
    media = probe(video(tmp_path / "a.mp4", width=1280, height=720, rotation=rotation))
    assert (media.width, media.height) == ((1280, 720) if rotation % 180 == 0 else (720, 1280))


@pytest.mark.parametrize("rotation", [0, 90])
def test_a_movie_can_be_rotated_as_a_whole(tmp_path: Path, rotation: int) -> None:
    content = bytearray(video(tmp_path / "a.mp4", width=1280, height=720, rotation=rotation).read_bytes())
    matrix = content.index(b"mvhd") + 4 + 36
    assert struct.unpack_from(">ii", content, matrix) == (0x10000, 0)
    struct.pack_into(">iiiii", content, matrix, 0, 0x10000, 0, -0x10000, 0)
    media = probed(bytes(content), tmp_path)
    assert (media.width, media.height) == ((720, 1280) if rotation == 0 else (1280, 720))
    with av.open(tmp_path / "any.name", format="mov") as container:
        shown = next(container.decode(video=0)).rotation % 180
    assert shown == (90 if rotation == 0 else 0)


def with_sound(path: Path, *, picture: bool = True, container: str = "mp4") -> Path:
    with av.open(path, mode="w", format=container) as output:
        stream = output.add_stream("libx264", rate=25) if picture else None
        sound = output.add_stream("aac", rate=44100, layout="mono")
        if stream:
            stream.width, stream.height, stream.pix_fmt = 640, 640, "yuv420p"
            for i in range(50):
                frame = av.VideoFrame(640, 640, "yuv420p")
                frame.pts = i
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        for start in range(0, 44100 * 4, 1024):
            piece = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            piece.planes[0].update(bytes(4096))
            piece.sample_rate, piece.pts = 44100, start
            output.mux(sound.encode(piece))
        output.mux(sound.encode(None))
    return path


@pytest.mark.parametrize("container", ["mp4", "mov", "avi"])
def test_sound_of_a_video(tmp_path: Path, container: str) -> None:
    media = probe(with_sound(tmp_path / "a", container=container))
    assert (media.kind, media.sound, media.seconds, media.fps) == ("video", True, 2.0, 25.0)


def test_pictures_that_refer_to_later_ones(tmp_path: Path) -> None:
    """Their edit list begins after the first ticks; what it shows is the whole video."""
    path = tmp_path / "a.mp4"
    with av.open(path, mode="w") as output:
        stream = output.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt, stream.options = 640, 640, "yuv420p", {"bf": "3"}
        chance = random.Random(1)
        for i in range(75):
            frame = av.VideoFrame(640, 640, "yuv420p")
            frame.planes[0].update(bytes([chance.randrange(256)]) * frame.planes[0].buffer_size)
            frame.pts = i
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    assert b"elst" in path.read_bytes()
    assert (probe(path).seconds, probe(path).fps) == (2.5, 30.0)


def test_an_edit_list_that_cuts(tmp_path: Path) -> None:
    content = video(tmp_path / "a.mp4", seconds=10).read_bytes()
    at = content.index(b"elst")
    edited = bytearray(content)
    struct.pack_into(">I", edited, at + 12, 4000)
    assert probed(bytes(edited), tmp_path).seconds == pytest.approx(4, abs=0.002)


def test_a_sound_without_pictures(tmp_path: Path) -> None:
    media = probe(with_sound(tmp_path / "a", picture=False))
    assert (media.kind, media.container, media.codec) == ("audio", "mp4", "aac")
    assert probe(with_sound(tmp_path / "b", picture=False, container="ipod")).container == "m4a"


@pytest.mark.parametrize("rate", [25, 600])
def test_pictures_of_no_bytes_are_none(tmp_path: Path, rate: int) -> None:
    """An AVI can have the rate of a clock, and entries without a picture in between."""
    path = tmp_path / "a.avi"
    with av.open(path, mode="w", format="avi") as output:
        stream = output.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 640, 640, "yuv420p"
        (packet, *_) = [*stream.encode(av.VideoFrame(640, 640, "yuv420p")), *stream.encode(None)]
        content = bytes(packet)
        for i in range(75):
            copy = av.Packet(content)
            copy.stream, copy.time_base, copy.is_keyframe = stream, Fraction(1, rate), True
            copy.pts = copy.dts = i * rate // 25
            output.mux(copy)
    media = probe(path)
    assert media.seconds == pytest.approx(3, abs=0.05)
    assert media.fps == pytest.approx(25, rel=0.02)


def test_an_avi_without_an_index(tmp_path: Path) -> None:
    content = video(tmp_path / "a.avi", container="avi", seconds=3).read_bytes()
    assert probed(content[: content.rindex(b"idx1")], tmp_path).seconds == 3


def test_an_avi_whose_end_can_not_be_seen(tmp_path: Path, server: RangeServer) -> None:
    content = video(tmp_path / "a.avi", container="avi", seconds=3).read_bytes()
    at = content.rindex(b"idx1")
    content = content[:at] + b"JUNK" + struct.pack("<I", 20_000_000) + bytes(20_000_000) + content[at:]
    media = probe(server.add("/a", content, ranges=False), access=any_address)
    assert (media.seconds, media.fps, media.codec) == (None, None, "h264")
    assert [note.partition(", and")[0] for note in media.unchecked] == [
        "duration: the header states 3.000 s",
        "frame rate: the header states 15 fps",
    ]


def extended_avi(content: bytes, *, parts: int = 2) -> bytes:
    """The same file with further parts of frames that its index does not list (OpenDML)."""
    start, end = content.index(b"movi") + 4, content.rindex(b"idx1")
    frames = content[start:end]
    movi = b"LIST" + struct.pack("<I", len(frames) + 4) + b"movi" + frames
    return content + (b"RIFF" + struct.pack("<I", len(movi) + 4) + b"AVIX" + movi) * (parts - 1)


def test_an_avi_of_several_parts(tmp_path: Path, server: RangeServer) -> None:
    content = extended_avi(video(tmp_path / "a.avi", container="avi", seconds=3, fps=20).read_bytes(), parts=3)
    media = probed(content, tmp_path)
    assert (media.seconds, media.fps, media.unchecked) == (9.0, 20.0, ())
    noise = video(tmp_path / "b.avi", container="avi", seconds=3, width=320, height=320, noise=True).read_bytes()
    media = probe(server.add("/a", extended_avi(noise)), access=any_address, budget=ReadBudget(requests=20, size=10**6))
    assert (media.seconds, media.fps) == (None, None)
    assert media.unchecked[0].startswith("duration: the header states 3.000 s, and ")


@pytest.mark.parametrize("stated", [0, 30])
def test_frames_of_an_avi_without_an_index_are_counted(tmp_path: Path, stated: int) -> None:
    content = bytearray(video(tmp_path / "a.avi", container="avi", seconds=3).read_bytes())
    content = content[: content.rindex(b"idx1")]
    struct.pack_into("<I", content, content.index(b"strh") + 8 + 32, stated)
    media = probed(bytes(content), tmp_path)
    assert (media.seconds, media.fps, media.unchecked) == (3.0, 15.0, ())


@pytest.mark.parametrize(("rate", "channels", "width"), [(8000, 1, 2), (44100, 2, 2), (48000, 1, 3), (11025, 2, 1)])
def test_wav(tmp_path: Path, rate: int, channels: int, width: int) -> None:
    media = probed(wav(seconds=3, rate=rate, channels=channels, width=width), tmp_path)
    assert (media.kind, media.container, media.codec, media.seconds) == ("audio", "wav", "pcm", 3.0)


@pytest.mark.parametrize("stated", [0, 0x7FFFFFF0, 0xFFFFFFFF])
def test_a_wav_header_of_a_stream(tmp_path: Path, stated: int) -> None:
    content = bytearray(wav(seconds=3))
    struct.pack_into("<I", content, 40, stated)
    assert probed(bytes(content), tmp_path).seconds == 3
    struct.pack_into("<I", content, 4, 0xFFFFFFFF)
    assert probed(b"RF64" + bytes(content[4:]), tmp_path).seconds == 3


def header_of_the_first_piece(seconds: float, *, whole: float) -> bytes:
    """A file to which more samples were added later."""
    first = wav(seconds=seconds)
    return first + wav(seconds=whole)[len(first) :]


def glued_wav(seconds: float, *, whole: float) -> bytes:
    return wav(seconds=seconds) + wav(seconds=whole - seconds)


def two_chunks_of_samples(seconds: float, *, whole: float) -> bytes:
    return wav(seconds=seconds) + wav(seconds=whole - seconds)[36:]


@pytest.mark.parametrize("make", [header_of_the_first_piece, glued_wav, two_chunks_of_samples])
@pytest.mark.parametrize(("seconds", "whole"), [(1, 6.3), (0.5, 0.6), (100, 121)])
def test_a_wav_with_more_samples_than_its_header_states(
    tmp_path: Path, make: Callable[..., bytes], seconds: float, whole: float
) -> None:
    content = make(seconds, whole=whole)
    media = probed(content, tmp_path)
    assert media.seconds is None
    rest = (len(content) - 44) / 16_000
    assert media.unchecked[0].startswith(
        f"duration: the header states {seconds:.3f} s, the file has bytes for {rest:.3f} s, and "
    )
    # What some players play, and the service perhaps.
    with wave.open(io.BytesIO(content)) as file:
        assert file.getnframes() / file.getframerate() == seconds
    assert not list(check_media("audio_url", media, VIDEORETALK.media_inputs["audio_url"]))


def test_a_wav_with_more_samples_that_no_range_reaches(server: RangeServer) -> None:
    content = header_of_the_first_piece(100, whole=3000)
    media = probe(server.add("/a", content, ranges=False), access=any_address, budget=ReadBudget(size=10**6))
    assert media.seconds is None
    assert "the server has no ranges" in media.unchecked[0]


def test_a_large_wav_states_its_size_in_another_chunk(tmp_path: Path) -> None:
    content = wav(seconds=3)
    long_size = b"ds64" + struct.pack("<IQQQI", 28, 0, len(content) - 44, 0, 0)
    header = b"RF64" + b"\xff" * 4 + b"WAVE" + long_size + content[12:40] + b"\xff" * 4
    assert probed(header + content[44:] + b"LIST" + struct.pack("<I", 20) + bytes(20), tmp_path).seconds == 3


@pytest.mark.parametrize("trailer", [100, 1000, 200_000])
def test_what_follows_the_samples_of_a_wav_does_not_count(tmp_path: Path, trailer: int) -> None:
    assert probed(wav(seconds=3) + b"LIST" + struct.pack("<I", trailer) + bytes(trailer), tmp_path).seconds == 3


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le", "pcm_alaw", "pcm_mulaw", "pcm_s24le", "adpcm_ima_wav"])
def test_codecs_of_wav(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.wav"
    with av.open(path, mode="w", format="wav") as output:
        stream = output.add_stream(codec, rate=16_000, layout="stereo")
        resampler = av.AudioResampler(format=stream.format, layout="stereo", rate=16_000)
        for start in range(0, 48_000, 1600):
            frame = av.AudioFrame(format="s16", layout="stereo", samples=1600)
            frame.planes[0].update(bytes(6400))
            frame.sample_rate, frame.pts = 16_000, start
            for piece in resampler.resample(frame):
                output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    media = probe(path)
    if "adpcm" in codec:
        assert media.seconds is None
        assert media.unchecked[0].startswith("duration: the header states 3.")
    else:
        assert (media.seconds, media.unchecked) == (pytest.approx(3, abs=0.001), ())


def test_the_other_index_of_an_mp3(tmp_path: Path) -> None:
    """Fraunhofer's, with a number of frames that the file does not have, so that it shows."""
    sound = coded(tmp_path / "a.mp3", seconds=5, options={"write_xing": "0", "id3v2_version": "0"}).read_bytes()
    frame = parse_mp3_frame(sound)
    assert frame
    index = sound[:4] + bytes(32) + b"VBRI" + bytes(6) + struct.pack(">II", len(sound) + frame.length, 1000)
    media = probed(index.ljust(frame.length, b"\0") + sound, tmp_path)
    assert media.seconds == pytest.approx(1000 * 1152 / 44_100)


def test_a_brandless_movie(tmp_path: Path) -> None:
    content = video(tmp_path / "a.mov").read_bytes()
    (size,) = struct.unpack_from(">I", content)
    media = probed(box(b"wide", bytes(size - 8)) + content[size:], tmp_path)
    assert (media.container, media.seconds) == ("mov", 2.0)


def test_a_wav_whose_end_can_not_be_seen(server: RangeServer) -> None:
    content = wav(seconds=110, rate=48_000) + b"LIST" + struct.pack("<I", 1000) + bytes(1000)
    assert probe(server.add("/a", content, ranges=False), access=any_address).seconds == 110


@pytest.mark.parametrize("options", [{}, {"write_xing": "0"}], ids=["index", "bare"])
@pytest.mark.parametrize("quality", [None, 4], ids=["constant", "variable"])
@pytest.mark.parametrize("rate", [44_100, 22_050, 8_000])
def test_mp3(tmp_path: Path, options: dict[str, str], quality: int | None, rate: int) -> None:
    media = probe(coded(tmp_path / "a.mp3", seconds=20, rate=rate, quality=quality, options=options))
    assert (media.kind, media.container, media.codec, media.unchecked) == ("audio", "mp3", "mp3", ())
    # Without the index nothing tells of the silence that the encoder added.
    assert media.seconds == pytest.approx(20, abs=0.002 if not options else 3 * 1152 / rate)


def test_the_index_of_an_mp3_can_lie(tmp_path: Path) -> None:
    content = bytearray(coded(tmp_path / "a.mp3", seconds=10).read_bytes())
    at = next(content.index(name) for name in (b"Xing", b"Info") if name in content)
    honest = probed(bytes(content), tmp_path).seconds
    assert honest == pytest.approx(10, abs=0.002)
    struct.pack_into(">I", content, at + 8, 7)
    assert probed(bytes(content) + bytes(content[-20_000:]), tmp_path).seconds == pytest.approx(10, abs=3)
    struct.pack_into(">II", content, at + 8, 0, 0)
    assert probed(bytes(content), tmp_path).seconds == pytest.approx(10, abs=0.002)


def test_an_mp3_that_was_cut_off(tmp_path: Path) -> None:
    content = coded(tmp_path / "a.mp3", seconds=10).read_bytes()
    assert probed(content[: len(content) // 2], tmp_path).seconds == pytest.approx(5, abs=0.2)


APE_TAG = b"APETAGEX" + struct.pack("<IIII", 2000, 100_000, 1, 1 << 31) + bytes(8) + bytes(100_000)


@pytest.mark.parametrize("size", [0, 500, 200_000])
@pytest.mark.parametrize("trailer", [b"", b"TAG" + bytes(125), APE_TAG, bytes(3000)])
def test_tags_around_sound(tmp_path: Path, size: int, trailer: bytes) -> None:
    content = coded(tmp_path / "a.mp3", seconds=5, options={"write_xing": "0", "id3v2_version": "0"}).read_bytes()
    length = bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    media = probed(b"ID3\x04\x00\x00" + length + bytes(size) + bytes(300) + content + trailer, tmp_path)
    assert media.seconds == pytest.approx(5, abs=0.09)
    assert media.unchecked == ()


def mp3(path: Path, *, seconds: float = 5, rate: int = 44_100, index: bool = True, tag: bool = False) -> bytes:
    options = {"write_xing": str(int(index)), "id3v2_version": "3" if tag else "0"}
    return coded(path, seconds=seconds, rate=rate, options=options).read_bytes()


def id3(size: int, content: bytes = b"") -> bytes:
    length = bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    return b"ID3\x04\x00\x00" + length + content.ljust(size, b"\x00")


BETWEEN = [
    b"", id3(500), id3(200_000, b"\xff\xfb\x90\x00" * 5000), id3(10) + id3(20) + APE_TAG, b"TAG" + bytes(125),
    bytes(300) + id3(100_000, b"\xff\xfb\x90\x00" * 25_000), random.Random(1).randbytes(2000),
]  # fmt: skip


@pytest.mark.parametrize("between", BETWEEN, ids=range(len(BETWEEN)))
@pytest.mark.parametrize("rates", [(24_000, 16_000), (44_100, 44_100), (44_100, 8_000, 48_000)])
@pytest.mark.parametrize("index", [True, False], ids=["index", "bare"])
def test_joined_mp3(tmp_path: Path, between: bytes, rates: tuple[int, ...], index: bool) -> None:
    """The index of the first part describes the first part."""
    parts = [mp3(tmp_path / "a.mp3", seconds=5 + i, rate=rate, index=index) for i, rate in enumerate(rates)]
    media = probed(between.join(parts), tmp_path)
    assert media.unchecked == ()
    assert media.seconds == pytest.approx(sum(5 + i for i, _ in enumerate(rates)), abs=0.12 * len(rates))


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1])
def test_a_short_part_behind_an_mp3(tmp_path: Path, seconds: float) -> None:
    media = probed(mp3(tmp_path / "a", seconds=5) + mp3(tmp_path / "b", seconds=seconds, index=False), tmp_path)
    assert (media.seconds, media.unchecked) == (pytest.approx(5 + seconds, abs=0.1), ())


@pytest.mark.parametrize("rates", [(44_100, 44_100), (48_000, 16_000), (16_000, 48_000, 22_050)])
@pytest.mark.parametrize("between", [b"", id3(100_000), bytes(1000)], ids=["nothing", "tag", "zeros"])
def test_joined_aac(tmp_path: Path, rates: tuple[int, ...], between: bytes) -> None:
    parts = [
        coded(tmp_path / "a", codec="aac", container="adts", seconds=5, rate=rate).read_bytes() for rate in rates
    ]  # fmt: skip
    media = probed(between.join(parts), tmp_path)
    assert (media.seconds, media.unchecked) == (pytest.approx(5 * len(rates), abs=0.15 * len(rates)), ())


@pytest.mark.parametrize("other", ["aac", "wav", "layer 2"])
def test_sound_of_another_kind_behind_an_mp3_is_not_measured(tmp_path: Path, other: str) -> None:
    first = mp3(tmp_path / "a.mp3")
    second = {
        "aac": lambda: coded(tmp_path / "b", codec="aac", container="adts").read_bytes(),
        "wav": wav,
        "layer 2": lambda: coded(tmp_path / "b", codec="mp2", container="mp2").read_bytes(),
    }[other]()
    media = probed(first + second, tmp_path)
    assert media.seconds is None
    assert media.unchecked[0].startswith("duration: counted 5.0 s up to byte ")


def test_parts_that_exceed_the_budget(tmp_path: Path) -> None:
    content = mp3(tmp_path / "a", rate=24_000) + mp3(tmp_path / "b", rate=16_000, seconds=10)
    media = probed(content, tmp_path, budget=ReadBudget(size=60_000))
    assert (media.seconds, len(media.unchecked)) == (None, 1)


JUNK = {
    "text": b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n",
    "noise": random.Random(3).randbytes(20_000),
    "zeros": bytes(50_000),
}


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("kind", ["mp3", "aac"])
def test_sound_behind_other_bytes(tmp_path: Path, junk: str, kind: str) -> None:
    """FFmpeg plays it. The service may not."""
    options: dict[str, Any] = {"codec": "aac", "container": "adts"} if kind == "aac" else {}
    content = coded(
        tmp_path / "a", seconds=5, **options, options={"id3v2_version": "0"} if not options else {}
    ).read_bytes()
    whole, media = probed(content, tmp_path), probed(JUNK[junk] + content, tmp_path)
    assert (media.container, media.seconds) == (kind, pytest.approx(whole.seconds, abs=0.06))
    assert media.unchecked == (
        f"format: {len(JUNK[junk]):,} bytes of other data come before the audio, and not every player accepts that",
    )


def test_junk_between_frames(tmp_path: Path) -> None:
    content = coded(tmp_path / "a.mp3", seconds=5, options={"write_xing": "0", "id3v2_version": "0"}).read_bytes()
    whole = probed(content, tmp_path).seconds
    junk = b"\xff\xfb\x90\x00" + b"\xff" * 500 + bytes(700)
    frame = content.index(b"\xff\xfb", len(content) // 2)
    assert whole is not None
    assert probed(content[:frame] + junk + content[frame:], tmp_path).seconds == pytest.approx(whole, abs=0.06)
    hole = probed(content + bytes(200_000), tmp_path)
    assert hole.seconds is None
    assert hole.unchecked[0].startswith(f"duration: counted {whole:.1f} s up to byte ")
    assert "no audio frames were found after it" in hole.unchecked[0]


@pytest.mark.parametrize("rate", [48_000, 44_100, 16_000])
def test_aac(tmp_path: Path, rate: int) -> None:
    media = probe(coded(tmp_path / "a.aac", codec="aac", container="adts", seconds=20, rate=rate))
    assert (media.container, media.codec) == ("aac", "aac")
    assert media.seconds == pytest.approx(20, abs=2.1 * 1024 / rate)


def test_sound_that_is_too_long_to_walk_is_estimated_in_words(tmp_path: Path) -> None:
    content = coded(tmp_path / "a.aac", codec="aac", container="adts", seconds=20).read_bytes()
    media = probed(content, tmp_path, budget=ReadBudget(size=70_000))
    assert media.seconds is None
    estimate = re.match(r"duration: about ([\d.]+) s; counted [\d.]+ s up to byte [\d,]+, because", media.unchecked[0])
    assert estimate
    assert float(estimate[1]) == pytest.approx(20, rel=0.35)


@pytest.mark.parametrize("kind", ["jpeg", "png", "bmp", "webp"])
def test_images(tmp_path: Path, kind: str) -> None:
    content = image(kind, width=301, height=200)
    assert probed(content, tmp_path) == ProbeResult(
        kind="image", container=kind, codec=kind, width=301, height=200, size=len(content)
    )


def test_variants_of_images(tmp_path: Path) -> None:
    picture = Image.new("RGB", (301, 200), "red")
    transparent = Image.new("RGBA", (301, 200))
    profile = {"exif": b"Exif\0\0" + bytes(60_000), "icc_profile": bytes(150_000)}
    variants: list[tuple[Image.Image, dict[str, Any]]] = [
        (picture, {"format": "jpeg", "progressive": True} | profile),
        (picture, {"format": "webp", "lossless": True}),
        (picture, {"format": "webp", "exif": b"Exif\0\0"}),
        (transparent, {"format": "webp"}),
        (picture, {"format": "webp", "save_all": True, "append_images": [transparent]}),
        (picture, {"format": "png", "icc_profile": bytes(1000)}),
    ]
    for picture, options in variants:
        buffer = io.BytesIO()
        picture.save(buffer, **options)
        media = probed(buffer.getvalue(), tmp_path)
        assert (media.container, media.width, media.height) == (options["format"], 301, 200)


def test_bmp_from_the_top_and_of_os2(tmp_path: Path) -> None:
    content = bytearray(image("bmp", width=300, height=200))
    struct.pack_into("<i", content, 22, -200)
    assert probed(bytes(content), tmp_path).height == 200
    core = b"BM" + bytes(8) + struct.pack("<IIHHHH", 26, 12, 300, 200, 1, 24) + bytes(100)
    assert (probed(core, tmp_path).width, probed(core, tmp_path).height) == (300, 200)


FOREIGN = {
    b"GIF89a" + bytes(100): "gif",
    b"II*\x00" + bytes(100): "tiff",
    b"\x1a\x45\xdf\xa3" + bytes(100): "matroska",
    b"OggS" + bytes(100): "ogg",
    b"fLaC" + bytes(100): "flac",
    b"\x00\x00\x00\x18ftypheic" + bytes(100): "heif",
    b"\x00\x00\x00\x18ftypavif" + bytes(100): "avif",
    b"\x00\x00\x00\x183gp4ftyp"[:4] + b"ftyp3gp4" + bytes(100): "3gp",
    b"\xff\xfd\x80\x00" + bytes(100): "mpeg-audio",
    b"#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1/secret\n": "playlist",
    b"\xef\xbb\xbf\n#EXTM3U\nhttp://127.0.0.1/secret\n": "playlist",
    b"ffconcat version 1.0\nfile /etc/passwd\n": "playlist",
    b'<?xml version="1.0"?><MPD>': "playlist",
    b"[playlist]\nFile1=http://127.0.0.1/\n": "playlist",
    b"<!-- made by hand -->\n<smil></smil>": "playlist",
    b"FORM\x00\x00\x10\x00AIFFCOMM" + bytes(100): "aiff",
    b"caff\x00\x01" + bytes(100): "caf",
    (b"G" + bytes(187)) * 4: "mpeg-ts",
}


@pytest.mark.parametrize("content", FOREIGN, ids=lambda content: FOREIGN[content] + str(content[1]))
def test_other_kinds_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    error = refusal(content, tmp_path)
    assert error.code == "InvalidFile.Format"
    assert f"is a {FOREIGN[content]} file, allowed are mp4, avi, mov; wav, mp3, aac; jpeg" in str(error)


@pytest.mark.parametrize(
    "content",
    [
        b"RIFF\x00\x00\x00\x00ABCD",
        bytes(100_000),
        random.Random(1).randbytes(100_000),
        b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(99),
    ],
)
def test_bytes_of_no_kind(tmp_path: Path, content: bytes) -> None:
    error = refusal(content, tmp_path)
    assert error.code == "InvalidFile.Openerror"
    assert "no known media format" in str(error)


DOCUMENTS = {
    b"": "an empty file",
    b"hello": "a text file",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n": "a text file",
    "\u627e\u4e0d\u5230\u6587\u4ef6".encode(): "a text file",
    b'{"code": "NoSuchKey", "message": "..."}': "a JSON document",
    b'\n[{"error": 403}]': "a JSON document",
    b"<!DOCTYPE html>\n<html><head><title>403 Forbidden</title>": "an HTML page",
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>": "an HTML page",
    b"\xef\xbb\xbf <!-- proxy --><!doctype HTML public '-//W3C'><body>": "an HTML page",
    b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0"><html xmlns="x">': "an HTML page",
    "<html><title>\u767b\u5f55</title>".encode("gbk"): "an HTML page",
    "\ufeff<html><title>x</title>".encode("utf-16-le"): "an HTML page",
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired': (
        "an XML document with the error code AccessDenied"
    ),
    b"<Error><Code>NoSuchKey</Code>": "an XML document with the error code NoSuchKey",
    b"<svg xmlns='http://www.w3.org/2000/svg'>": "an XML document",
    b"%PDF-1.7\n" + bytes(100): "a PDF document",
    b"PK\x03\x04" + bytes(100): "a ZIP archive",
    b"\x1f\x8b\x08" + bytes(100): "a gzip archive",
}


@pytest.mark.parametrize("content", DOCUMENTS, ids=lambda content: f"{DOCUMENTS[content]}-{content[:12]!r}")
def test_documents_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    error = refusal(content, tmp_path)
    assert error.code == "InvalidFile.Openerror"
    assert str(error).startswith(f"InvalidFile.Openerror: the file is {DOCUMENTS[content]}, allowed are mp4, avi, mov;")
    assert "not to an error or a login" in error.remedy


def test_a_document_s_words_are_not_repeated(tmp_path: Path) -> None:
    assert "<" not in str(refusal(b"<?xml?><Error><Code><script>alert(1)</script></Code>", tmp_path))
    assert "hush" not in str(refusal(b"<Error><Code>A</Code><StringToSign>hush</StringToSign>", tmp_path))


@pytest.mark.parametrize("flags", ["", "faststart", FRAGMENTED])
def test_videos_that_were_cut_off(tmp_path: Path, flags: str) -> None:
    options = {"movflags": flags} if flags else {}
    content = video(tmp_path / "a", container="mp4", noise=True, options=options).read_bytes()
    for part in (20, 200, 2000, len(content) // 2, len(content) - 10):
        if flags == FRAGMENTED and part == len(content) - 10:
            continue
        assert refusal(content[:part], tmp_path).code == "InvalidFile.Openerror"


def test_avi_that_was_cut_off(tmp_path: Path) -> None:
    content = video(tmp_path / "a", container="avi").read_bytes()
    assert content.index(b"movi") < len(content) // 2
    for part in (20, 200, len(content) // 2):
        assert refusal(content[:part], tmp_path).code == "InvalidFile.Openerror"


@pytest.mark.parametrize("flags", ["", "faststart"])
def test_a_large_video_costs_little(tmp_path: Path, server: RangeServer, flags: str) -> None:
    """100 MB, and no more than its ends are fetched."""
    options = {"movflags": flags} if flags else {}
    content = video(tmp_path / "a.mp4", seconds=60, options=options).read_bytes()
    at = content.index(b"mdat") - 4
    hole = 100_000_000
    (size,) = struct.unpack_from(">I", content, at)
    content = content[:at] + struct.pack(">I", size + hole) + content[at + 4 : at + 8] + bytes(hole) + content[at + 8 :]
    media = probe(server.add("/a", content), access=any_address)
    assert (media.seconds, media.fps, media.size, media.unchecked) == (60.0, 15.0, len(content), ())
    assert server.sent < 150_000
    assert len(server.asked) <= 3


def test_an_index_at_the_end_that_no_range_reaches(tmp_path: Path, server: RangeServer) -> None:
    content = video(tmp_path / "a.mp4", seconds=3).read_bytes()
    at = content.index(b"mdat") - 4
    content = content[:at] + box(b"free", bytes(20_000_000)) + content[at:]
    media = probe(server.add("/a", content, ranges=False), access=any_address)
    assert (media.kind, media.container, media.size, media.seconds) == ("video", "mp4", len(content), None)
    assert [note.partition(":")[0] for note in media.unchecked] == list(PROPERTY_NAMES["video"].values())
    assert all("the server has no ranges" in note for note in media.unchecked)


def test_an_index_in_front_needs_no_ranges(tmp_path: Path, server: RangeServer) -> None:
    content = video(tmp_path / "a.mp4", seconds=3, options={"movflags": "faststart"}).read_bytes()
    media = probe(server.add("/a", content + bytes(20_000_000), ranges=False), access=any_address)
    assert (media.seconds, media.unchecked) == (3.0, ())


def test_an_index_that_is_too_large(tmp_path: Path) -> None:
    content = video(tmp_path / "a.mp4", seconds=3).read_bytes()
    at = content.index(b"moov")
    (size,) = struct.unpack_from(">I", content, at - 4)
    large = content[: at - 4] + struct.pack(">I", size + 17_000_000) + content[at:] + box(b"free", bytes(16_999_992))
    media = probed(large, tmp_path)
    assert media.seconds in (None, 3.0)
    compressed = content[: at - 4] + box(b"moov", box(b"cmov", bytes(100)))
    assert "its index is compressed" in probed(compressed, tmp_path).unchecked[0]


def test_a_size_that_is_not_told(tmp_path: Path, server: RangeServer) -> None:
    content = image("png")

    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True

    server.answers["/a"] = endless
    media = probe(server.url("/a"), access=any_address)
    assert (media.container, media.size, media.unchecked) == ("png", None, ("size: the server does not state it",))


def test_what_a_proxy_hides_is_said(server: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url(""))
    server.add("/a.png", image("png"))
    assert probe("http://media.example/a.png").unchecked[0].startswith("address: a proxy makes the connection")


def test_errors_name_the_field_and_no_url(server: RangeServer, tmp_path: Path) -> None:
    url = server.add("/a", b"hello") + "?Signature=hush"
    with pytest.raises(InputError, match=r"video_url is a text file") as caught:
        probe(url, field="video_url", access=any_address)
    assert "hush" not in str(caught.value)
    with pytest.raises(InputError, match=r"video_url leads to 127\.0\.0\.1"):
        probe(url, field="video_url")


def test_wav_seconds(server: RangeServer) -> None:
    for ranges in (True, False):
        assert wav_seconds(server.add("/a.wav", wav(seconds=3.125), ranges=ranges), access=any_address) == 3.125
    assert len(server.asked) == 2


@pytest.mark.parametrize("content", [b"", b"hello", wav()[:30], wav()[:44], image("png")])
def test_speech_that_is_no_wav(server: RangeServer, content: bytes) -> None:
    url = server.add("/a.wav", content) + "?Signature=hush"
    with pytest.raises(TransportError) as caught:
        wav_seconds(url, access=any_address)
    assert "the speech" in str(caught.value)
    assert "hush" not in str(caught.value)
    with pytest.raises(TransportError) as caught:
        wav_seconds(server.url("/none"), access=any_address)
    assert caught.value.status == 404


def test_ffmpeg_is_loaded_by_those_who_need_it_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "av")
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    probe(path)
    assert "av" not in sys.modules


def with_compressed_index(content: bytes) -> bytes:
    """As QuickTime wrote it: FFmpeg reads it, the header readers do not."""
    at = content.index(b"moov") - 4
    (size,) = struct.unpack_from(">I", content, at)
    moov = content[at : at + size]
    packed = box(b"cmvd", struct.pack(">I", size) + zlib.compress(moov))
    return content[:at] + box(b"moov", box(b"cmov", box(b"dcom", b"zlib") + packed)) + content[at + size :]


def test_ffmpeg_reads_a_compressed_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    content = with_compressed_index(video(tmp_path / "a.mov", seconds=3).read_bytes())
    real = av.open

    def spy(file: Any, **options: Any) -> Any:
        opened.append((type(file).__name__, options["format"], options["io_open"].__name__))
        return real(file, **options)

    monkeypatch.setattr(av, "open", spy)
    media = probed(content, tmp_path)
    assert (media.codec, media.seconds, media.fps, media.width, media.unchecked) == ("h264", 3.0, 15.0, 640, ())
    # It gets no URL, and opens nothing.
    assert opened == [("_File", "mov", "_refuse_to_open")]


def test_a_compressed_index_without_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = with_compressed_index(video(tmp_path / "a.mov", seconds=3).read_bytes())
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "av":
            raise ImportError
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    media = probed(content, tmp_path)
    assert (media.codec, media.seconds) == (None, None)
    assert [note.partition(":")[0] for note in media.unchecked] == list(PROPERTY_NAMES["video"].values())
    assert all("pip install 'airflow-provider-videoretalk[media]'" in note for note in media.unchecked)
