"""The segments of a translation are spoken where they belong, and each is paid for once."""

from __future__ import annotations

import json
import uuid
import wave
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from connections import connect
from object_store import ObjectStore, attached
from spoken_sounds import noise, words_and_pauses, write_wav
from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError, ServerError, TransportError
from airflow_provider_videoretalk.editing.speech_pauses import find_pauses
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.operators.segment_speech import SegmentSpeechOperator
from airflow_provider_videoretalk.outbound.signed_url import secrets_of

SEGMENTS = [
    {"start": 0.5, "end": 3.0, "text": "Good morning, and welcome."},
    {"start": 4.0, "end": 6.0, "text": "The weather is warm today."},
    {"start": 9.0, "end": 11.0, "text": "Come again."},
]


@pytest.fixture
def context() -> dict[str, Any]:
    ti = SimpleNamespace(dag_id="dag", run_id=str(uuid.uuid4()), task_id="speech", map_index=-1)
    return {"ti": ti, "task_state_store": TaskStateStore()}


class Service:
    """An account of one test's own."""

    def __init__(self, emulator: Emulator, key: str) -> None:
        self.emulator, self.key = emulator, key
        self.account = emulator.state.authenticate(f"Bearer {key}").account.name

    @property
    def speeches(self) -> int:
        requests = self.emulator.state.requests
        return sum(entry["operation"] == "speech" and entry["account"] == self.account for entry in requests)


