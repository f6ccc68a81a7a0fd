"""What is read of a table and of a script at a location, and how much of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.io import store
from labelled_clips import blurred, changed_clip
from object_store import ObjectStore, attached
from range_server import RangeServer

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.emulator.engine.sample_presenter import draw_presenter
from airflow_provider_videoretalk.inputs import face_check as faces_of_clips
from airflow_provider_videoretalk.inputs import preflight
from airflow_provider_videoretalk.inputs.preflight import Finding, InspectionResult
from airflow_provider_videoretalk.media import location as media_location
from airflow_provider_videoretalk.media.probe_result import ProbeResult
from airflow_provider_videoretalk.model_catalog.limit import Limit
from airflow_provider_videoretalk.model_catalog.model import InputLength
from airflow_provider_videoretalk.model_catalog.talking_photo import LIVEPORTRAIT
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.operators import batch_sources
from airflow_provider_videoretalk.operators.batch_sources import BatchSources
from airflow_provider_videoretalk.outbound.host_access import any_address, public_only
from airflow_provider_videoretalk.outbound.read_budget import ReadBudget


class Sources(BatchSources):
    """Notes what is read."""

    content = b""
    asked: list[tuple[str, str, int]]

    def _read(self, field: str, location: str, *, most: int) -> bytes:
        self.asked.append((field, location, most))
        return self.content


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Sources:
    monkeypatch.setattr(Sources, "asked", [], raising=False)
    return Sources(allowed_sources=None, access=public_only, log=print)


def test_a_script_of_100_000_bytes_is_read(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sources, "content", b"\xef\xbb\xbf" + b"x" * 99_997)
    assert sources.script("s3://b/a.txt") == "x" * 99_997
    assert sources.asked == [("text_location", "s3://b/a.txt", 100_000)]
    monkeypatch.setattr(Sources, "content", b"x" * 100_001)
    with pytest.raises(InputError, match=r"^the script has more than 100000 bytes, allowed are 100000"):
        sources.script("s3://b/a.txt")
    monkeypatch.setattr(Sources, "content", b"\xff\xfe")
    with pytest.raises(InputError, match=r"^the script is not in UTF-8"):
        sources.script("s3://b/a.txt")


def test_a_file_with_too_long_a_script_is_not_cut_off(tmp_path: Path) -> None:
    script = tmp_path / "a.txt"
    sources = BatchSources(allowed_sources=None, access=public_only, log=print)
    script.write_text("Hello, you. " * 8_333)
    assert sources.script(str(script)) == "Hello, you. " * 8_333
    script.write_text("x" * 100_001)
    with pytest.raises(InputError, match=r"^the script has more than 100000 bytes"):
        sources.script(str(script))


@pytest.mark.parametrize(
    "location", ["s3://b/t.csv", " https://h/t.csv ", "file:///t.csv", "/srv/t.csv\n", "C2+.-://x"]
)
def test_a_location_of_a_table_is_read(sources: Sources, monkeypatch: pytest.MonkeyPatch, location: str) -> None:
    """With 20 MB at most."""
    monkeypatch.setattr(Sources, "content", b"text\nHello.")
    assert sources.table(location) == b"text\nHello."
    assert sources.asked == [("table", location.strip(), 20 * 1024 * 1024)]


@pytest.mark.parametrize(
    "text", ["text\nHello /there.", "text", "a b://c", "/ x", '{"text": "s3://b/t.csv"}', "\ud800"]
)
def test_any_other_text_is_the_table_itself(sources: Sources, text: str) -> None:
    assert sources.table(text) == text.encode(errors="surrogatepass")
    assert sources.asked == []


def test_no_table_is_no_text(sources: Sources) -> None:
    given: Any = None
    with pytest.raises(InputError, match=r"^table is"):
        sources.table(given)


@pytest.mark.parametrize(
    ("face_check", "problems", "logged"),
    [("off", [], []), ("warn", [], ["the face is blurred"]), ("refuse", ["the face is blurred"], [])],
)
def test_a_presenter_is_looked_at_once(
    face_check: str, problems: list[str], logged: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = tmp_path / "blurred.mp4"
    draw_presenter(tmp_path / "good.mp4", seconds=2, size=640)
    changed_clip(tmp_path / "good.mp4", clip, blurred(9))
    lines: list[str] = []
    sources = BatchSources(
        allowed_sources="file:///",
        access=public_only,
        log=lambda text, *values: lines.append(text % values),
        face_check=face_check,
    )
    (presenter,) = sources.presenters([str(clip), str(clip)]).values()
    assert [value.partition(":")[0] for value, _ in presenter.problems] == problems
    assert [each for each in ("the face is blurred",) for line in lines if each in line] == logged
    assert bool(presenter.digest) == (not problems)


@pytest.mark.parametrize("face_check", ["warn", "refuse"])
def test_a_presenter_that_cannot_be_looked_at_is_not_refused(
    face_check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says why."""
    monkeypatch.setattr(faces_of_clips, "VIDEO_BYTES", Limit(field="video size", high=1_000, code=""))
    draw_presenter(tmp_path / "clip.mp4", seconds=2, size=640)
    lines: list[str] = []
    with RangeServer() as server:
        server.add("/clip.mp4", (tmp_path / "clip.mp4").read_bytes())
        sources = BatchSources(
            allowed_sources=None,
            access=any_address,
            log=lambda text, *values: lines.append(text % values),
            face_check=face_check,
        )
        (presenter,) = sources.presenters([server.url("/clip.mp4")]).values()
    assert presenter.problems == ()
    assert [line for line in lines if "face" in line] == [
        "video: the face was not checked: it has more than 1,000 bytes, allowed are 1,000. "
        "Give a shorter or smaller file"
    ]


