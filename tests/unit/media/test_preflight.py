"""The look at inputs before a submit: what it finds, what it says of it, and what it leaves to the service."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from media_files import image, video, wav
from range_server import RangeServer

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.emulator.engine.facts import inspect_audio, inspect_image, inspect_video
from airflow_provider_videoretalk.emulator.engine.refusal import MediaRefusedError
from airflow_provider_videoretalk.media.preflight import (
    Report,
    check_audio,
    check_image,
    check_inputs,
    check_lengths,
    check_video,
)
from airflow_provider_videoretalk.media.probe import Media, probe

INSPECT: dict[str, Callable[[Path], Any]] = {"video": inspect_video, "audio": inspect_audio, "image": inspect_image}
CHECK = {"video": check_video, "audio": check_audio, "image": check_image}


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer() as running:
        yield running


def ours(kind: str, path: Path) -> str | None:
    try:
        media = probe(path)
    except InputError as error:
        return error.code
    assert not media.unchecked
    return next((finding.code for finding in CHECK[kind](media)), None)


def theirs(kind: str, path: Path) -> str | None:
    try:
        INSPECT[kind](path)
    except MediaRefusedError as error:
        return error.code
    return None


def agree(kind: str, path: Path, code: str | None) -> None:
    assert (ours(kind, path), theirs(kind, path)) == (code, code)


@pytest.mark.parametrize(
    ("fps", "allowed"), [(60.03, True), (60.06, False), (14.97, True), (14.94, False), (29.97, True)]
)
def test_rates_that_clocks_round(fps: float, allowed: bool) -> None:
    media = Media(kind="video", container="mp4", codec="h264", seconds=10, fps=fps, width=640, height=640)
    assert bool(list(check_video(media))) is not allowed


def test_mislabelled_files(tmp_path: Path) -> None:
    film = video(tmp_path / "a.wav", container="mp4")
    sound, picture = tmp_path / "b.mp4", tmp_path / "c.mp4"
    sound.write_bytes(wav())
    picture.write_bytes(image("png"))
    for kind, path in [("audio", film), ("image", film), ("video", sound), ("image", sound), ("video", picture)]:
        agree(kind, path, "InvalidFile.Format")


@pytest.mark.parametrize("content", [b"", b"hello", bytes(5000)])
@pytest.mark.parametrize("kind", INSPECT)
def test_bytes_of_no_kind(tmp_path: Path, kind: str, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    agree(kind, path, "InvalidFile.Openerror")


def test_a_video_without_pictures() -> None:
    media = Media(kind="audio", container="mp4", codec="aac", seconds=5, sound=True)
    assert [finding.code for finding in check_video(media)] == ["InvalidFile.Openerror"]


def of(kind: str, seconds: float | None) -> Media:
    return Media(kind="video" if kind == "video" else "audio", container="mp4", seconds=seconds)


@pytest.mark.parametrize(
    ("picture", "sound", "extended", "cut"),
    [
        (10, 10.05, False, False),
        (10, 10.2, False, True),
        (10, 10.2, True, False),
        (10, 5, False, False),
        (None, 5, False, False),
        (10, None, False, False),
    ],
)
def test_speech_that_is_longer_than_the_video(
    picture: float | None, sound: float | None, extended: bool, cut: bool
) -> None:
    findings = list(check_lengths(of("video", picture), of("audio", sound), video_extension=extended))
    assert bool(findings) is cut
    if cut:
        assert str(findings[0]) == (
            "audio_url: audio duration is 10.2 s, allowed is 10 s, the video's duration, for all of it to be heard. "
            "Set video_extension=True, or give a longer video or a shorter speech: what is longer is cut."
        )


@pytest.fixture
def inputs(tmp_path: Path, server: RangeServer) -> dict[str, str]:
    film = video(tmp_path / "v.mp4", seconds=4).read_bytes()
    return {
        "video": server.add("/v.mp4", film) + "?Signature=hush",
        "audio": server.add("/a.wav", wav(seconds=3)) + "?Signature=hush",
        "ref_image": server.add("/i.png", image("png")) + "?Signature=hush",
    }


def look(inputs: dict[str, Any], **options: Any) -> Report:
    report = check_inputs(**inputs, **{"allow_private": True} | options)
    assert "hush" not in " ".join([*map(str, report.findings), *report.warnings])
    return report


def test_good_inputs(inputs: dict[str, str]) -> None:
    report = look(inputs)
    report.check()
    assert (report.findings, report.warnings) == ((), ())
    assert {name: (media.container, media.seconds) for name, media in report.media.items()} == {
        "video_url": ("mp4", 4.0),
        "audio_url": ("wav", 3.0),
        "ref_image_url": ("png", None),
    }


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_reference_image(inputs: dict[str, str], nothing: str | None) -> None:
    assert set(look(inputs | {"ref_image": nothing}).media) == {"video_url", "audio_url"}


def test_strict_refuses_with_all_that_was_found(inputs: dict[str, str], server: RangeServer) -> None:
    server.add("/a.wav", wav(seconds=1))
    server.add("/i.png", image("png", width=500, height=100))
    report = look(inputs)
    assert report.warnings == ()
    with pytest.raises(InputError) as caught:
        report.check()
    assert caught.value.code == "InvalidFile.Duration"
    assert str(caught.value) == (
        "InvalidFile.Duration: audio_url: audio duration is 1 s, allowed is 2 to 120 s; "
        "ref_image_url: reference image aspect ratio is 5, allowed is at most 2. "
        "Cut or extend video and audio to 2 to 120 seconds each. "
        "Scale the image: sides up to 4096 pixels, aspect up to 2."
    )


def test_warn_says_it_and_goes_on(inputs: dict[str, str], server: RangeServer) -> None:
    server.add("/a.wav", wav(seconds=1))
    report = look(inputs, mode="warn")
    report.check()
    assert report.refusals == ()
    assert report.warnings == (
        "audio_url: audio duration is 1 s, allowed is 2 to 120 s (the service would answer InvalidFile.Duration). "
        "Cut or extend video and audio to 2 to 120 seconds each.",
    )


def test_off_looks_at_nothing(inputs: dict[str, str], server: RangeServer) -> None:
    assert look(inputs, mode="off") == Report(mode="off")
    assert not server.asked


def test_cut_speech_refuses_or_warns(inputs: dict[str, str], server: RangeServer) -> None:
    server.add("/a.wav", wav(seconds=5))
    with pytest.raises(InputError, match=r"audio duration is 5 s, allowed is 4 s"):
        look(inputs).check()
    assert "what is longer is cut" in look(inputs, mode="warn").warnings[0]
    assert look(inputs, video_extension=True).findings == ()


def test_sizes_are_told_in_words(inputs: dict[str, str]) -> None:
    media = Media(kind="video", container="mp4", size=314_572_801)
    assert next(check_video(media)).message == (
        "video_url: video size is 314,572,801 bytes, allowed is at most 314,572,800 bytes (300 MB)"
    )


def test_damaged_and_dead_inputs(inputs: dict[str, str], server: RangeServer) -> None:
    server.add("/v.mp4", b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00isom")
    del server.answers["/a.wav"]
    report = look(inputs)
    assert [(finding.field, finding.code) for finding in report.findings] == [
        ("video_url", "InvalidFile.Openerror"),
        ("audio_url", "InvalidURL"),
    ]
    assert str(report.findings[0]).startswith("video_url: it is a damaged mp4 file: it has no index (moov)")
    assert "it can't be fetched (HTTP 404)" in str(report.findings[1])


def test_inputs_of_the_wrong_kind(inputs: dict[str, str]) -> None:
    swapped = {"video": inputs["audio"], "audio": inputs["ref_image"], "ref_image": inputs["video"]}
    assert [str(finding).partition(" (")[0] for finding in look(swapped).findings] == [
        "video_url: it is a wav file, allowed is mp4, avi or mov",
        "audio_url: it is a png file, allowed is wav, mp3 or aac",
        "ref_image_url: it is a mp4 file, allowed is jpeg, png, bmp or webp",
    ]


def test_private_addresses(inputs: dict[str, str], server: RangeServer) -> None:
    report = look(inputs, allow_private=False)
    assert {finding.code for finding in report.findings} == {"InvalidURL"}
    assert len(report.findings) == 3
    assert not server.asked


def test_what_was_not_checked_never_refuses(inputs: dict[str, str], server: RangeServer, tmp_path: Path) -> None:
    film = video(tmp_path / "x.mp4", seconds=4).read_bytes()
    at = film.index(b"mdat") - 4
    late = film[:at] + struct.pack(">I4s", 20_000_000, b"free") + bytes(19_999_992) + film[at:]
    server.add("/v.mp4", late, ranges=False)
    server.answers["/a.wav"] = lambda handler: handler.reply(503)
    report = look(inputs | {"ref_image": "oss://dashscope-instant/a.png"})
    report.check()
    assert report.warnings == (
        "audio_url: nothing was checked: it can't be fetched (HTTP 503)",
        "ref_image_url: nothing was checked: only the service can read what lies in its temporary store",
        "video_url: codec, duration, frame rate, width, height not checked: the server has no ranges, so reading it "
        "would mean to download the file from its beginning",
    )
    assert report.media["video_url"].size == len(late)
