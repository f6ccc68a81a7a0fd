"""A recording becomes text with times, and files; and no try pays for it again."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException, TaskDeferred
from airflow.sdk import DAG, BaseOperator
from connections import connect
from media_files import wav
from object_store import ObjectStore, attached
from pytest_httpserver import HTTPServer
from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope.errors import InputError, TaskFailedError, TransportError
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.model_catalog.speech import synthesize_speech
from airflow_provider_videoretalk.operators import transcript_download
from airflow_provider_videoretalk.operators.transcribe import TranscribeOperator
from airflow_provider_videoretalk.operators.transcript_files import transcript_paths, write_transcript
from airflow_provider_videoretalk.outbound.host_access import any_address
from airflow_provider_videoretalk.outbound.signed_url import secrets_of
from airflow_provider_videoretalk.publishing import object_store

TEXT = "Good morning, and welcome. The weather is warm today."
WITH_SPEAKERS = "qwen-audio-3.0-asr-flash-filetrans"


@pytest.fixture
def context() -> dict[str, Any]:
    """Of a task instance of its own: the registry is shared by the tests of a process."""
    ti = SimpleNamespace(
        dag_id="dag",
        run_id=str(uuid.uuid4()),
        task_id="transcribe",
        map_index=-1,
        max_tries=1,
        xcom_push=lambda key, value: json.dumps(value),
    )
    return {"ti": ti, "dag_run": SimpleNamespace(clear_number=0), "task_state_store": TaskStateStore()}


@pytest.fixture
def jobs(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The jobs of an account of this test's own."""
    key = f"sk-{uuid.uuid4()}"
    connect(monkeypatch, host=emulator.base_url, password=key, allow_private=True, poll_interval=0.1)
    account = emulator.state.authenticate(f"Bearer {key}").account.name
    return lambda: [job for job in emulator.state.job_reports() if job["account"] == account]


@pytest.fixture
def speech(jobs: Any) -> str:
    """The URL of a speech that the emulator has made."""
    return DashScopeHook().client.send(synthesize_speech(text=TEXT)).audio_url


def operator(file_url: Any, **arguments: Any) -> TranscribeOperator:
    return TranscribeOperator(task_id="transcribe", file_url=file_url, **arguments)


def transcribed(task: TranscribeOperator, context: dict[str, Any]) -> Any:
    return task.execute(context)


def test_what_is_said_and_when(speech: str, context: dict[str, Any], jobs: Any) -> None:
    result = transcribed(operator(speech, words=True), context)
    assert (result["text"], result["language"], result["files"]) == (TEXT, "en", {})
    assert [segment["text"] for segment in result["segments"]] == [
        "Good morning, and welcome.",
        "The weather is warm today.",
    ]
    first, second = result["segments"]
    assert 0 <= first["start"] < first["end"] < second["start"] < second["end"] <= result["billed_seconds"] + 1
    assert [word["text"] for word in second["words"]] == ["The", "weather", "is", "warm", "today"]
    assert (result["status"], result["video_url"], result["expires_at"]) == ("SUCCEEDED", None, None)
    (job,) = jobs()
    assert result["billed_seconds"] == job["billed_seconds"] == pytest.approx(result["estimated_seconds"], abs=0.5)
    assert result["cost"] == pytest.approx(result["billed_seconds"] * 0.00022, abs=0.0001)
    assert json.loads(json.dumps(result)) == result
    assert "transcription_url" not in json.dumps(result)


def test_files(speech: str, context: dict[str, Any], tmp_path: Path) -> None:
    result = transcribed(operator(speech, words=True, destination=f"file://{tmp_path}/talks/monday"), context)
    assert result["files"] == {name: f"file://{tmp_path}/talks/monday.{name}" for name in ("srt", "vtt", "json")}
    stored = json.loads((tmp_path / "talks/monday.json").read_text())
    assert len(stored.pop("made_of")) == 64
    assert stored == {name: value for name, value in result.items() if name not in ("files", "expires_at")}
    srt = (tmp_path / "talks/monday.srt").read_text()
    assert "Good morning, and welcome." in srt
    assert srt.startswith("1\n00:00:0")
    assert (tmp_path / "talks/monday.vtt").read_text().startswith("WEBVTT\n\n")


