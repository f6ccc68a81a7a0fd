"""A video that is longer than a render job: what is paid for if a try is killed, a script changes, a piece fails."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import av
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from media_files import video
from werkzeug import Response

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.airflow_adapters.job_history_writer import open_history
from airflow_provider_videoretalk.batches.recipe import RecordingPart, RecordingRecipe, SpeechRecipe
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError, RequestError, TransportError
from airflow_provider_videoretalk.dashscope.task import get_task
from airflow_provider_videoretalk.editing import join
from airflow_provider_videoretalk.job_history.fact_keys import day_of
from airflow_provider_videoretalk.media import local_copy
from airflow_provider_videoretalk.operators import job, video_pieces
from airflow_provider_videoretalk.operators.make_video import MakeVideoOperator
from airflow_provider_videoretalk.polling.trigger_event import event_of
from airflow_provider_videoretalk.publishing import file_upload, publication, transfer
from airflow_provider_videoretalk.submission import submitter
from airflow_provider_videoretalk.submission.resume import ResumePolicy

from .test_batch import Batch, batch

__all__ = ["batch"]

# About 50 s each.
PARTS = [f"This is sentence {word} of the first lesson. " * 15 for word in ("one", "two", "six")]
SCRIPT = "\n\n".join(PARTS)


class CrashError(BaseException):
    """The process dies."""


def table(script: str = SCRIPT) -> str:
    return json.dumps({"name": "lesson", "text": script}) + "\n"


def make(batch: Batch, row: Any, **arguments: Any) -> Any:
    folder = f"{batch.folder.as_uri()}/"
    operator = MakeVideoOperator(task_id="make", row=row, folder=folder, deferrable=False, **arguments)
    return operator.execute(batch.context("make", row["row"]))


def dies_at(monkeypatch: pytest.MonkeyPatch, point: str, *, times: int = 1) -> None:
    """Lets a process die when it reaches a point for the given time."""
    reached = 0

    def fault_point(name: str) -> None:
        nonlocal reached
        reached += name == point
        if name == point and reached == times:
            raise CrashError

    for module in (job, submitter, video_pieces):
        monkeypatch.setattr(module, "fault_point", fault_point)


def test_a_long_script_becomes_one_video(batch: Batch) -> None:
    (row,) = batch.plan(table())
    assert row == {"label": "lesson", "row": 0, "in_pieces": True}
    result = make(batch, row)
    assert batch.paid() == {"speech": 3, "videos": 3}
    assert (result["video_url"], result["billed_seconds"], result["cost"]) == (None, 9.0, 0.72)
    assert result["task_ids"] == ["job-0", "job-1", "job-2"]
    with av.open(result["video_location"].removeprefix("file://")) as joined:
        assert joined.streams.video[0].frames == 3 * 3 * 15
    described = json.loads(Path(result["video_location"].removeprefix("file://") + ".json").read_text())
    assert (described["frames"], described["size"]) == (135, Path(joined.name).stat().st_size)
    metadata = batch.pushed["make", "videoretalk_metadata"][-1]
    assert [part["text"] for part in metadata["parts"]] == [part.strip() for part in PARTS]
    assert [round(part["start"], 3) for part in metadata["parts"]] == [0.0, 3.0, 6.0]
    assert batch.pushed["make", "videoretalk_cost"] == [{"billed_seconds": 9.0, "cost": 0.72, "currency": "CNY"}]


def test_a_piece_is_recognised_by_its_name(batch: Batch) -> None:
    (row,) = batch.plan(table())
    make = MakeVideoOperator(task_id="make", row=row, folder=f"{batch.folder.as_uri()}/")
    make._planned(batch.context("make", 0))  # type: ignore[arg-type]
    identity = make.identity()
    assert identity == {"model": "videoretalk", "piece": make._pieces.current.name}


def test_a_policy_about_changed_inputs_is_not_about_the_next_piece(batch: Batch) -> None:
    (row,) = batch.plan(table())
    make(batch, row, resume=ResumePolicy(on_changed_input="fail"))
    assert batch.paid() == {"speech": 3, "videos": 3}


def test_a_slower_speech_makes_more_pieces(batch: Batch) -> None:
    (row,) = batch.plan(table(), speech_options={"rate": 0.5})
    make(batch, row)
    assert batch.paid() == {"speech": 5, "videos": 5}


@pytest.mark.parametrize(
    ("point", "times"),
    [(point, times) for point in ("before_intent", "after_id", "after_result", "after_piece") for times in (1, 2)]
    + [("during_join", 1)],
)
def test_a_try_that_is_killed_pays_for_no_piece_twice(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, point: str, times: int
) -> None:
    (row,) = batch.plan(table())
    dies_at(monkeypatch, point, times=times)
    with pytest.raises(CrashError):
        make(batch, row)
    assert make(batch, row)["billed_seconds"] == 9.0
    assert batch.paid() == {"speech": 3, "videos": 3}
    # Nothing but the pieces and the video remains.
    assert len(list(batch.folder.glob("pieces/*.mp4"))) == 4


def test_a_try_that_was_held_back_goes_on_with_the_next_piece(batch: Batch) -> None:
    (row,) = batch.plan(table())
    folder, context = f"{batch.folder.as_uri()}/", batch.context("make", 0)
    operator = MakeVideoOperator(task_id="make", row=row, folder=folder, deferrable=False)
    result = operator.execute_again(context, {"refusals": 0, "since": 0.0})
    assert (result["billed_seconds"], result["task_ids"]) == (9.0, ["job-0", "job-1", "job-2"])
    assert batch.paid() == {"speech": 3, "videos": 3}


@pytest.mark.parametrize(("age", "asked"), [(0, 2), (700, 3)])
def test_an_admission_is_of_one_piece(batch: Batch, age: float, asked: int) -> None:
    """The others look at the account's queue, and so does the first one if it was admitted more than 600 s ago."""
    (row,) = batch.plan(table())
    operator = MakeVideoOperator(task_id="make", row=row, folder=f"{batch.folder.as_uri()}/", deferrable=False)
    event = {"refusals": 0, "since": 0.0, "held_since": 1.0, "admitted_at": time.time() - age}
    operator.execute_again(batch.context("make", 0), event)
    assert sum(request.path == "/api/v1/tasks" for request, _ in batch.service.log) == asked


