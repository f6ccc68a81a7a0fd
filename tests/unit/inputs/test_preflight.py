"""The look at inputs before a submit: what it finds, what it says of it, and what it leaves to the service."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from media_files import image, video, wav
from range_server import RangeServer

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.engine.inspection import inspect_audio, inspect_image, inspect_video
from airflow_provider_videoretalk.inputs.preflight import Finding, InspectionResult, check_media
from airflow_provider_videoretalk.inputs.retalk_inputs import RetalkInputs
from airflow_provider_videoretalk.media.probe import probe
from airflow_provider_videoretalk.media.probe_result import ProbeResult
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.outbound.host_access import any_address, public_only

INSPECT: dict[str, Callable[[Path], Any]] = {"video": inspect_video, "audio": inspect_audio, "image": inspect_image}
FIELDS = {"video": "video_url", "audio": "audio_url", "image": "ref_image_url"}


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
    return next((finding.code for finding in findings_of(kind, media)), None)


def theirs(kind: str, path: Path) -> str | None:
    try:
        INSPECT[kind](path)
    except MediaRefusedError as error:
        return error.code
    return None


def findings_of(kind: str, media: ProbeResult) -> list[Finding]:
    return list(check_media(FIELDS[kind], media, VIDEORETALK.media_inputs[FIELDS[kind]]))


def agree(kind: str, path: Path, code: str | None) -> None:
    assert (ours(kind, path), theirs(kind, path)) == (code, code)


@pytest.mark.parametrize(
    ("fps", "allowed"), [(60.03, True), (60.06, False), (14.97, True), (14.94, False), (29.97, True)]
)
def test_rates_that_clocks_round(fps: float, allowed: bool) -> None:
    media = ProbeResult(kind="video", container="mp4", codec="h264", seconds=10, fps=fps, width=640, height=640)
    assert bool(findings_of("video", media)) is not allowed


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
    media = ProbeResult(kind="audio", container="mp4", codec="aac", seconds=5, sound=True)
    assert [finding.code for finding in findings_of("video", media)] == ["InvalidFile.Openerror"]


def of(kind: str, seconds: float | None) -> ProbeResult:
    return ProbeResult(kind="video" if kind == "video" else "audio", container="mp4", seconds=seconds)


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
    inputs = RetalkInputs.from_locations(video="/v.mp4", audio="/a.wav", video_extension=extended)
    media = {"video_url": of("video", picture), "audio_url": of("audio", sound)}
    findings = list(inputs.findings_across(media))
    assert bool(findings) is cut
    if cut:
        assert str(findings[0]) == (
            "audio_url: audio duration is 10.2 s, allowed is 10 s, the video's duration, because longer speech is cut. "
            "Set video_extension=True, or give a longer video or a shorter speech."
        )


@pytest.fixture
def inputs(tmp_path: Path, server: RangeServer) -> dict[str, str]:
    film = video(tmp_path / "v.mp4", seconds=4).read_bytes()
    return {
        "video": server.add("/v.mp4", film) + "?Signature=hush",
        "audio": server.add("/a.wav", wav(seconds=3)) + "?Signature=hush",
        "ref_image": server.add("/i.png", image("png")) + "?Signature=hush",
    }


def look(inputs: dict[str, Any], *, video_extension: bool = False, **options: Any) -> InspectionResult:
    given = RetalkInputs.from_locations(**inputs, video_extension=video_extension)
    report = given.inspect(**{"access": any_address} | options)
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
    assert look(inputs, mode="off") == InspectionResult(mode="off")
    assert not server.asked


def test_cut_speech_refuses_or_warns(inputs: dict[str, str], server: RangeServer) -> None:
    server.add("/a.wav", wav(seconds=5))
    with pytest.raises(InputError, match=r"audio duration is 5 s, allowed is 4 s"):
        look(inputs).check()
    assert "because longer speech is cut" in look(inputs, mode="warn").warnings[0]
    assert look(inputs, video_extension=True).findings == ()


def test_sizes_are_told_in_words(inputs: dict[str, str]) -> None:
    media = ProbeResult(kind="video", container="mp4", size=314_572_801)
    assert findings_of("video", media)[0].message == (
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
    assert "it cannot be fetched: the server refused the request (HTTP 404)" in str(report.findings[1])


def test_inputs_of_the_wrong_kind(inputs: dict[str, str]) -> None:
    swapped = {"video": inputs["audio"], "audio": inputs["ref_image"], "ref_image": inputs["video"]}
    assert [str(finding).partition(" (")[0] for finding in look(swapped).findings] == [
        "video_url: it is a wav file, allowed is mp4, avi or mov",
        "audio_url: it is a png file, allowed is wav, mp3 or aac",
        "ref_image_url: it is a mp4 file, allowed is jpeg, png, bmp or webp",
    ]


def test_private_addresses(inputs: dict[str, str], server: RangeServer) -> None:
    report = look(inputs, access=public_only)
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
        "audio_url: nothing was checked: it cannot be fetched: the server did not send the file (HTTP 503)",
        "ref_image_url: nothing was checked: only the service can read files in its temporary store",
        "video_url: codec, duration, frame rate, width, height not checked: the server has no ranges, so reading it "
        "would mean to download the file from its beginning",
    )
    assert report.media["video_url"].size == len(late)


def test_an_unknown_frame_rate_refuses_nothing_and_makes_the_estimate_an_upper_bound(
    inputs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_rate(*arguments: Any, **options: Any) -> ProbeResult:
        return replace(probe(*arguments, **options), fps=None, unchecked=("frame rate: too many fragments",))

    monkeypatch.setattr("airflow_provider_videoretalk.media.probe.probe", without_rate)
    report = RetalkInputs.from_locations(**inputs).preflight(price=VIDEORETALK.price, access=any_address)
    report.inspection.check()
    assert report.inspection.warnings[0] == "video_url: frame rate not checked: too many fragments"
    assert (report.estimate.seconds, report.estimate.exact) == (3.07, False)
    assert str(report.estimate).startswith("at most 3.07 s of output, at most 0.2456 CNY")


def test_sound_of_unknown_length_refuses_nothing_and_makes_the_estimate_an_upper_bound(
    inputs: dict[str, str], server: RangeServer
) -> None:
    """A WAV whose header counts a second of three."""
    server.add("/a.wav", wav(seconds=1) + wav(seconds=3)[16_044:])
    report = RetalkInputs.from_locations(**inputs).preflight(price=VIDEORETALK.price, access=any_address)
    report.inspection.check()
    assert (report.estimate.seconds, report.estimate.exact) == (4.0, False)
    assert "the header states 1.000 s, the file has bytes for 3.000 s" in report.inspection.warnings[0]


def test_documents_are_named(inputs: dict[str, str], server: RangeServer) -> None:
    server.add("/v.mp4", b"<html><title>403</title>")
    server.add("/a.wav", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>")
    server.add("/i.png", b"")
    assert [finding.value.partition(", allowed")[0] for finding in look(inputs).findings] == [
        "it is an HTML page",
        "it is an XML document with the error code AccessDenied",
        "it is an empty file",
    ]
