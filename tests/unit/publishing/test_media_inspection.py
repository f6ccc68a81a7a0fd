"""What comes in place of media is recognised, and nothing else is refused."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from inspected import inspect
from media_files import coded, image, video, wav
from small_mp4 import mp4, mp4_of_size

from airflow_provider_videoretalk.publishing.expected_media import ExpectedMedia
from airflow_provider_videoretalk.publishing.media_inspection import MediaInspector, UnexpectedMediaError
from airflow_provider_videoretalk.publishing.media_types import MEDIA_TYPES

VIDEO, AUDIO, ANY = ExpectedMedia(kinds=("video",)), ExpectedMedia(kinds=("audio",)), ExpectedMedia()
JSON = ExpectedMedia(kinds=("json",))
PCM = ExpectedMedia(kinds=("audio",), headerless=True)

S3_ERROR = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>'
INSTEAD = {
    "an empty file": b"",
    "an HTML page": b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head></html>",
    "an XML document": S3_ERROR,
    "a JSON document": b'{"code": "Throttling", "message": "..."}',
    "a text file": b"upstream connect error or disconnect/reset before headers",
    "a gzip archive": b"\x1f\x8b\x08\0" + bytes(100),
    "of no known media format": bytes(1000),
}
PAGES = {
    "comment first": b"<!-- proxy -->\n<html lang='en'>",
    "with a mark": b"\xef\xbb\xbf<HTML>",
    "wide": "<html><body>Zugriff verweigert</body></html>".encode("utf-16"),
    "of an older server": "<html><body>Zugriff für Sie verweigert</body></html>".encode("latin-1"),
    "padded": b" " * 512 + b"<html>" + b" " * 2048,
    "only a body": b"<body>Blocked</body>",
    "large": b"<html>" + b"x" * 500_000,
}


@pytest.mark.parametrize("expected", [VIDEO, AUDIO, ANY, PCM])
@pytest.mark.parametrize("what", INSTEAD)
def test_what_comes_instead_is_named(what: str, expected: ExpectedMedia) -> None:
    if (what, expected) == ("of no known media format", PCM):
        # Samples may be any bytes.
        assert inspect(INSTEAD[what], expected)[0] == "application/octet-stream"
        return
    with pytest.raises(UnexpectedMediaError) as caught:
        inspect(INSTEAD[what], expected)
    assert f"source is {what}, expected is {expected}" in str(caught.value)
    assert caught.value.retryable
    assert "Nothing was published" in str(caught.value)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("expected", [VIDEO, AUDIO, ANY, PCM, JSON])
def test_pages(page: str, expected: ExpectedMedia) -> None:
    with pytest.raises(UnexpectedMediaError, match=r"^source is an HTML page"):
        inspect(PAGES[page], expected, piece=100)


def test_a_page_is_refused_before_the_rest_of_it_is_read() -> None:
    inspector, asked = MediaInspector(VIDEO), 0

    def endless() -> Any:
        nonlocal asked
        while True:
            asked += 1
            yield b"<html>" + bytes(b"x" * 10_000)

    with pytest.raises(UnexpectedMediaError):
        inspector.read_start(inspector.watch(endless()))
    assert asked < 10


def test_media_of_each_kind(tmp_path: Path) -> None:
    found = {
        "video/mp4": video(tmp_path / "a.mp4").read_bytes(),
        "video/quicktime": video(tmp_path / "a.mov", container="mov").read_bytes(),
        "video/x-msvideo": video(tmp_path / "a.avi", container="avi", codec="mpeg4").read_bytes(),
        "audio/wav": wav(),
        "audio/mpeg": coded(tmp_path / "a.mp3").read_bytes(),
        "audio/aac": coded(tmp_path / "a.aac", codec="aac", container="adts").read_bytes(),
        "image/png": image("png"),
        "image/jpeg": image("jpeg"),
        "image/webp": image("webp"),
    }
    for content_type, content in found.items():
        kind = content_type.partition("/")[0]
        for piece in (1000, 7):
            told, report = inspect(content, piece=piece)
            assert (told, report["kind"]) == (content_type, kind)
            assert "unchecked" not in report
        if kind != "image":
            assert report["seconds"] == pytest.approx(2, abs=0.1)
        others = tuple(other for other in ("video", "audio", "image") if other != kind)
        with pytest.raises(UnexpectedMediaError, match=MEDIA_TYPES[report["container"]].description):
            inspect(content, ExpectedMedia(kinds=others))


@pytest.mark.parametrize(
    ("content", "content_type", "kind"),
    [
        (b"\x1a\x45\xdf\xa3" + bytes(100), "video/x-matroska", "video"),
        (b"OggS" + bytes(100), "audio/ogg", "audio"),
        (b"fLaC" + bytes(100), "audio/flac", "audio"),
        (b"GIF89a" + bytes(100), "image/gif", "image"),
    ],
)
def test_formats_that_are_only_recognised(content: bytes, content_type: str, kind: str) -> None:
    told, report = inspect(content)
    assert (told, report["kind"]) == (content_type, kind)
    assert "is only recognised" in report["unchecked"][-1]


def test_sound_in_an_mp4() -> None:
    sound = mp4(handler=b"soun")
    assert inspect(sound, AUDIO)[0] == "audio/mp4"
    assert inspect(sound)[1]["kind"] == "audio"
    with pytest.raises(UnexpectedMediaError, match="an MP4 file with audio only, expected is a video"):
        inspect(sound, VIDEO)
    with pytest.raises(UnexpectedMediaError, match="an MP4 file with video only, expected is audio"):
        inspect(mp4(), AUDIO)


@pytest.mark.parametrize("brand", [b"isom", b"qt  "])
def test_a_container_of_video_may_have_sound_only(brand: bytes) -> None:
    told, report = inspect(mp4(handler=b"soun").replace(b"isom", brand, 1), AUDIO)
    assert (told, report["kind"]) == ("audio/mp4", "audio")


@pytest.mark.parametrize(
    ("size", "said"),
    [(24, "24 bytes"), (99_999, "99,999 bytes"), (100_000, "0.1 MB"), (2_000_000, "2.0 MB"), (9_500_000, "9.5 MB")],
)
@pytest.mark.parametrize("index_first", [True, False])
def test_a_cut_mp4(size: int, said: str, index_first: bool) -> None:
    with pytest.raises(UnexpectedMediaError, match=rf"source is an MP4 file that is cut after {re.escape(said)}: "):
        inspect(mp4(bytes(10_000_000), index_first=index_first)[:size], VIDEO)


@pytest.mark.parametrize("size", [65_536, 65_537])
@pytest.mark.parametrize("piece", [1000, 1024])
def test_an_index_may_lie_across_the_end_of_the_beginning(size: int, piece: int) -> None:
    """Of a file of boxes, 64 kB are kept, and then the indexes alone."""
    report = inspect(mp4_of_size(size), VIDEO, piece=piece)[1]
    assert (report["seconds"], "unchecked" in report) == (3.0, False)


@pytest.mark.parametrize("rest", range(1, 8))
def test_a_few_bytes_after_the_last_box_are_no_cut(rest: int) -> None:
    """They are no box, and no part of the index is missing."""
    report = inspect(mp4(bytes(200_000), index_first=True) + bytes(rest), VIDEO)[1]
    assert (report["seconds"], "unchecked" in report) == (3.0, False)


def test_a_cut_wav() -> None:
    with pytest.raises(UnexpectedMediaError, match="a WAV file that is cut after 5,000 bytes"):
        inspect(wav()[:5000], AUDIO)


def test_a_damaged_file() -> None:
    content = mp4()
    content = content.replace(b"stts", b"xxxx")
    with pytest.raises(UnexpectedMediaError, match="an MP4 file that is damaged: its index lists no frames"):
        inspect(content, VIDEO)


def test_samples_without_a_header() -> None:
    # Samples may begin as a frame of MP3, of AAC, or of another layer does.
    frames = (b"\xff\xfb\x90\x64", b"\xff\xf1\x50\x80\x02\x1f\xfc", b"\xff\xfc\x90\x64")
    for content in (bytes(range(256)), *(frame + bytes(range(256)) for frame in frames), bytes(1)):
        told, report = inspect(content, PCM)
        assert told == "application/octet-stream"
        unchecked = ["all: samples without a header state nothing"]
        assert report == {"kind": "audio", "container": "pcm", "unchecked": unchecked}
    assert inspect(wav(), PCM)[0] == "audio/wav"
    for content in (image("png"), mp4()):
        with pytest.raises(UnexpectedMediaError, match=r"expected is audio"):
            inspect(content, PCM)


def test_measured_values_have_three_decimals() -> None:
    """50 pictures in 7.2 s."""
    report = inspect(mp4(seconds=7.2), VIDEO)[1]
    assert (report["seconds"], report["fps"]) == (7.2, 6.944)


def test_the_billed_length() -> None:
    assert inspect(mp4(seconds=7.2), ExpectedMedia(kinds=("video",), seconds=8))[1]["seconds"] == 7.2
    for seconds in (2.1, 30.0):
        with pytest.raises(
            UnexpectedMediaError, match=rf"a file of {seconds:.2f} s, where 7.20 s were billed"
        ) as caught:
            inspect(mp4(seconds=seconds), ExpectedMedia(kinds=("video",), seconds=7.2))
        assert "give the URL alone as source" in str(caught.value)


def test_json() -> None:
    assert inspect(b' {"transcripts": []}', JSON) == ("application/json", {"kind": "json", "container": "json"})
    assert inspect(b"{}", JSON)[1] == {"kind": "json", "container": "json"}
    large = b"[" + b"1, " * 4_000_000 + b"1]"
    assert "too large" in inspect(large, JSON)[1]["unchecked"][0]
    for content in (b'{"transcripts": [', b"[" * 100_000):
        with pytest.raises(UnexpectedMediaError, match="a JSON document that is damaged or cut"):
            inspect(content, JSON)
    with pytest.raises(UnexpectedMediaError, match="source is an MP4 file, expected is a JSON document"):
        inspect(mp4(), JSON)


def test_a_large_tag_before_the_sound(tmp_path: Path) -> None:
    tag = b"ID3\x04\0\0\0\x0c\0\0" + b"\xaa" * (0x0C << 14)
    told, report = inspect(tag + coded(tmp_path / "a.mp3").read_bytes(), AUDIO)
    assert (told, report["container"]) == ("audio/mpeg", "mp3")
    with pytest.raises(UnexpectedMediaError):
        inspect(tag + b"<html>" + bytes(10_000), AUDIO)


@given(st.binary(max_size=300), st.sampled_from([VIDEO, AUDIO, ANY, JSON]))
def test_any_bytes(content: bytes, expected: ExpectedMedia) -> None:
    try:
        content_type, _ = inspect(content, expected)
    except UnexpectedMediaError:
        return
    assert content_type in {media_type.content_type for media_type in MEDIA_TYPES.values()}


@example(251, b"\xff\x01", True).via("a box in the index that is shorter than its header")
@given(st.integers(0, 700), st.binary(min_size=1, max_size=8), st.booleans())
def test_any_damage(at: int, damage: bytes, index_first: bool) -> None:
    content = mp4(index_first=index_first)
    with suppress(UnexpectedMediaError):
        inspect(content[:at] + damage + content[at + len(damage) :], VIDEO)