def test_the_content_types_of_the_files(
    speech: str, context: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As stores keep them, for players and browsers."""
    written: dict[str, str] = {}
    write = object_store.write_object

    def noted(path: Any, content: bytes, *, content_type: str) -> None:
        written[path.name] = content_type
        write(path, content, content_type=content_type)

    monkeypatch.setattr(object_store, "write_object", noted)
    transcribed(operator(speech, destination=f"file://{tmp_path}/a"), context)
    assert written == {"a.srt": "application/x-subrip", "a.vtt": "text/vtt", "a.json": "application/json"}


def finished(task: TranscribeOperator, context: dict[str, Any]) -> Any:
    """The result, after the wait on a triggerer if the task defers."""
    try:
        return transcribed(task, context)
    except TaskDeferred as deferral:
        trigger = deferral.trigger

        async def fired() -> Any:
            return await anext(trigger.run())

        return task.execute_complete(context, asyncio.run(fired()).payload)


@pytest.mark.parametrize("is_output", [True, False])
def test_only_what_a_task_returned_may_be_anywhere(speech: str, context: dict[str, Any], is_output: bool) -> None:
    """A form may have the same mapping, if the DAG renders native objects."""
    with DAG("dag", schedule=None):
        source = BaseOperator(task_id="speech").output if is_output else "{{ params.file }}"
        task = operator(source, allowed_sources="https://mine/")
    task.file_url = {"url": speech}
    if is_output:
        assert transcribed(task, context)["text"] == TEXT
        return
    with pytest.raises(InputError, match=r"^file_url is .*allowed_sources"):
        transcribed(task, context)


def test_a_submission_says_its_estimate_alone(speech: str, context: dict[str, Any]) -> None:
    submitted: Any = transcribed(operator(speech, wait_for_completion=False), context)
    assert sorted(submitted) == [
        "estimated_cost",
        "estimated_seconds",
        "exact",
        "expected_seconds",
        "inputs",
        "price",
        "request_id",
        "status",
        "submitted_at",
        "task_id",
    ]


def again(context: dict[str, Any]) -> dict[str, Any]:
    """The context of another run."""
    ti = SimpleNamespace(**{**vars(context["ti"]), "run_id": str(uuid.uuid4())})
    return {**context, "ti": ti, "task_state_store": TaskStateStore()}


@pytest.mark.parametrize("deferrable", [False, True])
def test_the_transcript_of_an_earlier_run_is_used(
    speech: str, context: dict[str, Any], jobs: Any, tmp_path: Path, deferrable: bool
) -> None:
    given: dict[str, Any] = {"destination": f"file://{tmp_path}/a", "if_exists": "skip_same", "deferrable": deferrable}
    first = finished(operator(speech, **given), context)
    assert transcribed(operator(speech, **given), again(context)) == first
    assert len(jobs()) == 1


@pytest.mark.parametrize(
    "changed", [{"words": True}, {"language": "en"}, {"model": "fun-asr"}, {"if_exists": "overwrite"}]
)
def test_another_transcript_is_made(
    speech: str, context: dict[str, Any], jobs: Any, tmp_path: Path, changed: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"destination": f"file://{tmp_path}/a", "if_exists": "skip_same"}
    transcribed(operator(speech, **given), context)
    transcribed(operator(speech, **{**given, **changed}), again(context))
    assert len(jobs()) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"segments": 1}', b'{"segments": [], "made_of": "others"}'])
def test_a_file_that_is_no_transcript_of_it_is_replaced(
    speech: str, context: dict[str, Any], jobs: Any, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.json").write_bytes(content)
    transcribed(operator(speech, destination=f"file://{tmp_path}/a", if_exists="skip_same"), context)
    assert len(jobs()) == 1
    assert json.loads((tmp_path / "a.json").read_text())["text"] == TEXT


@pytest.mark.parametrize("changed", [{"segments": 1}, {"made_of": None}])
def test_a_file_that_is_half_a_transcript_is_not_used(
    speech: str, context: dict[str, Any], jobs: Any, tmp_path: Path, changed: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"destination": f"file://{tmp_path}/a", "if_exists": "skip_same"}
    transcribed(operator(speech, **given), context)
    file = tmp_path / "a.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    assert transcribed(operator(speech, **given), again(context))["text"] == TEXT
    assert len(jobs()) == 2


def test_a_file_that_says_nothing_of_its_recording_is_not_used(
    context: dict[str, Any], jobs: Any, tmp_path: Path
) -> None:
    """Also if the recording cannot be read now."""
    (tmp_path / "a.json").write_text('{"segments": []}')
    store = ObjectStore()
    store.fail("info", "talk.wav")
    with attached(mine=store), pytest.raises(InputError, match=r"talk\.wav"):
        operator("s3://mine@b/talk.wav", destination=f"file://{tmp_path}/a", if_exists="skip_same").execute(context)


@pytest.mark.parametrize(("number", "returned"), [(2_000, 2_000), (2_001, 0)])
def test_at_most_2000_sentences_are_returned(
    speech: str, context: dict[str, Any], tmp_path: Path, number: int, returned: int
) -> None:
    """Airflow keeps them in its database. The file has more."""
    given: dict[str, Any] = {"destination": f"file://{tmp_path}/a", "if_exists": "skip_same"}
    transcribed(operator(speech, **given), context)
    file = tmp_path / "a.json"
    transcript = json.loads(file.read_text())
    file.write_text(json.dumps({**transcript, "segments": transcript["segments"][:1] * number}))
    assert len(transcribed(operator(speech, **given), again(context))["segments"]) == returned


def test_what_is_kept_of_a_long_recording_stays_small(
    speech: str, context: dict[str, Any], jobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_videoretalk.operators.transcribe._MAX_SEGMENTS", 1)
    given: dict[str, Any] = {"destination": f"file://{tmp_path}/a", "if_exists": "skip_same"}
    first = transcribed(operator(speech, **given), context)
    (tmp_path / "a.vtt").unlink()
    kept = transcribed(operator(speech, **given), again(context))
    assert (kept["segments"], sorted(kept["files"]), len(jobs())) == ([], ["json", "srt"], 1)
    assert {**kept, "files": 0} == {**first, "files": 0}


def test_a_dry_run_is_asked_for_by_a_truth_value(speech: str, context: dict[str, Any], jobs: Any) -> None:
    with pytest.raises(InputError, match=r"^dry_run is 'maybe'"):
        operator(speech, dry_run="maybe").execute(context)
    assert jobs() == []


def test_a_dry_run_of_what_is_kept_says_its_price(speech: str, context: dict[str, Any], tmp_path: Path) -> None:
    given: dict[str, Any] = {"destination": f"file://{tmp_path}/a", "if_exists": "skip_same"}
    transcribed(operator(speech, **given), context)
    with pytest.raises(AirflowSkipException):
        transcribed(operator(speech, dry_run=True, **given), again(context))


def test_what_files_were_made_of_is_in_the_json() -> None:
    with pytest.raises(InputError, match="allowed with if_exists='skip_same' is a list with 'json'"):
        operator("https://h/a.wav", if_exists="skip_same", formats=["srt"])


def test_a_transcript_that_allows_no_subtitles_is_not_lost(
    speech: str, context: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [{"start": 1.0, "end": 1.1, "text": "Nobody can say so many words in so short a time."}]
    module = "airflow_provider_videoretalk.operators.transcript_download"
    monkeypatch.setattr(f"{module}.download_transcript", lambda *_, **__: said)
    result = transcribed(operator(speech, destination=f"file://{tmp_path}/a"), context)
    assert (result["segments"], result["files"]) == (said, {"json": f"file://{tmp_path}/a.json"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_subtitles_that_nobody_wants_are_not_missed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = {"segments": [{"start": 1.0, "end": 1.1, "text": "Many words in so short a time."}], "language": "en"}
    for formats, warnings in ((["json"], 0), (["json", "vtt"], 1)):
        destination = f"file://{tmp_path}/a"
        paths = transcript_paths(destination, formats=formats, storage_conn_id=None, allowed_destinations=None)
        assert list(write_transcript(paths, said)) == ["json"]
        assert caplog.text.count("No subtitles are written") == warnings


def test_subtitles_break_as_their_language_does(tmp_path: Path) -> None:
    """In English before the word that joins, and not in the middle."""
    text = "The weather is warm in most of the land and it stays so for five days."
    said = {"segments": [{"start": 1.0, "end": 7.0, "text": text}], "language": "en"}
    destination = f"file://{tmp_path}/a"
    paths = transcript_paths(destination, formats="srt", storage_conn_id=None, allowed_destinations=None)
    write_transcript(paths, said)
    assert "The weather is warm in most of the land\nand it stays" in (tmp_path / "a.srt").read_text()


def test_a_recording_in_which_nothing_is_said_has_all_files(tmp_path: Path) -> None:
    destination = f"file://{tmp_path}/a"
    paths = transcript_paths(destination, formats=["json", "srt"], storage_conn_id=None, allowed_destinations=None)
    assert list(write_transcript(paths, {"segments": [], "language": None})) == ["srt", "json"]
    assert (tmp_path / "a.srt").read_text() == ""


def test_a_person_can_read_the_json_file(tmp_path: Path) -> None:
    """A sentence has lines of its own, and its letters are those of its language."""
    said = {"segments": [{"start": 1.0, "end": 3.0, "text": "早上好。"}], "language": "zh"}
    destination = f"file://{tmp_path}/a"
    paths = transcript_paths(destination, formats="json", storage_conn_id=None, allowed_destinations=None)
    write_transcript(paths, said)
    lines = [line.strip() for line in (tmp_path / "a.json").read_text("utf-8").splitlines()]
    assert '"text": "早上好。"' in lines


def test_sentences_of_a_long_recording_are_in_the_file_only(
    speech: str, context: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_videoretalk.operators.transcribe._MAX_SEGMENTS", 1)
    result = transcribed(operator(speech, destination=f"file://{tmp_path}/a", formats=["json"]), context)
    assert (result["segments"], result["text"], list(result["files"])) == ([], TEXT, ["json"])
    assert len(json.loads((tmp_path / "a.json").read_text())["segments"]) == 2
    assert len(transcribed(operator(speech), context)["segments"]) == 2


@pytest.mark.parametrize(("model", "currency"), [("fun-asr", "USD"), ("paraformer-v2", "CNY")])
def test_other_models(speech: str, context: dict[str, Any], model: Any, currency: str) -> None:
    result = transcribed(operator(speech, model=model, speakers=2, words=True), context)
    assert (result["text"], result["currency"]) == (TEXT, currency)
    assert [word["text"] for word in result["segments"][1]["words"]] == ["The", "weather", "is", "warm", "today"]


def test_speakers_are_told_apart(speech: str, context: dict[str, Any]) -> None:
    result = transcribed(operator(speech, model=WITH_SPEAKERS, speakers="2", words=""), context)
    assert [segment["speaker"] for segment in result["segments"]] == [0, 0]
    assert "words" not in result["segments"][0]
    assert result["currency"] == "USD"


@pytest.mark.parametrize(
    ("speakers", "parameters"), [(0, {}), (2, {"speaker_count": 2}), ("100", {"speaker_count": 100})]
)
def test_how_many_speakers_are_told_apart(
    speech: str, context: dict[str, Any], jobs: Any, speakers: Any, parameters: dict[str, int]
) -> None:
    """Two to a hundred, or as many as there are."""
    transcribed(operator(speech, model=WITH_SPEAKERS, speakers=speakers, wait_for_completion=False), context)
    assert jobs()[0]["parameters"] == {"diarization_enabled": True, **parameters}


@pytest.mark.parametrize("nothing", ["", "None", None])
def test_empty_fields_count_as_left_out(speech: str, context: dict[str, Any], jobs: Any, nothing: Any) -> None:
    """A form sends them so."""
    given = dict.fromkeys(("language", "words", "speakers", "destination"), nothing)
    result = transcribed(operator(speech, if_exists="skip_same", **given), context)
    assert (result["text"], result["language"], result["files"], jobs()[0]["parameters"]) == (TEXT, "en", {}, {})
    assert not any("words" in segment for segment in result["segments"])


@pytest.mark.parametrize(
    ("stated", "spoken", "language"),
    [
        (None, ["fr", "en", "en"], "en"),
        (None, [None, "fr", None, "en", "fr"], "fr"),
        (None, [None], None),
        ("en", ["de"], "en"),
    ],
)
def test_the_language_is_that_of_most_sentences(
    speech: str,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    stated: str | None,
    spoken: list[str | None],
    language: str | None,
) -> None:
    """Unless the author states it."""
    named = [{"language": each} if each else {} for each in spoken]
    said = [
        {"start": 3.0 * number, "end": 3.0 * number + 2, "text": "So.", **each} for number, each in enumerate(named)
    ]
    monkeypatch.setattr(transcript_download, "download_transcript", lambda *_, **__: said)
    assert transcribed(operator(speech, language=stated), context)["language"] == language


def test_the_signature_of_a_transcript_is_masked(
    speech: str, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, masked: list[str]
) -> None:
    """Also by a try that reads it for an earlier one."""
    read: list[str] = []

    def note(url: str, **_: Any) -> Any:
        read.append(url)
        raise TransportError("away", remedy="Wait.")

    monkeypatch.setattr(transcript_download, "download_transcript", note)
    for _ in range(2):
        masked.clear()
        with pytest.raises(TransportError, match="away"):
            transcribed(operator(speech), context)
        assert set(secrets_of(read[-1])) <= set(masked)
    assert len(read) == 2


def test_a_deferred_task(speech: str, context: dict[str, Any], jobs: Any) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        operator(speech, deferrable=True).execute(context)
    (job,) = jobs()
    assert deferred.value.trigger.dashscope_task_id == job["task_id"]
    again = transcribed(operator(speech), context)
    assert (again["task_id"], again["text"]) == (job["task_id"], TEXT)
    assert len(jobs()) == 1


def test_a_transcript_that_cannot_be_read_is_read_by_the_next_try(
    speech: str, context: dict[str, Any], jobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record has the job's result, so nothing is paid again."""
    with monkeypatch.context() as broken:
        broken.setattr("airflow_provider_videoretalk.operators.transcript_download.parse_reply", lambda _: None)
        with pytest.raises(TransportError, match="is no transcript: it has no transcripts"):
            operator(speech).execute(context)
    assert transcribed(operator(speech), context)["text"] == TEXT
    assert len(jobs()) == 1


def test_the_largest_transcript(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b'{"transcripts": []}'
    httpserver.expect_request("/t.json").respond_with_data(content)
    url = httpserver.url_for("/t.json")
    monkeypatch.setattr(transcript_download, "MAX_BYTES", len(content))
    assert transcript_download.download_transcript(url, words=False, access=any_address) == []
    monkeypatch.setattr(transcript_download, "MAX_BYTES", len(content) - 1)
    with pytest.raises(TransportError, match="has over 18 bytes"):
        transcript_download.download_transcript(url, words=False, access=any_address)


@pytest.mark.parametrize("name", ["video_url", "audio_url", "url"])
def test_the_url_that_another_task_returned(speech: str, context: dict[str, Any], name: str) -> None:
    assert transcribed(operator({name: speech, "format": "wav"}), context)["text"] == TEXT


def test_a_task_may_return_a_text(speech: str, context: dict[str, Any]) -> None:
    with DAG("dag", schedule=None):
        task = operator(BaseOperator(task_id="speech").output)
    task.file_url = speech
    assert transcribed(task, context)["text"] == TEXT


def test_a_video_in_a_store_that_another_task_made(context: dict[str, Any], jobs: Any, tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(wav(seconds=3))
    made = {"video_url": None, "video_location": f"file://{tmp_path}/talk.wav"}
    assert transcribed(operator(made), context)["billed_seconds"] == 3.0


def test_what_another_task_returned(speech: str, context: dict[str, Any], jobs: Any) -> None:
    with pytest.raises(InputError, match=r"file_url is a mapping with the keys \['a'\]"):
        operator({"a": 1}).execute(context)
    for location in ("s3://b/v.mp4", "file:///videos/v.mp4"):
        with pytest.raises(InputError, match=r"file_url is .*allowed_sources"):
            operator({"video_location": location}, allowed_sources="https://mine/").execute(context)


def test_a_recording_that_the_service_cannot_read_fails_the_task(
    emulator: Emulator, context: dict[str, Any], jobs: Any
) -> None:
    gone = f"{emulator.url}/nothing.wav"
    with pytest.raises(TaskFailedError, match=r"1 of its 1 subtasks failed.*Give a recording that the service can"):
        operator(gone, model=WITH_SPEAKERS, preflight="off").execute(context)
    with pytest.raises(TaskFailedError, match="ended FAILED"):
        operator(gone, preflight="off").execute(context)
    assert sum(job["billed_seconds"] for job in jobs()) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"speakers": 2}, "speakers is 2, but qwen3-asr-flash-filetrans tells no speakers apart"),
        ({"speakers": 1, "model": WITH_SPEAKERS}, "speakers is 1, allowed is 0 or 2 to 100"),
        ({"speakers": 101, "model": WITH_SPEAKERS}, "speakers is 101, allowed is 0 or 2 to 100"),
        ({"speakers": "two", "model": WITH_SPEAKERS}, "speakers is 'two'"),
        ({"words": "perhaps"}, "words is 'perhaps'"),
        ({"destination": "s3://b/talks/"}, "destination is 's3://b/talks/', allowed is the name of the files"),
        ({"destination": "file:///x/a", "allowed_destinations": "s3://b/"}, "destination is .*allowed_destinations"),
        ({"destination": "file:///x/a", "formats": ["ass"]}, "formats is 'ass', allowed is one of srt, vtt, json"),
        ({"destination": "file:///x/a", "formats": []}, r"formats is \[\], allowed is a list"),
        ({"destination": "file:///x/a", "formats": {"json"}}, r"formats is \{'json'\}, allowed is a list"),
        ({"max_cost": 0.0001}, "the job costs .*allowed is at most 0.0001 CNY"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_paid(
    speech: str, context: dict[str, Any], jobs: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        operator(speech, **arguments).execute(context)
    assert jobs() == []


def test_a_recording_that_is_missing_is_named(
    context: dict[str, Any], jobs: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InputError, match=r"^file_url: it is '.*missing.wav', which cannot be opened"):
        operator(f"{tmp_path}/missing.wav").execute(context)
    with pytest.raises(InputError, match=r"missing.wav is not a file"):
        operator(f"{tmp_path}/missing.wav", preflight="off").execute(context)
    assert [line for line in caplog.messages if line.startswith("file_url is uploaded to the service")]


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(InputError, match="model is 'whisper'"):
        operator("https://h/a.wav", model="whisper")
