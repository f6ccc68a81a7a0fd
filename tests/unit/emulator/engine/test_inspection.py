"""Every documented limit, just inside and just outside, on real files; and files that are not what they seem."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import struct
import wave
import zlib
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from airflow_provider_videoretalk.emulator.engine.container import sniff
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.engine.inspection import inspect_audio, inspect_image, inspect_video
from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE
from airflow_provider_videoretalk.model_catalog.videoretalk import AUDIO_BYTES, IMAGE_BYTES, VIDEO_BYTES


def refusal_of(inspect, path: Path) -> str:
    with pytest.raises(MediaRefusedError) as caught:
        inspect(path)
    return caught.value.code


def grow(path: Path, size: int, *, head: bytes = b"") -> Path:
    """Lengthen a file by a hole, after an optional head of the box that the hole belongs to."""
    with path.open("ab") as file:
        file.write(head)
        file.truncate(size)
    return path


def test_video_is_measured(make_video):
    properties = inspect_video(make_video("a.mp4", seconds=3, fps=Fraction(30000, 1001), width=720, height=1280))
    assert (properties.width, properties.height, properties.codec, properties.container) == (720, 1280, "h264", "mp4")
    assert properties.fps == pytest.approx(29.97, abs=0.001)
    assert properties.seconds == pytest.approx(3, abs=0.02)
    assert properties.size_bytes > 0


@pytest.mark.parametrize(("width", "height"), [(640, 640), (640, 2048), (2048, 640), (1920, 1080)])
def test_sides_inside(make_video, width, height):
    assert inspect_video(make_video("a.mp4", width=width, height=height)).width == width


@pytest.mark.parametrize(("width", "height"), [(638, 640), (640, 638), (2050, 640), (640, 2050), (640, 480)])
def test_sides_outside(make_video, width, height):
    assert refusal_of(inspect_video, make_video("a.mp4", width=width, height=height)) == "InvalidFile.Resolution"


@pytest.mark.parametrize("fps", [15, 60, Fraction(24000, 1001)])
def test_rate_inside(make_video, fps):
    assert inspect_video(make_video("a.mp4", fps=fps)).fps == pytest.approx(float(fps))


@pytest.mark.parametrize("fps", [14, 61, Fraction(149, 10)])
def test_rate_outside(make_video, fps):
    assert refusal_of(inspect_video, make_video("a.mp4", fps=fps, seconds=3)) == "InvalidFile.FPS"


@pytest.mark.parametrize("seconds", [2, 120])
def test_video_length_inside(make_video, seconds):
    assert inspect_video(make_video("a.mp4", seconds=seconds)).seconds == seconds


@pytest.mark.parametrize("seconds", [1.9, 120.1])
def test_video_length_outside(make_video, seconds):
    assert refusal_of(inspect_video, make_video("a.mp4", seconds=seconds, fps=20)) == "InvalidFile.Duration"


def test_video_size(make_video):
    path = make_video("a.mp4")
    remaining = VIDEO_BYTES.high - path.stat().st_size
    grow(path, VIDEO_BYTES.high, head=struct.pack(">I4s", int(remaining), b"free"))
    assert inspect_video(path).size_bytes == 300 * MEGABYTE
    assert refusal_of(inspect_video, grow(path, VIDEO_BYTES.high + 1)) == "InvalidFile.Size"


@pytest.mark.parametrize(("name", "container"), [("a.mov", "mov"), ("a.avi", "avi"), ("a.bin", "mp4")])
def test_containers_allowed(make_video, name, container):
    assert inspect_video(make_video(name, container=container)).container == container


@pytest.mark.parametrize(("name", "container"), [("a.mp4", "matroska"), ("a.mp4", "flv"), ("a.mp4", "3gp")])
def test_containers_refused_whatever_their_name(make_video, name, container):
    assert refusal_of(inspect_video, make_video(name, container=container)) == "InvalidFile.Format"


def test_codecs(make_video):
    assert inspect_video(make_video("a.mp4", codec="libx265")).codec == "hevc"
    assert refusal_of(inspect_video, make_video("b.mp4", codec="mpeg4")) == "InvalidFile.Format"


def test_rotated_video_is_measured_as_shown(make_video):
    properties = inspect_video(make_video("a.mp4", width=1280, height=720, rotation=90))
    assert (properties.width, properties.height) == (720, 1280)


@pytest.mark.parametrize("seconds", [2, 120])
def test_sound_length_inside(make_sound, seconds):
    properties = inspect_audio(make_sound("a.wav", seconds=seconds))
    assert (properties.seconds, properties.container) == (seconds, "wav")


@pytest.mark.parametrize("seconds", [1.999, 120.001])
def test_sound_length_outside(make_sound, seconds):
    assert refusal_of(inspect_audio, make_sound("a.wav", seconds=seconds)) == "InvalidFile.Duration"


def test_sound_size(make_sound):
    path = make_sound("a.wav")
    remaining = AUDIO_BYTES.high - path.stat().st_size - 8
    grow(path, AUDIO_BYTES.high, head=struct.pack("<4sI", b"JUNK", int(remaining)))
    assert inspect_audio(path).size_bytes == 30 * MEGABYTE
    assert refusal_of(inspect_audio, grow(path, AUDIO_BYTES.high + 1)) == "InvalidFile.Size"


def test_audio_length_is_counted_if_the_header_is_wrong(make_sound):
    path = make_sound("a.wav", seconds=3)
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", 0x7FFFFFF0)
    path.write_bytes(content)
    assert inspect_audio(path).seconds == pytest.approx(3, abs=0.001)


@pytest.mark.parametrize(("name", "codec", "kind"), [("a.mp3", "libmp3lame", "mp3"), ("a.aac", "aac", "aac")])
def test_coded_sound(tmp_path, name, codec, kind):
    path = tmp_path / name
    with av.open(path, mode="w", format="adts" if kind == "aac" else kind) as output:
        stream = output.add_stream(codec, rate=44100, layout="mono")
        for start in range(0, 44100 * 3, 4410):
            frame = av.AudioFrame(format="fltp", layout="mono", samples=4410)
            frame.planes[0].update(bytes(4410 * 4))
            frame.sample_rate, frame.pts = 44100, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    properties = inspect_audio(path)
    assert properties.container == kind
    assert properties.seconds == pytest.approx(3, abs=0.06)


def test_mp3_behind_a_long_tag(tmp_path):
    path = tmp_path / "a.mp3"
    speak(text="One two three four five six seven eight nine ten.", voice="a", output=path, audio_format="mp3")
    tag = b"ID3\x04\x00\x00" + bytes([0, 1, 0x30, 0]) + bytes((1 << 14) + (0x30 << 7))
    plain = path.read_bytes()
    while plain[:3] == b"ID3":
        plain = plain[10 + (plain[8] << 7 | plain[9]) :]
    path.write_bytes(tag + plain)
    assert inspect_audio(path).container == "mp3"


@pytest.mark.parametrize(("width", "height"), [(4096, 2048), (100, 200), (1, 1)])
def test_image_sides_inside(make_image, width, height):
    properties = inspect_image(make_image("a.png", width=width, height=height))
    assert (properties.width, properties.height, properties.format) == (width, height, "png")


@pytest.mark.parametrize(("width", "height"), [(4097, 4000), (4000, 4097), (201, 100), (100, 201)])
def test_image_sides_outside(make_image, width, height):
    assert refusal_of(inspect_image, make_image("a.png", width=width, height=height)) == "InvalidFile.ImageSize"


def test_image_that_claims_to_be_huge(make_image):
    path = make_image("bomb.png", width=64, height=64)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    assert refusal_of(inspect_image, path) == "InvalidFile.ImageSize"


@pytest.mark.parametrize("kind", ["jpeg", "png", "bmp", "webp"])
def test_image_formats_allowed(make_image, kind):
    assert inspect_image(make_image(f"a-{kind}.dat", width=64, height=64, format=kind)).format == kind


@pytest.mark.parametrize("kind", ["gif", "tiff"])
def test_image_formats_refused(make_image, kind):
    path = make_image(f"{kind}.png", width=64, height=64, format=kind)
    assert refusal_of(inspect_image, path) == "InvalidFile.Format"


def test_image_size(make_image):
    path = grow(make_image("big.png", width=64, height=64), IMAGE_BYTES.high)
    assert inspect_image(path).size_bytes == 10 * MEGABYTE
    assert refusal_of(inspect_image, grow(path, IMAGE_BYTES.high + 1)) == "InvalidFile.Size"


def test_truncated_video(presenter, tmp_path):
    content = presenter.read_bytes()
    for part in (20, 200, 2000, len(content) // 50):
        path = tmp_path / f"{part}.mp4"
        path.write_bytes(content[:part])
        assert refusal_of(inspect_video, path) == "InvalidFile.Openerror"


def test_truncated_image(portrait, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(portrait.read_bytes()[:5000])
    assert refusal_of(inspect_image, path) == "InvalidFile.Openerror"


def test_random_bytes(tmp_path):
    chance = random.Random(1)
    heads = (b"", b"\x00\x00\x00\x20ftypisom", b"RIFF\x00\x00\x00\x00AVI ", b"\x00\x00\x01\x00moov")
    for i, head in enumerate(heads):
        path = tmp_path / f"{i}.mp4"
        path.write_bytes(head + chance.randbytes(50_000))
        assert refusal_of(inspect_video, path) == "InvalidFile.Openerror"
    for i, head in enumerate((b"\xff\xfb\x90\x00", b"\xff\xf1\x50\x80", b"ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb")):
        path = tmp_path / f"{i}.mp3"
        path.write_bytes(head + chance.randbytes(50_000))
        assert refusal_of(inspect_audio, path) in ("InvalidFile.Openerror", "InvalidFile.Duration")
    for inspect in (inspect_video, inspect_audio, inspect_image):
        path = tmp_path / "empty"
        path.touch()
        assert refusal_of(inspect, path) == "InvalidFile.Openerror"


def test_mutated_videos_are_measured_or_refused(make_video):
    path = make_video("seed.mp4")
    seed = path.read_bytes()
    chance = random.Random(2)
    for _ in range(300):
        content = bytearray(seed)
        for _ in range(chance.randint(1, 30)):
            content[chance.randrange(len(content) - 2000, len(content))] = chance.randrange(256)
        path.write_bytes(content)
        with contextlib.suppress(MediaRefusedError):
            assert inspect_video(path).seconds >= 2


def test_mislabelled_files(make_video, make_sound, portrait, tmp_path):
    assert refusal_of(inspect_video, make_sound("a.mp4")) == "InvalidFile.Format"
    assert refusal_of(inspect_audio, make_video("b.wav", container="mp4")) == "InvalidFile.Format"
    assert refusal_of(inspect_image, make_sound("c.png")) == "InvalidFile.Format"
    assert refusal_of(inspect_video, Path(shutil.copy(portrait, tmp_path / "d.mp4"))) == "InvalidFile.Format"


@pytest.mark.parametrize("head", ["#EXTM3U\n#EXTINF:5,\n", "ffconcat version 1.0\nfile ", '<?xml version="1.0"?><MPD>'])
def test_playlists_are_never_opened(presenter, tmp_path, head):
    path = tmp_path / "list.mp4"
    path.write_text(f"{head}{presenter}\n")
    assert refusal_of(inspect_video, path) == "InvalidFile.Format"
    assert refusal_of(inspect_audio, path) == "InvalidFile.Format"


def test_sound_without_video_in_an_mp4(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(path, mode="w") as output:
        stream = output.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.planes[0].update(bytes(1024 * 4))
        frame.sample_rate, frame.pts = 44100, 0
        output.mux([*stream.encode(frame), *stream.encode(None)])
    assert refusal_of(inspect_video, path) == "InvalidFile.Openerror"


def test_missing_file_is_no_refusal(tmp_path):
    with pytest.raises(FileNotFoundError):
        inspect_video(tmp_path / "none.mp4")


def test_sniffing_goes_by_content(tmp_path):
    path = tmp_path / "x"
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
    Image.new("RGB", (8, 8)).save(tmp_path / "y.webp")
    samples = {
        buffer.getvalue(): "wav",
        (tmp_path / "y.webp").read_bytes(): "webp",
        b"\x00\x00\x00\x18ftypM4A ": "m4a",
        b"\x00\x00\x00\x18ftypheic": "heif",
        b"OggS": "ogg",
        b"\xff\xfd\x80\x00": "mpeg-audio",
        b"hello": None,
    }
    for content, kind in samples.items():
        path.write_bytes(content)
        assert sniff(path) == kind