@pytest.mark.parametrize(
    "read",
    [
        lambda sources: sources.presenters(["s3://bucket/a"]),
        lambda sources: sources.photos(["s3://bucket/a"], model=LIVEPORTRAIT),
        lambda sources: sources.recordings(["s3://bucket/a"], folder=None),
    ],
    ids=["video", "photo", "audio"],
)
def test_a_store_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch, read: Callable[..., dict[str, Any]]) -> None:
    """No message has the name that a model gives to its input: the table has no such column."""

    def refuse(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(store.ObjectStore, "fs", property(refuse))
    (found,) = read(BatchSources(allowed_sources=None, access=public_only, log=print)).values()
    ((problem, _),) = found.problems
    assert problem.startswith("it is in a store (s3) that cannot be opened: ")


def test_a_store_that_is_down_is_no_fault_of_the_table() -> None:
    down = ObjectStore()
    down.fail("info", "a.mp4")
    with attached(my_store=down):
        sources = BatchSources(allowed_sources=None, access=public_only, log=print)
        (found,) = sources.presenters(["s3://my_store@bucket/a.mp4"]).values()
    ((problem, remedy),) = found.problems
    assert problem == "video cannot be looked up in its store: OSError"
    assert remedy == "It may pass: clear the task that plans the batch."


def test_a_plan_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_videoretalk.optional_dependencies.is_installed", lambda _: False)
    sources = BatchSources(allowed_sources=None, access=public_only, log=print, face_check="warn")
    with pytest.raises(ConfigurationError, match=r"face_check needs av, .*\[faces\]"):
        sources.presenters([])
    # It is for faces alone.
    assert BatchSources(allowed_sources=None, access=public_only, log=print).presenters([]) == {}


@pytest.mark.parametrize(
    ("field", "facts", "code", "expected"),
    [
        ("video_url", {"seconds": 130.0}, "InvalidFile.Duration", True),
        ("audio_url", {"seconds": 130.0}, "InvalidFile.Duration", True),
        # A file of 400 MB.
        ("video_url", {"seconds": 10.0}, "InvalidFile.Size", True),
        ("audio_url", {"seconds": 10.0}, "InvalidFile.Size", True),
        ("video_url", {"seconds": 2.001}, "InvalidFile.Size", True),
        # No part of these is long enough.
        ("video_url", {"seconds": 2.0}, "InvalidFile.Size", False),
        ("video_url", {"seconds": 1.0}, "InvalidFile.Duration", False),
        ("video_url", {"seconds": None}, "InvalidFile.Size", False),
        ("video_url", None, "InvalidFile.Size", False),
        ("video_url", {"seconds": 130.0}, "InvalidFile.FPS", False),
        ("ref_image_url", {"seconds": 130.0}, "InvalidFile.Duration", False),
    ],
)
def test_what_is_only_too_long_or_too_large_is_cut(
    field: str, facts: dict[str, Any] | None, code: str, expected: bool
) -> None:
    finding = Finding(field=field, value="it is odd", remedy="Change it.", code=code)
    media = {} if facts is None else {field: ProbeResult(kind="video", container="mp4", **facts)}
    assert batch_sources._is_cut(finding, media) is expected


@pytest.mark.parametrize(
    ("code", "problems", "logged"),
    [
        (None, (), ["video_url: its codec is unknown"]),
        # Longer than a job takes: it is cut, which is no problem.
        ("InvalidFile.Duration", (), ["video_url: its codec is unknown"]),
        ("InvalidFile.FPS", (("it is odd", "Change it."),), []),
    ],
)
def test_doubts_about_a_presenter_are_logged_and_problems_are_told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    code: str | None,
    problems: tuple[tuple[str, str], ...],
    logged: list[str],
) -> None:
    findings = () if code is None else (Finding(field="video_url", value="it is odd", remedy="Change it.", code=code),)
    media = {"video_url": ProbeResult(kind="video", container="mp4", seconds=130.0, fps=25.0)}
    found = InspectionResult(
        mode="strict", media=media, findings=findings, unchecked=("video_url: its codec is unknown",)
    )
    asked: list[dict[str, Any]] = []

    def inspect(**given: Any) -> InspectionResult:
        asked.append(given)
        return found

    monkeypatch.setattr(preflight, "inspect_inputs", inspect)
    lines: list[str] = []
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"x")
    sources = BatchSources(
        allowed_sources=None, access=public_only, log=lambda text, *values: lines.append(text % values)
    )
    presenter = sources.presenters([str(clip)])[str(clip)]
    assert (presenter.problems, lines) == (problems, logged)
    assert asked == [{"model": VIDEORETALK, "locations": {"video_url": clip}, "access": public_only}]
    if not problems:
        assert (presenter.length, presenter.in_parts) == (InputLength(seconds=130.0, fps=25.0), code is not None)
        assert presenter.key is not None


def test_how_many_bytes_and_requests_a_script_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def refuse(location: object, **given: Any) -> None:
        asked.append(given)
        raise InputError("enough")

    monkeypatch.setattr(media_location, "open_ranged_reader", refuse)
    sources = BatchSources(allowed_sources=None, access=public_only, log=print)
    with pytest.raises(InputError, match="enough"):
        sources.script("https://h/a.txt")
    # Twice its bytes, and the longest range of four megabytes.
    budget = ReadBudget(size=200_000 + 4 * 1024 * 1024, requests=64)
    assert asked == [{"field": "text_location", "access": public_only, "budget": budget}]