@pytest.fixture
def service(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Service:
    key = f"sk-{uuid.uuid4()}"
    connect(monkeypatch, host=emulator.base_url, password=key, allow_private=True)
    return Service(emulator, key)


def operator(folder: Path, segments: Any = SEGMENTS, **arguments: Any) -> SegmentSpeechOperator:
    given = {"segments": segments} if isinstance(segments, list) else segments
    return SegmentSpeechOperator(task_id="speech", segments=given, folder=f"file://{folder}/", **arguments)


def test_each_segment_is_spoken_where_it_belongs(service: Service, context: dict[str, Any], tmp_path: Path) -> None:
    result: Any = operator(tmp_path, seconds=15, language="en", max_cost=0.0063).execute(context)
    assert result["language"] == "en"
    assert result["seconds"] == pytest.approx(15, abs=0.01)
    assert result["script"] == "Good morning, and welcome.\nThe weather is warm today.\nCome again."
    assert [part["start"] for part in result["segments"]] == [0.5, 4.0, 9.0]
    assert (result["late"], {part["tempo"] for part in result["segments"]}) == (0.0, {1.0})
    track = Path(result["audio"].removeprefix("file://"))
    sound = find_pauses(track)
    assert sound.seconds == pytest.approx(15, abs=0.02)
    assert sound.speech_start == pytest.approx(0.5, abs=0.05)
    (long,) = [pause for pause in sound.pauses if pause.end > 8.9]
    assert long.end == pytest.approx(9.0, abs=0.05)
    # 26, 26 and 11 characters, at 1 CNY for 10,000.
    assert (result["cost"], result["currency"], service.speeches) == (0.0063, "CNY", 3)
    assert json.loads(json.dumps(result)) == result


def test_a_cost_has_four_digits(service: Service, context: dict[str, Any], tmp_path: Path) -> None:
    """11 characters, at 0.8 CNY for 10,000."""
    result: Any = operator(tmp_path, SEGMENTS[2:], model="qwen3-tts-flash").execute(context)
    assert result["cost"] == 0.0009


def test_a_length_has_three_digits(service: Service, context: dict[str, Any], tmp_path: Path) -> None:
    result: Any = operator(tmp_path, SEGMENTS[:1], seconds="5.12345").execute(context)
    assert result["seconds"] == 5.123


def replace_speech(folder: Path, content: bytes) -> None:
    """Another file takes the place of the only speech that is kept. What its metadata says is still right."""
    (speech,) = [path for path in folder.glob("speech/*.wav") if not path.name.endswith("-track.wav")]
    speech.write_bytes(content)
    described = speech.with_name(f"{speech.name}.json")
    described.write_text(json.dumps(json.loads(described.read_text()) | {"size": len(content)}))


@pytest.mark.parametrize(("seconds", "length", "begin"), [((0.5, 1.0, 0.5), 1.0, 0.5), ((2.0,), 2.0, None)])
def test_a_speech_lasts_from_its_first_to_its_last_word(
    service: Service,
    context: dict[str, Any],
    tmp_path: Path,
    seconds: tuple[float, ...],
    length: float,
    begin: float | None,
) -> None:
    """Its word begins with the segment, at half a second, and what is around it is not heard. A speech without a word
    lasts as long as its file.
    """
    operator(tmp_path, SEGMENTS[:1]).execute(context)
    sound = words_and_pauses(*seconds)
    heard = sound if begin is None else sound + noise(sound, loudness=0.002)
    replace_speech(tmp_path, write_wav(tmp_path / "other.wav", heard).read_bytes())
    result: Any = operator(tmp_path, SEGMENTS[:1], seconds=4).execute(context)
    (part,) = result["segments"]
    assert part["end"] - part["start"] == pytest.approx(length, abs=0.1)
    if begin is not None:
        track = Path(result["audio"].removeprefix("file://"))
        assert find_pauses(track).speech_start == pytest.approx(begin, abs=0.1)
        with wave.open(str(track), "rb") as file:
            rate, samples = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert not samples[: round(0.3 * rate)].any()
        assert not samples[round(1.7 * rate) :].any()


def test_a_speech_that_is_no_sound_any_more_is_named(service: Service, context: dict[str, Any], tmp_path: Path) -> None:
    operator(tmp_path, SEGMENTS[:1]).execute(context)
    replace_speech(tmp_path, b"Good morning.")
    with pytest.raises(InputError, match=r"^the speech "):
        operator(tmp_path, SEGMENTS[:1]).execute(context)


def test_a_corrected_sentence_costs_itself_alone(service: Service, context: dict[str, Any], tmp_path: Path) -> None:
    first: Any = operator(tmp_path).execute(context)
    again: Any = operator(tmp_path).execute(context)
    assert (again, service.speeches) == (first, 3)
    corrected = [SEGMENTS[0], SEGMENTS[1] | {"text": "The weather is cold today."}, SEGMENTS[2]]
    changed: Any = operator(tmp_path, corrected).execute(context)
    assert service.speeches == 4
    assert changed["audio"] != first["audio"]
    assert changed["segments"][1]["text"] == "The weather is cold today."


def test_a_track_that_is_there_is_not_written_again(service: Service, context: dict[str, Any], tmp_path: Path) -> None:
    """To some stores it would be another version, whose video is paid for again."""
    first: Any = operator(tmp_path).execute(context)
    track = Path(first["audio"].removeprefix("file://"))
    written = track.stat()
    again: Any = operator(tmp_path).execute(context)
    assert (again, track.stat().st_mtime_ns, track.stat().st_ino) == (first, written.st_mtime_ns, written.st_ino)
    track.with_name(f"{track.name}.json").unlink()
    operator(tmp_path).execute(context)
    assert track.stat().st_ino != written.st_ino or track.stat().st_mtime_ns != written.st_mtime_ns


def test_a_killed_try_pays_for_what_is_missing(service: Service, context: dict[str, Any], tmp_path: Path) -> None:
    service.emulator.faults.arm(FaultRule(operation="speech", effect="error_before", status=500, after=2))
    with pytest.raises(ServerError):
        operator(tmp_path).execute(context)
    operator(tmp_path).execute(context)
    # Without the one that created nothing.
    assert service.speeches == 3
    assert len(list((tmp_path / "speech").glob("*.wav"))) == 4


@pytest.mark.parametrize(("minutes", "speeches"), [(61, 3), (59, 6)])
def test_speeches_that_cannot_be_kept_are_used_by_a_retry_within_an_hour(
    service: Service, context: dict[str, Any], masked: list[str], minutes: float, speeches: int
) -> None:
    store = ObjectStore()
    store.fail("open", ".wav")
    task = SegmentSpeechOperator(task_id="speech", segments={"segments": SEGMENTS}, folder="s3://mine@bucket/dub/")
    with attached(mine=store), pytest.raises(TransportError):
        task.execute(context)
    expires_at = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    unkept = [value for key, value in context["task_state_store"].items() if key.startswith("videoretalk_speech_")]
    assert len(unkept) == 3
    for speech in unkept:
        speech["expires_at"] = expires_at.isoformat()
    store.failures.clear()
    masked.clear()
    with attached(mine=store):
        task.execute(context)
    assert service.speeches == speeches
    # A retry is another process.
    used = {secret for speech in unkept for secret in secrets_of(speech["audio_url"])}
    assert (used <= set(masked)) is (speeches == 3)


def test_what_a_task_has_noted_names_no_file(service: Service, context: dict[str, Any]) -> None:
    """It is in Airflow's database."""
    store = ObjectStore()
    store.fail("open", ".wav")
    task = SegmentSpeechOperator(task_id="speech", segments={"segments": SEGMENTS}, folder="s3://mine@bucket/dub/")
    with attached(mine=store), pytest.raises(TransportError):
        task.execute(context)
    for key, speech in context["task_state_store"].items():
        if key.startswith("videoretalk_speech_"):
            speech["audio_url"] = "file:///etc/hostname"
    with attached(mine=store), pytest.raises(InputError, match=r"^audio_url is .*file:"):
        task.execute(context)


def test_a_throttled_account_defers(service: Service, context: dict[str, Any], tmp_path: Path) -> None:
    service.emulator.faults.arm(FaultRule(operation="speech", effect="throttle", after=1, retry_after=60))
    task = operator(tmp_path)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    assert (service.speeches, deferred.value.trigger.note["refusals"]) == (1, 1)
    task.execute_again(context, deferred.value.trigger.note)
    assert service.speeches == 3


def test_no_more_patience_than_the_connection_allows(
    service: Service, context: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, host=service.emulator.base_url, password=service.key, allow_private=True, throttle_timeout=60)
    with pytest.raises(InputError, match=r"^throttle_timeout is 61 s"):
        operator(tmp_path, throttle_timeout=61).execute(context)
    assert service.speeches == 0


def test_a_folder_in_a_store_of_a_connection(service: Service, context: dict[str, Any]) -> None:
    """That the URI does not name."""
    store = ObjectStore()
    speak = {"segments": {"segments": SEGMENTS[:1]}, "folder": "s3://bucket/dub/", "storage_conn_id": "mine"}
    with attached(mine=store):
        result: Any = SegmentSpeechOperator(task_id="speech", **speak).execute(context)
    assert result["audio"].startswith("s3://mine@bucket/dub/speech/")
    key = result["audio"].removeprefix("s3://mine@")
    types = {opened["path"]: opened.get("ContentType") for opened in store.opened if opened["mode"] != "rb"}
    assert types[key] == "audio/wav"
    # By this, a later release finds it.
    described = json.loads(store.objects[f"{key}.json"])
    made_of = ("speeches", "starts", "tempos", "least_seconds")
    (speech,) = [path.rpartition("/")[2] for path in store.objects if path.endswith(".wav") and path != key]
    assert [described[name] for name in made_of] == [[speech], [0.5], [1.0], 3.0]
    assert round(described["seconds"], 3) == result["seconds"]


def test_too_much_text_is_played_faster_and_told(service: Service, context: dict[str, Any], tmp_path: Path) -> None:
    hurried = [
        {"start": 0.0, "end": 0.5, "text": "This sentence does not fit into half a second, however fast it is."},
        {"start": 0.5, "end": 3.0, "text": "Bye."},
    ]
    result: Any = operator(tmp_path, hurried, max_tempo=1.5).execute(context)
    first, second = result["segments"]
    assert (first["tempo"], second["start"]) == (1.5, first["end"])
    assert result["late"] == second["late"] == pytest.approx(first["end"] - 0.5, abs=0.002)
    assert result["seconds"] >= second["end"] - 0.05


def test_the_rate_of_a_segment_and_an_enrolled_voice(service: Service, context: dict[str, Any], tmp_path: Path) -> None:
    rates = [SEGMENTS[0] | {"rate": 1.2}, SEGMENTS[2]]
    voice = {"voice": "longanhuan", "target_model": "cosyvoice-v3-plus"}
    operator(tmp_path, rates, voice=voice, options={"pitch": 1.1}).execute(context)
    stored = [json.loads(path.read_text()) for path in (tmp_path / "speech").glob("*.json")]
    made = {one["script"]: one for one in stored if "script" in one}
    first, second = made["Good morning, and welcome."], made["Come again."]
    assert (first["voice"], first["speech_model"]) == ("longanhuan", "cosyvoice-v3-plus")
    assert (first["speech_options"], second["speech_options"]) == ({"pitch": 1.1, "rate": 1.2}, {"pitch": 1.1})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"segments": {}}, "segments is a NoneType, allowed is a list of 1 to"),
        ({"segments": {"segments": "x"}}, "segments is a str, allowed is a list of 1 to"),
        ({"segments": "x"}, "^segments is a str, allowed is a mapping"),
        ({"segments": []}, "segments is a list of 0, allowed is a list of 1 to"),
        ({"segments": [{"start": 0, "end": 1, "text": " "}]}, "segments has no segment with words"),
        ({"segments": [{"start": 2, "end": 1, "text": "x"}]}, r"segments\[0\]\.end is 1, allowed is a number"),
        ({"segments": [SEGMENTS[0], {"start": 0, "end": 1}]}, r"segments\[1\]\.text is a NoneType"),
        ({"segments": [SEGMENTS[0] | {"rate": 3}]}, r"segments\[0\]\.rate is 3, allowed is 0\.5 to 2"),
        ({"segments": [SEGMENTS[0] | {"rate": True}]}, r"segments\[0\]\.rate is True, allowed is 0\.5 to 2"),
        ({"max_cost": 0.006}, r"the speeches cost 0\.0063 CNY, allowed is at most 0\.006 CNY"),
        ({"max_cost": 1, "model": "qwen-tts"}, "the speeches cost an amount that is not known"),
        (
            {"voice": {"voice": "v", "target_model": "cosyvoice-v2"}, "model": "cosyvoice-v3-plus"},
            "model is .cosyvoice-v3-plus., allowed is .cosyvoice-v2., for which the voice is enrolled",
        ),
        ({"folder": "file:///x"}, "folder is 'file:///x', allowed is the URI of a folder"),
        ({"allowed_destinations": "s3://b/"}, "^folder is .*allowed_destinations"),
        ({"seconds": "long"}, "seconds is 'long'"),
        ({"language": 3}, "^language is 3"),
        ({"options": "loud"}, "^options is a str"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_paid(
    service: Service, context: dict[str, Any], tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"segments": {"segments": SEGMENTS}, "folder": f"file://{tmp_path}/"} | arguments
    if isinstance(given["segments"], list):
        given["segments"] = {"segments": given["segments"]}
    with pytest.raises(InputError, match=f"^(?:{message})"):
        SegmentSpeechOperator(task_id="speech", **given).execute(context)
    assert service.speeches == 0


@pytest.mark.parametrize("tempo", [0.9, 2.1, "1"])
def test_a_tempo_out_of_range_is_refused(tmp_path: Path, tempo: Any) -> None:
    with pytest.raises(InputError, match=r"max_tempo is .*allowed is 1 to 2"):
        operator(tmp_path, max_tempo=tempo)


def test_without_the_extra_nothing_is_paid(
    service: Service, context: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise ConfigurationError("the extra media is not installed")

    monkeypatch.setattr("airflow_provider_videoretalk.operators.segment_speech.require_extra", missing)
    with pytest.raises(ConfigurationError, match="the extra media"):
        operator(tmp_path).execute(context)
    assert service.speeches == 0