@pytest.mark.parametrize("durable", [True, False])
def test_a_deferred_try_goes_on_with_the_next_piece(batch: Batch, durable: bool) -> None:
    (row,) = batch.plan(table())
    context, resume, waits = batch.context("make", 0), "execute", 0
    event: Any = None
    while True:
        # A process of its own each time.
        folder = f"{batch.folder.as_uri()}/"
        operator = MakeVideoOperator(task_id="make", row=row, folder=folder, deferrable=True, durable=durable)
        try:
            result = getattr(operator, resume)(context, *([event] if event else []))
            break
        except TaskDeferred as deferred:
            trigger: Any = deferred.trigger
            awaited, _ = trigger.read_arguments()
            event = event_of(operator.hook.client.send(get_task(awaited.task_id)), awaited)
            resume, waits = deferred.method_name, waits + 1
    assert (waits, result["billed_seconds"]) == (3, 9.0)
    assert batch.paid() == {"speech": 3, "videos": 3}


def test_a_clear_joins_the_pieces_that_are_made(batch: Batch) -> None:
    (row,) = batch.plan(table())
    make(batch, row)
    batch.clears += 1
    assert make(batch, row)["billed_seconds"] == 9.0
    assert batch.paid() == {"speech": 3, "videos": 3}


def test_a_video_that_is_joined_is_not_joined_again(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the places of the texts in it are not known."""
    (row,) = batch.plan(table())
    result = make(batch, row)
    batch.clears += 1
    with monkeypatch.context() as patched:
        patched.setattr(join, "join_pieces", None)
        assert make(batch, row)["video_location"] == result["video_location"]
    described = Path(result["video_location"].removeprefix("file://") + ".json")
    without = {name: value for name, value in json.loads(described.read_text()).items() if name != "parts"}
    described.write_text(json.dumps(without))
    batch.clears += 1
    make(batch, row)
    assert len(json.loads(described.read_text())["parts"]) == 3


def test_a_change_at_the_end_is_paid_for_alone(batch: Batch) -> None:
    (row,) = batch.plan(table())
    make(batch, row)
    before = Decimal(str(batch.sums["most_cost"]))
    (row,) = batch.plan(table(SCRIPT.replace("sentence six", "sentence ten")))
    assert Decimal(str(batch.sums["most_cost"])) < before / 2
    make(batch, row)
    assert batch.paid() == {"speech": 4, "videos": 4}


def test_a_change_at_the_beginning_keeps_the_speech_of_the_rest(batch: Batch) -> None:
    """The presenter goes on where the piece before ends: the first piece is as long as before here."""
    make(batch, *batch.plan(table()))
    make(batch, *batch.plan(table(SCRIPT.replace("sentence one", "sentence ten"))))
    assert batch.paid() == {"speech": 4, "videos": 4}


def test_a_forced_video_is_made_again_and_its_speech_is_kept(batch: Batch) -> None:
    batch.run(table())
    batch.run(table(), force=True)
    assert batch.paid() == {"speech": 3, "videos": 6}


def test_a_kept_video_is_not_made(batch: Batch) -> None:
    batch.run(table())
    assert batch.plan(table()) == []
    assert batch.paid() == {"speech": 3, "videos": 3}


def test_each_piece_goes_on_where_the_presenter_stopped(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_videoretalk.editing import presenter_part

    cuts = []
    cut = presenter_part.cut_presenter

    def noted(source: Any, target: Any, *, start_frame: int, frames: int) -> Any:
        cuts.append((start_frame, frames))
        return cut(source, target, start_frame=start_frame, frames=frames)

    monkeypatch.setattr(presenter_part, "cut_presenter", noted)
    make(batch, *batch.plan(table()))
    # Each result has 45 frames; two more are given, should the service count a frame more.
    assert cuts == [(0, 47), (45, 47), (90, 47)]


def test_no_part_of_a_presenter_is_longer_than_a_job_takes(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_videoretalk.editing import presenter_part

    cuts = []

    def noted(source: Any, target: Any, *, start_frame: int, frames: int) -> Any:
        cuts.append(frames)
        raise InputError("enough")

    monkeypatch.setattr(presenter_part, "cut_presenter", noted)
    batch.speech_seconds = 119.99
    (row,) = batch.plan(table(), max_cost_per_video=100)
    with pytest.raises(InputError, match="enough"):
        make(batch, row)
    assert cuts == [120 * 15]


def test_the_price_of_all_pieces_is_the_price_of_the_row(batch: Batch) -> None:
    with pytest.raises(AirflowFailException, match=r"the batch costs at most .* allowed is at most 5 CNY"):
        batch.plan(table(), max_cost=5)
    (row,) = batch.plan(table(), max_cost_per_video=0.5)
    with pytest.raises(InputError, match=r"the video costs 3 s of output, 0\.24 CNY"):
        make(batch, row)
    # Two pieces cost 0.48.
    assert batch.paid() == {"speech": 3, "videos": 2}


def test_the_presenter_alone_has_to_be_an_allowed_source(batch: Batch) -> None:
    (row,) = batch.plan(table())
    make(batch, row, allowed_sources=[batch.service.url_for("/")])
    (row,) = batch.plan(table(SCRIPT.replace("lesson", "course")))
    with pytest.raises(InputError, match=r"video_url is .*clip.mp4', allowed is https://elsewhere.example/"):
        make(batch, row, allowed_sources=["https://elsewhere.example/"])
    assert batch.paid() == {"speech": 3, "videos": 3}


def test_a_presenter_must_be_as_long_as_the_speech_if_it_is_not_extended(batch: Batch) -> None:
    (row,) = batch.plan(table(), video_extension=False)
    with pytest.raises(InputError, match=r"the presenter lasts 4.0 s, the speech goes on at 6.0 s") as caught:
        make(batch, row)
    assert caught.value.remedy == "Set video_extension, or give a longer presenter. The pieces that are made are kept."
    assert batch.paid()["videos"] == 1


@pytest.mark.parametrize(("frames", "is_enough"), [(135, True), (133, True), (132, False)])
def test_a_presenter_that_is_just_as_long_as_the_speech_is_enough(batch: Batch, frames: int, is_enough: bool) -> None:
    """A frame may be missing for each piece before the last one: the service may count one more."""
    clip = video(batch.folder.parent / "exact.mp4", seconds=frames / 15)
    (row,) = batch.plan(table(), video_extension=False, defaults={"video": str(clip)})
    if is_enough:
        assert make(batch, row)["billed_seconds"] == 9.0
    else:
        with pytest.raises(InputError, match=r"the presenter lasts 8.8 s, the speech goes on at 9.0 s"):
            make(batch, row)


def test_a_presenter_that_is_too_long_for_a_job_is_cut(batch: Batch) -> None:
    clip = video(batch.folder.parent / "long.mp4", seconds=130)
    (row,) = batch.plan(json.dumps({"name": "a", "text": "Good morning.", "video": str(clip)}) + "\n")
    assert row["in_pieces"]
    result = make(batch, row)
    assert (result["billed_seconds"], batch.paid()) == (3.0, {"speech": 1, "videos": 1})


def test_a_piece_that_is_refused_is_made_by_the_next_try(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = batch.plan(table())
    accept = batch.submit

    def submit(request: Any) -> Any:
        refusal = Response(json.dumps({"code": "InvalidParameter", "message": "no"}), status=400)
        return refusal if batch.paid()["videos"] == 1 else accept(request)

    monkeypatch.setattr(batch, "submit", submit)
    with pytest.raises(RequestError, match="no"):
        make(batch, row)
    make(batch, row)
    # One of four submits created nothing.
    assert batch.paid() == {"speech": 3, "videos": 4}


def test_pieces_have_to_be_waited_for(batch: Batch) -> None:
    (row,) = batch.plan(table())
    with pytest.raises(InputError) as caught:
        make(batch, row, wait_for_completion=False)
    assert caught.value.message == "wait_for_completion is False, allowed is True for a video of several pieces"
    assert batch.paid() == {"speech": 0, "videos": 0}


def test_nothing_is_paid_where_pieces_cannot_be_joined(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = batch.plan(table())
    monkeypatch.setattr("airflow_provider_videoretalk.optional_dependencies.is_installed", lambda module: False)
    with pytest.raises(ConfigurationError, match=r"^A video of several pieces needs av, .*\[media\]"):
        make(batch, row)
    assert batch.paid() == {"speech": 0, "videos": 0}


def test_the_history_knows_where_each_piece_is(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variable_store, "HAS_KEYS", True)
    (row,) = batch.plan(table())
    before = time.time()
    make(batch, row)
    records = {record.job_id: record for record in open_history().load(day_of(before))}
    pieces = {path.as_uri() for path in batch.folder.glob("pieces/*.mp4")}
    published = [records[f"job-{number}"].published for number in range(3)]
    assert {fact.uri for fact in published} < pieces
    assert all(before <= fact.published_at <= time.time() for fact in published)


def test_the_result_of_all_pieces_is_the_last_with_the_sums_of_all() -> None:
    first = {
        "task_id": "t1",
        "request_id": "r1",
        "status": "SUCCEEDED",
        "usage": {"video_duration": 3},
        "billed_seconds": 3.10001,
        "cost": 0.1,
        "render_seconds": 10.0,
        "currency": "CNY",
        "price": {"per_second": "0.08"},
        "submitted_at": "first",
        "started_at": "second",
        "sha256": "0",
    }
    last = first | {"task_id": "t2", "billed_seconds": 2.0, "cost": 0.2, "submitted_at": "third"}
    assert video_pieces._sums([first, last]) == {
        "task_id": "t2",
        "request_id": "r1",
        "status": "SUCCEEDED",
        "usage": {},
        "billed_seconds": 5.1,
        "cost": 0.3,
        "render_seconds": 20.0,
        "currency": "CNY",
        "price": {"per_second": "0.08"},
        "submitted_at": "first",
        "started_at": "second",
        "video_url": None,
        "expires_at": None,
        "task_ids": ["t1", "t2"],
    }
    assert video_pieces._sums([first, last | {"cost": None}])["cost"] is None


def test_how_many_frames_a_piece_has() -> None:
    """As its file says. If it does not, by its speech of about 9 s, at 25 a second."""
    part = RecordingPart(start=3.0, end=12.0, sound="s")
    piece: Any = SimpleNamespace(speech=RecordingRecipe(recording="r", part=part))
    assert video_pieces._frames({"seconds": 2.0, "fps": 15.0}, piece) == 30
    assert video_pieces._frames({"seconds": 2.0}, piece) == 50
    assert video_pieces._frames({"fps": 15.0}, piece) == 135
    assert video_pieces._frames({}, piece) == 225
    assert video_pieces._frames({"seconds": 0.001, "fps": 15.0}, piece) == 1
    # A speech that is twice as fast, and a recording that is one piece, after which no other begins.
    script = {"script": "Good morning to you. " * 20, "language": "en", "voice": "v", "model": "m"}
    usual, fast = (SpeechRecipe(**script, options=options) for options in ({}, {"rate": 2.0}))
    frames = [video_pieces._frames({}, cast("Any", SimpleNamespace(speech=speech))) for speech in (usual, fast)]
    assert frames[1] == pytest.approx(frames[0] / 2, abs=1)
    whole: Any = SimpleNamespace(speech=RecordingRecipe(recording="r", part=None))
    assert video_pieces._frames({}, whole) == 1


def test_what_a_presenter_is_read_and_written_as(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its field is in messages, the connection says which hosts may be reached, and players need the type."""
    read: list[tuple[str, str]] = []
    written: list[str] = []
    copy, upload = local_copy.local_copy, file_upload.upload_file

    def copied(location: Any, target: Any, *, field: str, access: Any) -> Any:
        read.append((field, access.__name__))
        return copy(location, target, field=field, access=access)

    def uploaded(file: Any, path: Any, *, content_type: str, metadata: Any) -> None:
        written.append(content_type)
        upload(file, path, content_type=content_type, metadata=metadata)

    monkeypatch.setattr(local_copy, "local_copy", copied)
    monkeypatch.setattr(file_upload, "upload_file", uploaded)
    make(batch, *batch.plan(table()))
    # Three parts of the presenter, and the three pieces that are joined.
    assert read == [("video_url", "media_access")] * 6
    assert written == ["video/mp4"] * 4


def test_a_piece_of_another_length_is_not_kept(batch: Batch) -> None:
    """The service has billed three seconds of it."""
    (row,) = batch.plan(table())
    short = video(batch.folder.parent / "short.mp4", seconds=1)
    batch.service.expect_oneshot_request("/made.mp4").respond_with_data(short.read_bytes(), content_type="video/mp4")
    with pytest.raises(TransportError, match=r"a file of 1\.00 s, where 3\.00 s were billed"):
        make(batch, row)
    assert make(batch, row)["billed_seconds"] == 9.0
    assert batch.paid()["videos"] == 3


def test_a_try_on_another_machine_keeps_the_piece_that_an_earlier_one_submitted(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If they share no disk, the folder of the pieces is not there."""
    (row,) = batch.plan(table())
    with monkeypatch.context() as patched:
        dies_at(patched, "after_id")
        with pytest.raises(CrashError):
            make(batch, row)
    shutil.rmtree(batch.folder / "pieces")
    assert make(batch, row)["billed_seconds"] == 9.0
    assert batch.paid()["videos"] == 3


@pytest.mark.parametrize(("frames", "warnings"), [(1, 0), (1.1, 1)])
def test_a_sound_that_was_cut_by_more_than_a_frame_is_told(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, frames: float, warnings: int
) -> None:
    joined = join.join_pieces

    def with_cut(files: Any, target: Any) -> Any:
        video = joined(files, target)
        return replace(video, longest_cut=frames / float(video.rate))

    monkeypatch.setattr(join, "join_pieces", with_cut)
    make(batch, *batch.plan(table()))
    assert caplog.text.count("longer than its pictures; it was cut") == warnings


def test_when_the_url_of_a_piece_ends_is_known(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal after that means that the video is lost, and one before it that a retry may help."""
    given: list[Any] = []

    def copy(*_: Any, **arguments: Any) -> None:
        given.append(arguments["expires_at"])
        raise TransportError("enough")

    (row,) = batch.plan(table())
    task = MakeVideoOperator(task_id="make", row=row, folder=f"{batch.folder.as_uri()}/")
    task._planned(batch.context("make", 0))  # type: ignore[arg-type]
    monkeypatch.setattr(transfer, "copy_object", copy)
    end = "2026-11-28T10:00:00+00:00"
    with pytest.raises(TransportError, match="enough"):
        task._pieces.keep({"task_id": "t1", "video_url": "https://h.example/a.mp4", "expires_at": end})
    assert given == [end]


def test_a_presenter_part_that_remains_is_logged(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The video is made all the same."""

    def fail(path: Any) -> None:
        raise TransportError("the store is away", remedy="Wait.")

    monkeypatch.setattr(publication, "remove_published", fail)
    (row,) = batch.plan(table())
    assert make(batch, row)["billed_seconds"] == 9.0
    assert caplog.text.count("is not needed any more, and remains: the store is away") == 3


def test_nothing_is_made_after_the_last_piece(batch: Batch) -> None:
    (row,) = batch.plan(table())
    make(batch, row)
    operator = MakeVideoOperator(task_id="make", row=row, folder=f"{batch.folder.as_uri()}/")
    operator._planned(batch.context("make", 0))  # type: ignore[arg-type]
    assert operator.identity()["piece"] is None
    with pytest.raises(RuntimeError, match="all pieces are made"):
        operator._pieces.keep({})
