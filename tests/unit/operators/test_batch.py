"""A batch from its table to its manifest, task by task, with a scripted service and videos on a disk."""

from __future__ import annotations

import itertools
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG, Param
from media_files import video, wav
from object_store import ObjectStore, attached
from PIL import Image
from pytest_httpserver import HTTPServer
from state_store import TaskStateStore
from werkzeug import Response
from xlsx_files import workbook

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError
from airflow_provider_videoretalk.job_history.history import JobHistory
from airflow_provider_videoretalk.operators import batch_sources, manifest
from airflow_provider_videoretalk.operators.approve_videos import ApproveVideosOperator
from airflow_provider_videoretalk.operators.make_video import MakeVideoOperator
from airflow_provider_videoretalk.operators.manifest import WriteManifestOperator
from airflow_provider_videoretalk.operators.plan_videos import _URL, PlanVideosOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.review_video import ReviewVideoOperator

from ..conftest import OutletEvents

SPEECH = "/api/v1/services/audio/tts/SpeechSynthesizer"
SUBMIT = "/api/v1/services/aigc/image2video/video-synthesis"
TABLE = "name,text\na,Good morning and welcome.\nb,Good night and farewell.\n"


class TaskInstance:
    """A task instance, and the XComs of its run."""

    dag_id, max_tries = "spring", 0

    def __init__(self, run_id: str, task_id: str, map_index: int, pushed: dict[tuple[str, str], Any]) -> None:
        self.run_id, self.task_id, self.map_index, self._pushed = run_id, task_id, map_index, pushed
        self.rendered_map_index = None

    def xcom_push(self, key: str, value: Any) -> None:
        self._pushed.setdefault((self.task_id, key), []).append(json.loads(json.dumps(value)))

    def xcom_pull(self, *, task_ids: str, key: str) -> Any:
        found = self._pushed.get((task_ids, key), [])
        return found[0] if len(found) == 1 else found or None


class Batch:
    """A service that makes speech and videos at once, and the tasks of one run after another."""

    def __init__(self, service: HTTPServer, folder: Path) -> None:
        self.service, self.folder = service, folder
        self.expires = datetime.now(timezone.utc) + timedelta(hours=24)
        self.speech_seconds = 3.0
        self.runs, self.clears = 0, 0
        self._states: dict[tuple[str, str, int], TaskStateStore] = {}
        self.pushed: dict[tuple[str, str], Any] = {}
        made = video(folder.parent / "made.mp4", seconds=3)
        clip = video(folder.parent / "clip.mp4", seconds=4)
        self.presenter = service.url_for("/clip.mp4")
        service.expect_request("/clip.mp4").respond_with_data(clip.read_bytes(), content_type="video/mp4")
        service.expect_request("/made.mp4").respond_with_data(made.read_bytes(), content_type="video/mp4")
        service.expect_request("/speech.wav").respond_with_handler(lambda request: self._audio())
        service.expect_request(SPEECH, method="POST").respond_with_handler(lambda request: self.speak(request))
        service.expect_request(SUBMIT, method="POST").respond_with_handler(lambda request: self.submit(request))
        service.expect_request(re.compile("/api/v1/tasks/job-.*"), method="GET").respond_with_handler(self._job)
        self._jobs = itertools.count()

    def speak(self, request: Any) -> Any:
        audio = {"url": self.service.url_for("/speech.wav"), "expires_at": self.expires.timestamp()}
        return self.json({"request_id": "speech-1", "output": {"audio": audio}, "usage": {"characters": 20}})

    def submit(self, request: Any) -> Any:
        output = {"task_id": f"job-{next(self._jobs)}", "task_status": "PENDING"}
        return self.json({"request_id": "r", "output": output})

    def _audio(self) -> Any:
        return Response(wav(seconds=self.speech_seconds), content_type="audio/wav")

    def json(self, content: Any) -> Any:
        return Response(json.dumps(content), content_type="application/json")

    def _job(self, request: Any) -> Any:
        output = {
            "task_id": request.path.rpartition("/")[2],
            "task_status": "SUCCEEDED",
            "video_url": self.service.url_for("/made.mp4"),
        }
        return self.json(
            {"request_id": "q", "output": output, "usage": {"video_duration": 3.0, "video_ratio": "standard"}}
        )

    def paid(self) -> dict[str, int]:
        sent = [request.path for request, _ in self.service.log if request.method == "POST"]
        return {"speech": sent.count(SPEECH), "videos": sent.count(SUBMIT)}

    def context(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        ti = TaskInstance(f"manual__{self.runs}", task_id, map_index, self.pushed)
        ti.max_tries = self.clears
        return {
            "ti": ti,
            "dag_run": SimpleNamespace(clear_number=self.clears),
            "outlet_events": OutletEvents(),
            "task_state_store": self._states.setdefault((ti.run_id, task_id, map_index), TaskStateStore()),
        }

    def plan(self, table: str | bytes = TABLE, *, same_run: bool = False, **arguments: Any) -> Any:
        """
        :param same_run: the task was cleared
        """
        self.pushed.clear()
        self.runs += not same_run
        self.clears = self.clears + 1 if same_run else 0
        given = {"table": table, "folder": f"{self.folder.as_uri()}/", "defaults": {"video": self.presenter}}
        return PlanVideosOperator(task_id="plan", **(given | arguments)).execute(self.context("plan"))

    @property
    def sums(self) -> dict[str, Any]:
        return self.pushed["plan", "videoretalk_plan"][-1]

    def document(self, name: str) -> dict[str, Any]:
        """The plan or the manifest of the last run."""
        path = next(self.folder.glob(f"batches/manual__{self.runs}-*/{name}.json"))
        return json.loads(path.read_text())

    def make(self, row: Any, **arguments: Any) -> Any:
        folder = f"{self.folder.as_uri()}/"
        context = self.context("make", row["row"])
        make = MakeVideoOperator(task_id="make", row=row, folder=folder, deferrable=False, **arguments)
        result = make.execute(context)
        destination = self.pushed["make", "videoretalk_destination"][-1]
        metadata = self.pushed["make", "videoretalk_metadata"][-1]
        publish = PublishMediaOperator(task_id="publish", source=result, destination=destination, metadata=metadata)
        publish.execute(self.context("publish"))
        return result

    def manifest(self, **arguments: Any) -> Any:
        folder = f"{self.folder.as_uri()}/"
        write = WriteManifestOperator(task_id="manifest", folder=folder, make_task_id="make", **arguments)
        return write.execute(self.context("manifest"))

    def run(self, table: str | bytes = TABLE, **arguments: Any) -> Any:
        for row in self.plan(table, **arguments):
            self.make(row)
        return self.manifest()


@pytest.fixture
def batch(service: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Batch:
    folder = tmp_path / "videos"
    folder.mkdir()
    # A store would sign a URL for a speech that is kept.
    monkeypatch.setattr(MakeVideoOperator, "_upload", lambda self, content: service.url_for("/speech.wav"))
    return Batch(service, folder)


def test_only_what_changed_is_paid_for(batch: Batch) -> None:
    assert batch.run()["counts"] == {"published": 2}
    assert batch.paid() == {"speech": 2, "videos": 2}
    assert json.loads((batch.folder / "a.mp4.json").read_text())["script"] == "Good morning and welcome."
    assert batch.run()["counts"] == {"kept": 2}
    # A format, an order and a column more do not change a row.
    rows = [
        ["voice", "text", "name"],
        ["longanyang", "Good night and farewell.", "b"],
        ["", "Good morning and welcome.", "a"],
    ]
    (batch.folder.parent / "table").write_bytes(workbook(rows))
    assert batch.run(str(batch.folder.parent / "table"))["counts"] == {"kept": 2}
    assert batch.paid() == {"speech": 2, "videos": 2}
    assert batch.run(TABLE.replace("farewell", "sleep well"))["counts"] == {"kept": 1, "published": 1}
    assert batch.paid() == {"speech": 3, "videos": 3}
    assert batch.run(force=True)["counts"] == {"published": 2}
    # The first script and the one of before are spoken already.
    assert batch.paid() == {"speech": 3, "videos": 5}


def test_a_queue_of_forty_hours(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fifth submit is refused. Those rows are made again after all others, when their speech has expired."""
    table = "name,text\n" + "".join(f"clip {number},Good morning to number {number}.\n" for number in range(60))
    hours, spoken_at, submitted = 0.0, [], []
    submit_one = batch.submit

    def speak(request: Any) -> Any:
        spoken_at.append(hours)
        audio = {"url": batch.service.url_for("/speech.wav?expires"), "expires_at": time.time() + 3600 * (hours + 24)}
        return batch.json({"request_id": "s", "output": {"audio": audio}, "usage": {"characters": 20}})

    def submit(request: Any) -> Any:
        nonlocal hours
        submitted.append(request.json["input"]["audio_url"])
        if len(submitted) <= 60 and not len(submitted) % 5:
            return Response(
                '{"code": "InvalidParameter", "message": "no"}', status=400, content_type="application/json"
            )
        hours += 40 / 60
        return submit_one(request)

    monkeypatch.setattr(batch, "speak", speak)
    monkeypatch.setattr(batch, "submit", submit)
    refused = []
    for row in batch.plan(table):
        try:
            batch.make(row)
        except DashScopeError:
            refused.append(row)
    assert (len(spoken_at), hours) == (60, pytest.approx(32))
    for row in refused:
        batch.make(row)
    assert (len(spoken_at), hours) == (60, pytest.approx(40))
    # The last ones are read from where they were kept: the service has dropped those of the first hours.
    assert [url.endswith("?expires") for url in submitted] == [True] * 60 + [False] * 12
    assert batch.manifest()["counts"] == {"published": 60}


def test_a_kept_speech_makes_the_price_exact_and_is_not_paid_twice(batch: Batch) -> None:
    (row, _) = batch.plan()
    assert not batch.sums["exact"]
    with pytest.raises(InputError, match="max_cost"):
        batch.make(row, max_cost=0.01)
    assert batch.paid() == {"speech": 1, "videos": 0}
    batch.plan("name,text\na,Good morning and welcome.\n")
    assert (batch.sums["exact"], batch.sums["speech_cost"], batch.sums["most_cost"]) == (True, 0.0, 0.24)
    batch.make(row)
    assert batch.paid() == {"speech": 1, "videos": 1}


@pytest.mark.parametrize(("hours", "speeches"), [(24, 1), (1, 2)])
def test_a_speech_that_cannot_be_kept_is_used_by_the_next_try(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, hours: int, speeches: int
) -> None:
    """As long as its URL lives: the render job may queue for three hours."""
    batch.expires = datetime.now(timezone.utc) + timedelta(hours=hours)
    (row, _) = batch.plan()

    def fail(path: Any) -> None:
        raise PermissionError(str(path))

    monkeypatch.setattr("airflow_provider_videoretalk.publishing.object_store.make_folder_of", fail)
    with pytest.raises(InputError, match="max_cost"):
        batch.make(row, max_cost=0.01)
    states = batch.context("make", row["row"])["task_state_store"]
    # Another version of this package reads it.
    (stored,) = [each for each in states if re.fullmatch("videoretalk_speech_[0-9a-f]{16}", each)]
    assert states[stored]["audio_url"] == batch.service.url_for("/speech.wav")
    # Its length is known, too: without it, the price could be higher than the plan allows.
    batch.make(row, preflight="off")
    assert batch.paid() == {"speech": speeches, "videos": 1}


@pytest.mark.parametrize(("seconds", "kept"), [(3.0, 1), (1.0, 0)])
def test_a_speech_is_kept_only_as_long_as_it_was_measured(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, seconds: float, kept: int
) -> None:
    """What is fetched may be another file than what was looked at."""
    lengths, audio = iter([3.0, seconds]), batch._audio

    def answered() -> Any:
        batch.speech_seconds = next(lengths, 3.0)
        return audio()

    monkeypatch.setattr(batch, "_audio", answered)
    (row, _) = batch.plan()
    batch.make(row)
    assert len(list(batch.folder.glob("speech/*.wav"))) == kept


def test_a_speech_is_made_as_the_table_and_the_plan_say(batch: Batch) -> None:
    table = "name,text,language,voice\na,Good morning.,en,longwan_v3\n"
    (row,) = batch.plan(table, speech_model="cosyvoice-v3-plus", speech_options={"rate": 1.1})
    batch.make(row)
    (sent,) = (request.get_json() for request, _ in batch.service.log if request.path == SPEECH)
    assert sent["model"] == "cosyvoice-v3-plus"
    given = {name: sent["input"][name] for name in ("text", "voice", "language_hints", "rate")}
    assert given == {"text": "Good morning.", "voice": "longwan_v3", "language_hints": ["en"], "rate": 1.1}


def test_how_fast_a_speech_is_says_which_script_is_too_long(batch: Batch) -> None:
    """At the usual rate, this one takes an hour."""
    table = f"name,text\na,{'Good morning. ' * 4_000}\n"
    assert len(batch.plan(table)) == 1
    with pytest.raises(
        AirflowFailException, match=r"line 2, column text: it takes about 1\d\d minutes to speak, allowed is"
    ):
        batch.plan(table, speech_options={"rate": 0.5})


def test_a_speech_is_in_the_history_with_its_cost(
    batch: Batch, variables: TaskStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """25 characters, at 1 CNY for 10,000."""
    # On Airflow 3.1 and 3.2 there is no history.
    monkeypatch.setattr(variable_store, "HAS_KEYS", True)
    (row, _) = batch.plan()
    batch.make(row)
    (charge,) = JobHistory(variables).load_with_charges(date(1970, 1, 1))[1]
    assert (charge.paid_for, charge.requests, charge.cost, charge.currency) == ("speech", 1, 0.0025, "CNY")


def test_a_kept_speech_that_says_another_script_is_not_used(batch: Batch) -> None:
    (row, _) = batch.plan()
    with pytest.raises(InputError, match="max_cost"):
        batch.make(row, max_cost=0.01)
    (described,) = batch.folder.glob("*/*.wav.json")
    described.write_text(described.read_text().replace("Good morning", "Good evening"))
    batch.make(row)
    assert batch.paid() == {"speech": 2, "videos": 1}


def test_a_speech_that_takes_longer_than_the_plan_allows_is_not_rendered(batch: Batch) -> None:
    batch.speech_seconds = 60.0
    (row, _) = batch.plan()
    with pytest.raises(InputError, match="the plan allows at most") as caught:
        batch.make(row)
    assert "Clear the task that plans" in caught.value.remedy
    assert batch.paid() == {"speech": 1, "videos": 0}
    (row, _) = batch.plan()
    batch.make(row)
    assert batch.paid() == {"speech": 1, "videos": 1}


@pytest.mark.parametrize("preflight", ["strict", "off"])
def test_no_video_costs_more_than_the_plan_counted_it_with(batch: Batch, preflight: str) -> None:
    """A speech of 9 s, where the script alone would allow 11 s, costs 0.72."""
    batch.speech_seconds = 9.0
    (row, _) = batch.plan(max_cost_per_video="0.7", max_cost="1.41")
    with pytest.raises(InputError, match=r"the plan allows at most 0\.7 CNY"):
        batch.make(row, preflight=preflight)
    assert batch.paid() == {"speech": 1, "videos": 0}


def test_a_video_of_unknown_length_may_cost_no_more_either(batch: Batch) -> None:
    """A speech whose header cannot be read may take 120 s, which costs 9.6."""
    (row, _) = batch.plan()
    measured, batch.speech_seconds = batch.speech_seconds, 0.0
    with pytest.raises(InputError, match=r"costs at most 120 s of output, at most 9\.6 CNY .*the plan allows at most"):
        batch.make(row, preflight="off")
    assert batch.paid() == {"speech": 1, "videos": 0}
    batch.speech_seconds = measured
    (_, row) = batch.plan()
    with pytest.raises(InputError, match="max_cost"):
        batch.make(row, max_cost=0.01)
    (_, row) = batch.plan()
    # Its speech is kept, so its price is exact, but for the rate of the presenter's frames.
    batch.make(row, preflight="off")
    assert batch.paid() == {"speech": 2, "videos": 1}


def test_an_error_of_a_row_is_in_the_manifest(batch: Batch) -> None:
    batch.speech_seconds = 1.0
    first, second = batch.plan()
    with pytest.raises(InputError):
        batch.make(second)
    batch.speech_seconds = 3.0
    batch.make(first)
    with pytest.raises(AirflowFailException, match=r"1 of 2 videos are missing, allowed are 0 \(tolerate\): b \("):
        batch.manifest()
    manifest = batch.document("manifest")
    (good, bad) = manifest["videos"]
    assert (good["state"], good["cost"], bad["state"], bad["code"]) == (
        "published",
        0.24,
        "failed",
        "InvalidFile.Duration",
    )
    assert bad["remedy"]
    assert batch.manifest(tolerate="1")["counts"] == {"published": 1, "failed": 1}
    # Its speech is known to be too short: the next plan says so, and pays nothing.
    with pytest.raises(AirflowFailException, match="line 3, column text: its speech takes 1 s, allowed is 2 to 120 s"):
        batch.plan()
    assert batch.paid() == {"speech": 2, "videos": 1}


def test_nothing_is_made_while_a_row_is_wrong(batch: Batch) -> None:
    table = f"{TABLE}c/,Hello there.\nd,Hello there.\n"
    rows = "name,text,video,destination\n" + "\n".join(
        [
            "c/,,,",
            "d,Hello.,/none.mp4,",
            "e,Hello.,,../e.mp4",
            "f,Hello.,,f.avi",
            "g,Hello.,,file://host/g.mp4",
            "h,Hello.,,",
        ]
    )
    with pytest.raises(AirflowFailException, match="5 rows have faults, and nothing was submitted") as caught:
        batch.plan(rows)
    said = str(caught.value)
    for place in (
        "line 2, column name",
        "line 2, column text",
        "line 3, column video",
        *(f"line {n}, column destination" for n in (4, 5, 6)),
    ):
        assert place in said
    assert [row["label"] for row in batch.plan(table, skip_bad_rows="true")] == ["a", "b", "d"]
    with pytest.raises(AirflowFailException, match="4 of 4 videos are missing"):
        batch.manifest()
    assert batch.paid() == {"speech": 0, "videos": 0}


@pytest.mark.parametrize(
    "other",
    [
        "a.mp4",
        "A.mp4",
        "{folder}/a.mp4",
        "{folder}//a.mp4",
        "{folder}/./a.mp4",
        "{folder}/sub/../a.mp4",
        "{folder}/link/a.mp4",
    ],
)
def test_the_same_destination_twice(batch: Batch, other: str) -> None:
    (batch.folder / "link").symlink_to(batch.folder)
    with pytest.raises(InputError, match="the same destination in several rows"):
        batch.plan(f"name,text,destination\na,Hello.,\nb,Hello.,{other.format(folder=batch.folder.as_uri())}\n")


@pytest.mark.parametrize(
    ("destination", "allowed"),
    [
        ("x.mp4/y.mp4", "no folder with the name of a video"),
        ("folder.mp4", "no folder with the name of a video"),
        ("https://h/x.mp4", "an object in a store, or a file"),
        ("speech/x.mp4", "no folder batches, speech and pieces"),
        ("Speech/x.mp4", "no folder batches, speech and pieces"),
        ("{folder}/batches/x.mp4", "no folder batches, speech and pieces"),
        (f"{'x' * 247}.mp4", "at most 250 bytes in each part"),
        (f"{'early/' * 200}x.mp4", "at most 250 bytes in each part, and 1000 in all"),
        ("x\u202e4pm.mp4", "one line of at most"),
        ("https://h/x.avi?Signature=secret-of-cell", "a name that ends with .mp4"),
    ],
)
def test_a_destination_at_which_no_video_can_be_published(batch: Batch, destination: str, allowed: str) -> None:
    """Its video would be paid for."""
    (batch.folder / "folder.mp4").mkdir()
    table = f"text,destination\nHello there.,{destination.format(folder=batch.folder.as_uri())}\n"
    with pytest.raises(AirflowFailException, match="line 2, column destination: ") as caught:
        batch.plan(table)
    assert allowed in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "secret-of-cell" not in str(caught.value)


def test_a_video_of_another_batch_is_not_replaced(batch: Batch) -> None:
    """Else the two batches would make it again and again. If it is the same video, both have it."""
    batch.run()
    changed = TABLE.replace("farewell", "sleep well")
    with pytest.raises(
        AirflowFailException, match="line 3, column destination: a video of the batch 'spring' is there"
    ):
        batch.plan(changed, batch="summer")
    assert batch.sums["counts"] == {"make": 0, "keep": 1, "refuse": 1}
    with pytest.raises(AirflowFailException, match="2 rows have faults"):
        batch.plan(batch="summer", force=True)
    assert len(batch.plan(changed, batch="spring")) == 1


@pytest.mark.parametrize("column", ["video", "photo"])
def test_a_video_replaces_no_presenter(batch: Batch, column: str) -> None:
    """The next run would find another presenter, and make all videos again."""
    clip = batch.folder / "anna.mp4"
    if column == "photo":
        Image.new("RGB", (480, 640)).save(clip, format="png")
    else:
        clip.write_bytes((batch.folder.parent / "clip.mp4").read_bytes())
    table = f"name,text,{column}\nb,Hello there.,{clip}\nAnna,Hello there.,\n"
    with pytest.raises(AirflowFailException, match="line 3, column destination: it is a presenter of the table"):
        batch.plan(table)
    assert [row["label"] for row in batch.plan(table, skip_bad_rows=True)] == ["b"]


def test_limits_of_the_batch(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AirflowFailException, match=r"the batch costs at most 1\.\d+ CNY, allowed is at most 1 CNY"):
        batch.plan(max_cost=1)
    assert len(batch.plan(max_cost=1, max_cost_per_video="0.4")) == 2
    for name in ("max_cost", "max_cost_per_video"):
        with pytest.raises(InputError, match=f"{name} is 'much'"):
            batch.plan(**{name: "much"})
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "1")
    with pytest.raises(AirflowFailException, match="Airflow allows 1 mapped tasks"):
        batch.plan()


def test_a_dry_run_makes_nothing_and_is_green(batch: Batch) -> None:
    assert batch.plan(dry_run="True") == []
    assert batch.sums["counts"] == {"make": 2, "keep": 0, "refuse": 0}
    assert batch.manifest()["counts"] == {"planned": 2}
    assert not ApproveVideosOperator(task_id="approve", plan=batch.sums, approve_above=0).execute(
        batch.context("approve")
    )
    assert batch.paid() == {"speech": 0, "videos": 0}


def test_a_presenter_that_changed_since_the_plan(batch: Batch) -> None:
    clip = batch.folder.parent / "clip.mp4"
    (row, _) = batch.plan(defaults={"video": str(clip)})
    clip.write_bytes(clip.read_bytes() + b"\0")
    with pytest.raises(InputError, match="has changed since the plan"):
        batch.make(row)
    assert batch.paid() == {"speech": 0, "videos": 0}


def test_prune_lists_and_removes(batch: Batch) -> None:
    batch.run()
    only = "name,text\na,Good morning and welcome.\n"
    batch.run(only)
    assert (batch.folder / "b.mp4").exists()
    assert batch.document("plan")["unused"] == []
    batch.run(only, prune="list")
    plan = batch.document("plan")
    assert [uri.rpartition("/")[2] for uri in plan["unused"]] == ["b.mp4"]
    # XCom has the sums alone: the lists may be long.
    assert plan.keys() - batch.sums.keys() == {"videos", "unused"}
    batch.run(only, prune="remove", dry_run=True)
    with pytest.raises(AirflowFailException):
        batch.run(f"{only}c/,Hello.\n", prune="remove", skip_bad_rows=True)
    batch.run(only, prune="remove", batch="another")
    assert (batch.folder / "b.mp4").exists()
    batch.run(only, prune="remove")
    assert sorted(path.name for path in batch.folder.glob("*.mp4*")) == ["a.mp4", "a.mp4.json"]
    assert [uri.rpartition("/")[2] for uri in batch.document("manifest")["removed"]] == ["b.mp4"]
    # XCom has the sums, and no list.
    assert not {"removed", "videos"} & batch.pushed["manifest", "videoretalk_manifest"][-1].keys()
    with pytest.raises(InputError, match=r"^prune is 'all', allowed is one of off, list, remove"):
        batch.plan(prune="all")


@pytest.mark.parametrize(
    "table",
    [
        "s3://any_conn@bucket/t.csv",
        "unknown://bucket/t.csv",
        "file:///etc/passwd",
        "/etc/passwd",
        "https://evil.example/t.csv",
    ],
)
def test_a_table_where_the_author_allowed_none(batch: Batch, table: str) -> None:
    with pytest.raises(InputError, match=r"^table is .*, allowed is"):
        batch.plan(table, allowed_sources=[batch.presenter])
    with pytest.raises(AirflowFailException, match=r"column text_location: .*allowed_sources"):
        batch.plan(f"text_location\n{table}\n", allowed_sources=[batch.presenter])
    for columns in ("text,video", "text,photo", "name,audio"):
        column = columns.partition(",")[2]
        told = rf"column {column}: {column} is .*, allowed is .*allowed_sources.* Use such a location, or"
        with pytest.raises(AirflowFailException, match=told):
            batch.plan(f"{columns}\nHello,{table}\n", allowed_sources=[batch.presenter])


def test_a_plan_looks_for_the_face_of_a_presenter(batch: Batch, capsys: pytest.CaptureFixture[str]) -> None:
    """The clip shows none."""
    found = "no face was found in 12 frames of the clip"
    assert len(batch.plan(face_check="warn")) == 2
    assert found in capsys.readouterr().out
    with pytest.raises(AirflowFailException, match=f"line 2, column video: {found}"):
        batch.plan(face_check="refuse")


@pytest.mark.parametrize("folder", ["s3://other@bucket/", "file:///elsewhere/"])
def test_a_folder_that_is_not_allowed(batch: Batch, folder: str) -> None:
    with pytest.raises(InputError, match=r"^folder is .*allowed_destinations"):
        batch.plan(folder=folder, allowed_destinations=f"{batch.folder.as_uri()}/")
    with pytest.raises(AirflowFailException, match=r"column destination: .*allowed_destinations"):
        batch.plan(f"text,destination\nHello.,{folder}\n", allowed_destinations=f"{batch.folder.as_uri()}/")
    with pytest.raises(InputError, match="End it with a slash"):
        batch.plan(folder=batch.folder.as_uri())


def test_the_manifest_is_written_whatever_is_tolerated(batch: Batch) -> None:
    batch.plan()
    for tolerate in ("10%", "-1"):
        batch.pushed.pop(("manifest", "videoretalk_manifest"), None)
        with pytest.raises(InputError, match=f"^tolerate is '?{tolerate}"):
            batch.manifest(tolerate=tolerate)
        assert batch.document("manifest")["counts"] == {"missing": 2}
        assert batch.pushed["manifest", "videoretalk_manifest"][0]["counts"] == {"missing": 2}
    # A form sends an empty field.
    with pytest.raises(AirflowFailException, match=r"2 of 2 videos are missing, allowed are 0 \(tolerate\)"):
        batch.manifest(tolerate="")


def test_ten_missing_videos_are_named(batch: Batch) -> None:
    batch.plan("name,text\n" + "".join(f"clip-{number:02},Hello.\n" for number in range(12)))
    assert batch.manifest(tolerate=12)["counts"] == {"missing": 12}
    with pytest.raises(AirflowFailException) as caught:
        batch.manifest(tolerate=11)
    assert str(caught.value).startswith(
        "12 of 12 videos are missing, allowed are 11 (tolerate): "
        + ", ".join(f"clip-{number:02} (missing)" for number in range(10))
        + " and 2 more. The manifest has the cause and the remedy of each: file://"
    )
    batch.plan("name,text\n" + "".join(f"clip-{number:02},Hello.\n" for number in range(10)))
    with pytest.raises(AirflowFailException, match=r", clip-09 \(missing\)\. The manifest has"):
        batch.manifest(tolerate=9)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prune", "some"),
        ("prune", 3),
        ("max_cost", "x"),
        ("max_cost_per_video", "x"),
        ("defaults", "x"),
        ("speech_model", 3),
        ("speech_options", "x"),
        ("video_extension", "x"),
        ("query_face_threshold", "x"),
        ("face_check", "x"),
        ("force", "x"),
        ("skip_bad_rows", "x"),
        ("dry_run", "x"),
        ("dry_run", ""),
        ("batch", 3),
        ("table", 3),
    ],
)
def test_a_wrong_parameter_of_a_plan_is_named(batch: Batch, field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{field} (is|has|cannot)"):
        batch.plan(**{"table": TABLE, field: value})
    assert batch.paid() == {"speech": 0, "videos": 0}


@pytest.mark.parametrize("threshold", [119, 201])
def test_a_face_threshold_that_no_job_takes_is_told_by_the_plan(batch: Batch, threshold: int) -> None:
    with pytest.raises(InputError, match=f"query_face_threshold is {threshold}, allowed is 120 to 200"):
        batch.plan(query_face_threshold=threshold)


def test_empty_parameters_of_a_plan_count_as_left_out(batch: Batch) -> None:
    """A form sends them so. The videos that were made without them are the same."""
    batch.run()
    optional = "batch defaults speech_model speech_options video_extension query_face_threshold photo_model face_check"
    empty = dict.fromkeys([*optional.split(), "max_cost", "max_cost_per_video", "skip_bad_rows", "force"], "")
    table = TABLE.replace("text\n", "text,video\n").replace(".\n", f".,{batch.presenter}\n")
    assert batch.plan(table, **empty) == []
    assert (batch.sums["counts"], batch.sums["batch"]) == ({"make": 0, "keep": 2, "refuse": 0}, "spring")
    with pytest.raises(AirflowFailException, match="1 row"):
        batch.plan(f"{TABLE}c/,Hello there.\n", skip_bad_rows="")


def test_what_a_job_of_a_batch_is_recognised_by(batch: Batch) -> None:
    """Its record has a fingerprint of this, by which a later release finds it too."""
    (row, _) = batch.plan()
    make = MakeVideoOperator(task_id="make", row=row, folder=f"{batch.folder.as_uri()}/")
    make._planned(batch.context("make", 0))  # type: ignore[arg-type]
    assert make.identity() == {
        "model": "videoretalk",
        "made_of": {
            "script": "Good morning and welcome.",
            "language": None,
            "voice": "longanyang",
            "speech_model": "cosyvoice-v3-flash",
            "speech_options": {},
            "presenter": make._row_to_make.recipe.presenter,
            "parameters": {"video_extension": True, "query_face_threshold": 170},
        },
    }
    assert make.input_locations() == make.identity()


@pytest.mark.parametrize(("row", "field"), [({}, "row"), ({"row": "x"}, "row"), ("x", "row")])
def test_a_wrong_row_is_named(batch: Batch, row: Any, field: str) -> None:
    batch.plan()
    folder = f"{batch.folder.as_uri()}/"
    make = MakeVideoOperator(task_id="make", row=row, folder=folder)
    with pytest.raises(InputError, match=f"^{field} is"):
        make.execute(batch.context("make", 0))
    assert batch.pushed["make", "videoretalk_error"][-1]["code"] == "InputError"
    with pytest.raises(InputError, match=r"^dry_run is set, allowed is False"):
        MakeVideoOperator(task_id="make", row=row, folder=folder, dry_run="true").execute(batch.context("make", 0))


@pytest.mark.parametrize("bad", ["c/,Hello.,", "c,,", "c,Hello.,/none.mp4"])
def test_nothing_is_listed_as_unused_while_a_row_is_wrong(batch: Batch, bad: str) -> None:
    """The row may be the one of a video that would be removed."""
    batch.run()
    table = f"name,text,video\na,Good morning and welcome.,\n{bad}\n"
    batch.plan(table, prune="list", skip_bad_rows=True)
    assert batch.document("plan")["counts"]["refuse"] == 1
    assert batch.document("plan")["unused"] == []


def test_options_that_json_writes_otherwise(batch: Batch) -> None:
    """They are compared with what a metadata file has."""
    options = {"instructions": ("slow", "low"), "extra": {1: "a"}}
    assert batch.run(speech_options=options)["counts"] == {"published": 2}
    assert batch.run(speech_options=options)["counts"] == {"kept": 2}
    for value in ({"a"}, float("nan")):
        with pytest.raises(InputError, match=r"^speech_options cannot be written as JSON"):
            batch.plan(speech_options={"rate": value})
    assert batch.paid() == {"speech": 2, "videos": 2}


def test_an_error_in_xcom_is_short_and_has_no_signature(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    (row, _) = batch.plan()

    def prepare(self: Any, intent: Any) -> Any:
        raise OSError("GET https://h/a.wav?Expires=1&Signature=secret-of-store failed " + "x" * 10_000)

    monkeypatch.setattr(MakeVideoOperator, "prepare", prepare)
    with pytest.raises(OSError, match="GET"):
        batch.make(row)
    (noted,) = batch.pushed["make", "videoretalk_error"]
    assert "secret-of-store" not in json.dumps(noted)
    assert (noted["code"], len(noted["message"]) <= 1_000) == ("OSError", True)


def test_urls_in_a_long_word_are_found_in_one_reading() -> None:
    """Searched from each of its letters, this text would take hours."""
    text = "a" * 2_000_000
    assert _URL.findall(f"{text},{text} https://h/a.mp4?Signature=b,c") == ["https://h/a.mp4?Signature=b,c"]


def test_where_a_manifest_is(batch: Batch) -> None:
    batch.plan("name,text\na,Good morning.\n")
    sums = batch.manifest(tolerate=1)
    (run,) = (batch.folder / "batches").iterdir()
    assert (sums["manifest_uri"], sums["csv_uri"]) == (
        (run / "manifest.json").as_uri(),
        (run / "manifest.csv").as_uri(),
    )
    assert sorted(path.name for path in run.glob("manifest.*")) == ["manifest.csv", "manifest.json"]
    header, line = (run / "manifest.csv").read_text("utf-8-sig").splitlines()
    assert header.split(",")[:4] == ["line", "name", "language", "state"]
    assert line.split(",")[:4] == ["2", "a", "", "missing"]


def test_a_manifest_without_a_plan(batch: Batch) -> None:
    with pytest.raises(AirflowFailException, match="There is no plan"):
        batch.manifest()


def test_prune_leaves_what_the_table_names(batch: Batch) -> None:
    """By another spelling, or as a presenter."""
    batch.run(f"{TABLE}c,Good morning to you.\n")
    folder = batch.folder.as_uri()
    table = (
        f"name,text,destination,video\na,Good morning and welcome.,,\nb,Good night and farewell.,{folder}/./b.mp4,\n"
        f"d,Good evening.,,{batch.folder}/c.mp4\n"
    )
    batch.run(table, prune="remove")
    assert sorted(path.name for path in batch.folder.glob("*.mp4")) == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]


@pytest.mark.parametrize(
    "since", [{"batch": "summer"}, {"published_at": "2200-01-01T00:00:00+00:00"}, {"published_at": None}]
)
def test_prune_leaves_what_somebody_published_since_the_plan(batch: Batch, since: dict[str, Any]) -> None:
    batch.run()
    assert batch.plan("name,text\na,Good morning and welcome.\n", prune="remove") == []
    metadata = batch.folder / "b.mp4.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | since))
    batch.manifest()
    assert (batch.folder / "b.mp4").exists()
    assert batch.document("manifest")["removed"] == []


@pytest.mark.parametrize("cost", [0.1, 0.7, 1.1, 50])
def test_nobody_is_asked_for_the_very_amount(batch: Batch, cost: float) -> None:
    batch.plan()
    approve = ApproveVideosOperator(task_id="approve", plan=batch.sums | {"most_cost": cost}, approve_above=f"{cost:g}")
    assert approve.execute(batch.context("approve")) is None


@pytest.mark.parametrize(
    ("limit", "changes", "is_asked"),
    [
        ("0.1", {}, True),
        ("0.1", {"dry_run": True}, False),
        ("0.1", {"counts": {"make": 0}}, False),
        (None, {}, False),
        ("1000", {}, False),
    ],
)
def test_who_is_asked_about_a_batch(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, limit: str | None, changes: dict[str, Any], is_asked: bool
) -> None:
    monkeypatch.setattr(HITLOperator, "execute", lambda self, context: self.body)
    batch.plan()
    approve = ApproveVideosOperator(task_id="approve", plan=batch.sums | changes, approve_above=limit)
    body = approve.execute(batch.context("approve"))
    if is_asked:
        assert body.startswith(batch.sums["report"])
        assert "has all rows" in body
    else:
        assert body is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"plan": "rendered"}, "plan is a str, allowed is a mapping of field names to values"),
        ({"approve_above": "much"}, "approve_above is 'much', allowed is a number of 0 or more"),
    ],
)
def test_a_wrong_parameter_of_an_approval_is_named(batch: Batch, arguments: dict[str, Any], message: str) -> None:
    batch.plan()
    with pytest.raises(InputError) as caught:
        ApproveVideosOperator(task_id="approve", **{"plan": batch.sums} | arguments).execute(batch.context("approve"))
    assert caught.value.message == message


def test_a_rejected_batch_is_not_made(batch: Batch) -> None:
    batch.plan()
    approve = ApproveVideosOperator(task_id="approve", plan=batch.sums, approve_above="1000")
    assert approve.execute(batch.context("approve")) is None
    event = {
        "chosen_options": ["Reject"],
        "params_input": {},
        "responded_at": datetime.now(timezone.utc),
        "responded_by_user": {"id": "1", "name": "Ada"},
    }
    with pytest.raises(AirflowFailException, match="rejected"):
        approve.execute_complete(batch.context("approve"), event)
    answer = approve.execute_complete(batch.context("approve"), event | {"chosen_options": ["Approve"]})
    assert answer["responded_by_user"]["name"] == "Ada"


def test_a_plan_that_is_cleared_keeps_the_numbers_of_its_rows(batch: Batch) -> None:
    """The task instance of a number may have a job in the queue, which another one would pay again."""
    table = "name,text\n" + "".join(f"{name},Good morning to {name}.\n" for name in "abcd")
    a, _, c, _ = batch.plan(table)
    batch.make(a)
    batch.make(c)
    again = batch.plan(table.replace("name,text\n", "name,text\ne,Good evening.\n"), same_run=True)
    assert [row["label"] for row in again] == ["a", "b", "c", "d", "e"]
    assert [row["row"] for row in again] == [0, 1, 2, 3, 4]
    for row in (again[0], again[2]):
        with pytest.raises(AirflowSkipException, match="keeps this row's video"):
            batch.make(row)
    assert ("make", "videoretalk_error") not in batch.pushed
    assert [video["row"] for video in batch.document("plan")["videos"]] == [4, None, 1, None, 3]
    for row in (again[1], again[3], again[4]):
        batch.make(row)
    assert batch.manifest()["counts"] == {"published": 3, "kept": 2}
    assert batch.paid() == {"speech": 5, "videos": 5}
    assert batch.plan(table, same_run=True) == []


def test_a_video_that_was_made_and_not_published_is_not_paid_again(batch: Batch) -> None:
    """Its task that publishes failed, and the run is cleared."""
    first, second = batch.plan()
    job = batch.make(first)["task_id"]
    (batch.folder / "a.mp4").unlink()
    first, second = batch.plan(same_run=True)
    assert batch.make(first)["task_id"] == job
    assert batch.make(second)["task_id"] != job
    assert batch.paid() == {"speech": 2, "videos": 2}
    # A person who clears the task of a row alone, or plans with force, wants another video.
    (first, _) = batch.plan(same_run=True, force=True)
    assert batch.make(first)["task_id"] != job
    assert batch.paid() == {"speech": 2, "videos": 3}


def test_two_runs_of_one_batch_pay_once(batch: Batch) -> None:
    """Both have planned all rows. The second comes to them when the first is through."""
    batch.plan()
    (rows, second) = (batch.plan(), batch.runs)
    batch.runs = second - 1
    for row in rows:
        batch.make(row)
    batch.runs = second
    batch.pushed.pop(("make", "videoretalk_cost"))
    for row in rows:
        with pytest.raises(AirflowSkipException, match="Another run has published the video"):
            batch.make(row)
    assert batch.pushed["make", "videoretalk_cost"] == [{"kept": True}, {"kept": True}]
    assert batch.manifest()["counts"] == {"kept": 2}
    assert batch.paid() == {"speech": 2, "videos": 2}
    assert batch.run(force=True)["counts"] == {"published": 2}
    # A person who clears the task of a row wants another video.
    batch.clears += 1
    batch.make(rows[0])
    assert batch.paid() == {"speech": 2, "videos": 5}


def test_a_plan_of_before_stands_for_none_that_fails(batch: Batch) -> None:
    assert batch.run()["counts"] == {"published": 2}
    with pytest.raises(InputError):
        batch.plan("nmae\na\n", same_run=True)
    with pytest.raises(AirflowFailException, match="There is no plan"):
        batch.manifest()


def test_there_is_no_plan_whose_rows_could_not_be_written(batch: Batch) -> None:
    """The manifest would read others."""
    batch.plan()
    (rows,) = batch.folder.glob("batches/*/rows-0000.json")
    rows.unlink()
    rows.mkdir()
    with pytest.raises(DashScopeError):
        batch.plan(same_run=True)
    with pytest.raises(AirflowFailException, match="There is no plan"):
        batch.manifest()


def answered(option: str, **params: Any) -> dict[str, Any]:
    """What Airflow resumes a task with when a person has answered."""
    return {
        "chosen_options": [option],
        "params_input": params,
        "responded_at": datetime(2026, 11, 26, 12, tzinfo=timezone.utc),
        "responded_by_user": {"id": "1", "name": "Ada"},
    }


def review(batch: Batch, row: Any, event: dict[str, Any] | None) -> Any:
    """Makes a row, asks about it, and publishes what was approved. ``None`` as the event: nobody is asked."""
    made = MakeVideoOperator(task_id="make", row=row, folder=f"{batch.folder.as_uri()}/", deferrable=False)
    result = made.execute(batch.context("make", row["row"]))
    metadata = batch.pushed["make", "videoretalk_metadata"][-1]
    asking = ReviewVideoOperator(
        task_id="review", metadata=metadata, make_task_id="make", ask="False" if event is None else "True"
    )
    context = batch.context("review", row["row"])
    approved = asking.execute(context) if event is None else asking.execute_complete(context, event)
    destination = batch.pushed["make", "videoretalk_destination"][-1]
    publish = PublishMediaOperator(task_id="publish", source=result, destination=destination, metadata=approved)
    publish.execute(batch.context("publish"))
    return approved


@pytest.mark.parametrize(("person", "name"), [({"id": "7"}, "7"), ({}, "somebody"), (None, "somebody")])
def test_a_person_without_a_name_may_approve_a_video(
    context: dict[str, Any], person: dict[str, str] | None, name: str
) -> None:
    asking = ReviewVideoOperator(task_id="review", metadata={"label": "a"}, make_task_id="make")
    answer = answered("Approve", note=None) | {"responded_by_user": person}
    assert asking.execute_complete(context, answer)["approved_by"] == name


def test_the_metadata_of_a_video_says_who_approved_it(batch: Batch) -> None:
    first, second = batch.plan()
    assert review(batch, first, answered("Approve", note=None))["name"] == "a"
    assert "approved_by" not in review(batch, second, None)
    metadata = json.loads((batch.folder / "a.mp4.json").read_text())
    assert (metadata["approved_by"], metadata["approved_at"]) == ("Ada", "2026-11-26T12:00:00+00:00")
    assert batch.run()["counts"] == {"kept": 2}


@pytest.mark.parametrize(
    ("event", "code", "problem"),
    [
        (answered("Send back", note=" Shorter, *please*. "), "SentBack", "Ada sent it back: Shorter, *please*."),
        (answered("Send back", note=None), "SentBack", "Ada sent it back."),
        ({"error": "...", "error_type": "timeout"}, "NoAnswer", "Nobody has answered within 23:00:00."),
    ],
)
def test_what_is_sent_back_is_made_again_alone(batch: Batch, event: Any, code: str, problem: str) -> None:
    first, second = batch.plan()
    batch.make(first)
    with pytest.raises(AirflowFailException, match=re.escape(problem)):
        review(batch, second, event)
    assert sorted(path.name for path in batch.folder.glob("*.mp4")) == ["a.mp4"]
    with pytest.raises(AirflowFailException, match=rf"1 of 2 videos are missing.*b \({code}\)"):
        batch.manifest(review_task_id="review")
    (kept, failed) = batch.document("manifest")["videos"]
    assert (kept["state"], failed["state"]) == ("published", "failed")
    assert (failed["code"], failed["problem"]) == (code, problem)
    assert "run the table again" in failed["remedy"]
    assert [row["label"] for row in batch.plan()] == ["b"]


def test_a_request_for_a_review_links_to_the_video_and_the_batch(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ReviewVideoOperator] = []
    monkeypatch.setattr(HITLOperator, "execute", lambda operator, context: asked.append(operator))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/")
    metadata = {"label": "`b` (en)", "script": "# Good\n\n[morning](https://x.example)"}
    with DAG("d", schedule=None, params={"table": "t"}):
        operator = ReviewVideoOperator(task_id="v.review", metadata=metadata, make_task_id="v.make")
    operator.execute(batch.context("v.review", 7))
    assert (asked[0].subject, asked[0].options) == ("May this video be published?", ["Approve", "Send back"])
    # Older versions of the standard provider add the params of the DAG.
    assert [name for name in asked[0].serialized_params if name != "table"] == ["note"]
    note = asked[0].params.get_param("note")
    assert (note.value, note.description) == (None, "Why it is sent back.")
    # Airflow 3.1 keeps a param's source in its schema.
    assert {**note.schema, "source": "task"} == {"type": ["null", "string"], "title": "Note", "source": "task"}
    run = "https://airflow.example/videoretalk/dags/spring/runs/manual__0"
    assert asked[0].body == (
        f"`'b' (en)`: [watch the video]({run}/tasks/v.make/7), beside its source. "
        f"[The batch page]({run}/batch) has all rows.\n\n    # Good [morning](https://x.example)"
    )
    # A task that is not mapped.
    context = batch.context("v.review")
    context["ti"].map_index = None
    operator.execute(context)
    assert f"[watch the video]({run}/tasks/v.make/-1)" in str(asked[1].body)


@pytest.mark.parametrize("ask", ["", None, "true", True])
def test_a_person_is_asked_unless_the_author_says_no(batch: Batch, monkeypatch: pytest.MonkeyPatch, ask: Any) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(HITLOperator, "execute", lambda operator, context: asked.append(operator))
    params = {"reason": Param("a", source="task")}
    operator = ReviewVideoOperator(task_id="review", metadata={}, make_task_id="make", ask=ask, params=params)
    operator.execute(batch.context("review", 0))
    assert asked == [operator]
    # The author's own fields are in the form, too.
    assert list(operator.params) == ["note", "reason"]


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        (f"{'a' * 45} {'b' * 44}", [f"{'a' * 45} {'b' * 44}"]),
        (f"{'a' * 45} {'b' * 45}", ["a" * 45, "b" * 45]),
        (None, []),
    ],
)
def test_a_line_of_a_script_has_90_letters_in_a_request(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, script: str | None, lines: list[str]
) -> None:
    """Code is not wrapped by a browser."""
    monkeypatch.setattr(HITLOperator, "execute", lambda operator, context: operator.body)
    asking = ReviewVideoOperator(task_id="review", metadata={"label": "a", "script": script}, make_task_id="make")
    code = str(asking.execute(batch.context("review", 0))).partition("\n\n")[2]
    assert code.splitlines() == [f"    {line}" for line in lines]


def test_airflow_ends_the_wait_for_a_review() -> None:
    """By the parameter that its standard provider has for it, in later versions."""
    wait = timedelta(hours=2)
    asking = ReviewVideoOperator(task_id="review", metadata={}, make_task_id="make", response_timeout=wait)
    has_own = "response_timeout" in signature(HITLOperator.__init__).parameters
    assert (asking.response_timeout, asking.execution_timeout) == (wait, None if has_own else wait)


def test_a_changed_plan_removes_nothing_outside_of_the_folder(batch: Batch) -> None:
    batch.run()
    other = batch.folder.parent / "other" / "b.mp4"
    other.parent.mkdir()
    other.write_bytes(b"somebody's")
    only = "name,text\na,Good morning and welcome.\n"
    batch.plan(only, prune="remove")
    (plan,) = (batch.folder / "batches").glob(f"*manual__{batch.runs}*/plan.json")
    document = json.loads(plan.read_text())
    plan.write_text(json.dumps(document | {"unused": [*document["unused"], other.as_uri()]}))
    with pytest.raises(InputError, match="allowed_destinations"):
        batch.manifest()
    assert other.exists()
    assert (batch.folder / "b.mp4").exists()


def test_prune_in_a_folder_without_a_scheme(batch: Batch) -> None:
    batch.run()
    folder = f"{batch.folder}/"
    assert batch.plan("name,text\na,Good morning and welcome.\n", prune="remove", folder=folder) == []
    WriteManifestOperator(task_id="manifest", folder=folder, make_task_id="make").execute(batch.context("manifest"))
    assert [path.name for path in batch.folder.glob("*.mp4")] == ["a.mp4"]


class ListedStore(ObjectStore):
    """A store whose folders can be listed."""

    def exists(self, path: str, **_: Any) -> bool:
        return bool(self.find(path))

    def find(self, path: str, **_: Any) -> list[str]:
        return [key for key in self.objects if key.startswith(f"{path.rstrip('/')}/")]


def test_a_batch_in_a_store_of_a_connection(batch: Batch) -> None:
    """That the URIs do not name."""
    store = ListedStore()
    given: dict[str, Any] = {"folder": "s3://bucket/videos/", "storage_conn_id": "mine"}
    table = "name,text\na,Good morning and welcome.\n"
    with attached(mine=store):
        (row,) = batch.plan(table, **given)
        make = MakeVideoOperator(task_id="make", row=row, deferrable=False, **given)
        result = make.execute(batch.context("make", 0))
        metadata = batch.pushed["make", "videoretalk_metadata"][-1]
        assert batch.pushed["make", "videoretalk_destination"] == ["s3://mine@bucket/videos/a.mp4"]
        PublishMediaOperator(
            task_id="publish",
            source=result,
            destination="s3://bucket/videos/a.mp4",
            metadata=metadata,
            storage_conn_id="mine",
        ).execute(batch.context("publish"))
        write = WriteManifestOperator(task_id="manifest", make_task_id="make", **given)
        sums = write.execute(batch.context("manifest"))
        assert sums["counts"] == {"published": 1}
        # Another run keeps it, and removes what the table does not name.
        described = {"batch": "spring", "published_at": "2026-01-01T00:00:00+00:00"}
        store.objects |= {"bucket/videos/b.mp4": b"b", "bucket/videos/b.mp4.json": json.dumps(described).encode()}
        assert batch.plan(table, prune="remove", **given) == []
        write.execute(batch.context("manifest"))
    assert not any("b.mp4" in key for key in store.objects)
    assert {"bucket/videos/a.mp4", "bucket/videos/a.mp4.json"} < store.objects.keys()


def test_how_much_is_read_at_once(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight presenters, photos and recordings by the plan, and sixteen metadata files by the manifest."""
    pools: list[int] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers: int) -> None:
            pools.append(workers)
            super().__init__(workers)

    for module in (batch_sources, manifest):
        monkeypatch.setattr(module, "ThreadPoolExecutor", Pool)
    batch.run()
    assert pools == [8, 8, 8, 16]
