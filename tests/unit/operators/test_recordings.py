"""Rows whose speech is a recording: nothing is paid for it, and a long one is cut in its pauses."""

from __future__ import annotations

import json
import wave
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from spoken_sounds import silence, word, words_and_pauses, write_wav

from airflow_provider_videoretalk.batches.recipe import RecordingPart, RecordingRecipe
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing import speech_pauses
from airflow_provider_videoretalk.media import local_copy
from airflow_provider_videoretalk.operators import batch_sources, video_pieces
from airflow_provider_videoretalk.operators.make_video import MakeVideoOperator

from .test_batch import SUBMIT, Batch, batch
from .test_video_pieces import CrashError, dies_at, make

__all__ = ["batch"]

# A pause of a second after every four seconds of speech.
LONG, SECONDS = words_and_pauses(*[1.0, 4.0] * 30), 150.0


def record(batch: Batch, samples: np.ndarray, *, name: str = "talk.wav") -> str:
    """The URL of a recording."""
    path = write_wav(batch.folder.parent / name, samples)
    batch.service.expect_request(f"/{name}").respond_with_data(path.read_bytes(), content_type="audio/wav")
    return batch.service.url_for(f"/{name}")


def table(audio: str, **values: Any) -> str:
    return json.dumps({"name": "talk", "audio": audio, **values}) + "\n"


def submitted(batch: Batch) -> list[dict[str, Any]]:
    requests = [request for request, _ in batch.service.log if (request.method, request.path) == ("POST", SUBMIT)]
    return [json.loads(request.get_data())["input"] for request in requests]


def samples_of(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_a_recording_is_used_in_place_of_a_speech(batch: Batch) -> None:
    audio = record(batch, words_and_pauses(0.5, 2.5))
    (row,) = batch.plan(table(audio, text="Good morning.", language="en"))
    assert (batch.sums["most_cost"], batch.sums["exact"], batch.sums["speech_cost"]) == (0.24, True, 0.0)
    batch.make(row)
    assert batch.paid() == {"speech": 0, "videos": 1}
    assert [one["audio_url"] for one in submitted(batch)] == [audio]
    kept = json.loads((batch.folder / "talk-en.mp4.json").read_text())
    assert (kept["script"], kept["recording_part"]) == ("Good morning.", None)
    assert batch.plan(table(audio, text="Good morning.", language="en")) == []


def test_the_result_says_which_version_of_presenter_and_recording_was_used(batch: Batch) -> None:
    presenter, talk = batch.folder.parent / "clip.mp4", batch.folder.parent / "talk.wav"
    write_wav(talk, words_and_pauses(0.5, 2.5))
    (row,) = batch.plan(table(talk.as_uri(), video=presenter.as_uri()))
    versions = {path: f"{path.as_uri()}#sha256:{sha256(path.read_bytes()).hexdigest()}" for path in (presenter, talk)}
    assert make(batch, row)["inputs"] == {"video_url": versions[presenter], "audio_url": versions[talk]}


def test_another_recording_is_another_video(batch: Batch) -> None:
    batch.make(batch.plan(table(record(batch, words_and_pauses(0.5, 2.5))))[0])
    assert len(batch.plan(table(record(batch, words_and_pauses(0.5, 3.5), name="other.wav")))) == 1


def test_a_long_recording_is_cut_in_its_pauses(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = record(batch, LONG)
    (row,) = batch.plan(table(audio))
    assert row["in_pieces"]
    assert batch.sums["exact"]
    result = make(batch, row)
    assert batch.paid() == {"speech": 0, "videos": 3}
    assert len(result["task_ids"]) == 3
    metadata = batch.pushed["make", "videoretalk_metadata"][-1]
    assert metadata["parts"] == []
    parts = {
        tuple(json.loads(path.with_name(f"{path.name}.json").read_text())["recording_part"]): samples_of(path)
        for path in batch.folder.glob("speech/*.wav")
    }
    # Each sample is in one part, and no word is in two.
    assert np.array_equal(np.concatenate([parts[part] for part in sorted(parts)]), samples_of_recording(batch))
    assert [round(end % 5, 1) for _, end in sorted(parts)[:-1]] == [0.5, 0.5]
    # The recording is not listened to again.
    monkeypatch.delattr(speech_pauses, "find_pauses")
    assert len(batch.plan(table(audio), force=True)) == 1


def samples_of_recording(batch: Batch) -> np.ndarray:
    return samples_of(batch.folder.parent / "talk.wav")


def changed(samples: np.ndarray, *, begin: float, end: float) -> np.ndarray:
    """A recording with other words between two seconds."""
    changed, rate = samples.copy(), len(samples) / SECONDS
    changed[round(begin * rate) : round(end * rate)] //= 2
    return changed


@pytest.mark.parametrize(("begin", "cost"), [(2.0, 4.0424), (82.0, 4.0), (142.0, 3.9624)])
def test_a_corrected_sentence_costs_its_piece(batch: Batch, begin: float, cost: float) -> None:
    (row,) = batch.plan(table(record(batch, LONG), text="As it was."))
    make(batch, row)
    (row,) = batch.plan(
        table(record(batch, changed(LONG, begin=begin, end=begin + 2), name="corrected.wav"), text="As it is.")
    )
    # The pieces are cut at 50.5 s and 100.5 s, and a second costs 0.08 CNY.
    assert batch.sums["most_cost"] == cost
    result = make(batch, row)
    assert batch.paid() == {"speech": 0, "videos": 4}
    assert len(result["task_ids"]) == 3
    kept = list(batch.folder.glob("pieces/*.mp4.json"))
    assert len([1 for path in kept if "piece" in json.loads(path.read_text())]) == 4


def test_a_corrected_piece_that_an_earlier_try_submitted_is_not_paid_twice(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence of another piece is corrected while a piece renders."""
    (row,) = batch.plan(table(record(batch, LONG)))
    with monkeypatch.context() as patched:
        dies_at(patched, "after_id")
        with pytest.raises(CrashError):
            make(batch, row)
    corrected = record(batch, changed(LONG, begin=82.0, end=84.0), name="corrected.wav")
    (row,) = batch.plan(table(corrected), same_run=True)
    make(batch, row)
    assert batch.paid() == {"speech": 0, "videos": 3}


def test_a_killed_try_pays_for_no_piece_of_a_recording_twice(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = batch.plan(table(record(batch, LONG)))
    dies_at(monkeypatch, "after_piece", times=2)
    with pytest.raises(CrashError):
        make(batch, row)
    fetched = len([1 for request, _ in batch.service.log if request.path == "/talk.wav"])
    make(batch, row)
    assert batch.paid() == {"speech": 0, "videos": 3}
    # All parts were cut at once.
    assert len([1 for request, _ in batch.service.log if request.path == "/talk.wav"]) == fetched


def test_a_recording_without_a_pause_is_refused_with_the_place(batch: Batch) -> None:
    samples = np.concatenate([words_and_pauses(*[1.0, 4.0] * 4), silence(1.0), word(130.0)])
    with pytest.raises(AirflowFailException, match="1 row"):
        batch.plan(table(record(batch, samples)))
    (problem,) = batch.document("plan")["videos"][0]["problems"]
    assert problem.startswith("line 1, column audio: the recording has no pause from second 20.5 to second 151.0")
    assert batch.paid() == {"speech": 0, "videos": 0}


def test_the_longest_recording(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two hours. Here it is as long as the recording."""
    monkeypatch.setattr(batch_sources, "MAX_SECONDS", SECONDS)
    assert len(batch.plan(table(record(batch, LONG)))) == 1
    monkeypatch.setattr(batch_sources, "MAX_SECONDS", 90.0)
    with pytest.raises(
        AirflowFailException, match=r"audio: the recording takes 2 minutes, allowed are 1\.5 minutes\. Split it"
    ):
        batch.plan(table(record(batch, LONG, name="again.wav")))


def test_a_recording_that_is_no_sound_is_refused(batch: Batch) -> None:
    batch.service.expect_request("/notes.wav").respond_with_data(b"Good morning.", content_type="audio/wav")
    with pytest.raises(AirflowFailException, match="1 row"):
        batch.plan(table(batch.service.url_for("/notes.wav")))
    assert batch.document("plan")["videos"][0]["problems"][0].startswith("line 1, column audio: ")


def test_a_recording_that_has_changed_since_the_plan_is_not_used(batch: Batch) -> None:
    path = write_wav(batch.folder.parent / "talk.wav", words_and_pauses(0.5, 2.5))
    (row,) = batch.plan(table(path.as_uri()))
    write_wav(path, words_and_pauses(0.5, 3.5))
    with pytest.raises(InputError, match=r"the recording at .* has changed since the plan"):
        make(batch, row)
    assert batch.paid()["videos"] == 0


def test_a_recording_may_only_be_where_sources_are_allowed(batch: Batch) -> None:
    audio = record(batch, words_and_pauses(0.5, 2.5))
    with pytest.raises(AirflowFailException, match="1 row"):
        batch.plan(table(audio), allowed_sources=[batch.presenter])
    assert "audio" in batch.document("plan")["videos"][0]["problems"][0]


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"name": ""}, "name: it is empty, and the script has no words"),
        ({"text": "a\x00b"}, "text: it has the character"),
    ],
)
def test_other_faults_of_a_row_with_a_recording(batch: Batch, values: dict[str, str], fault: str) -> None:
    audio = record(batch, words_and_pauses(0.5, 2.5))
    with pytest.raises(AirflowFailException, match="1 row"):
        batch.plan(table(audio, **values))
    assert fault in batch.document("plan")["videos"][0]["problems"][0]


def test_the_words_of_a_recording_may_be_longer_than_a_model_speaks(batch: Batch) -> None:
    audio = record(batch, words_and_pauses(0.5, 2.5))
    (row,) = batch.plan(table(audio, text="<speak>" + "Good morning. " * 2_000 + "</speak>"))
    assert "in_pieces" not in row


def test_the_expected_length_of_a_part_is_its_own() -> None:
    part = RecordingPart(start=60.0, end=97.5, sound="1")
    assert video_pieces._expected_seconds(RecordingRecipe(recording="sha256:1", part=part)) == 37.5


def test_how_long_a_part_is_is_known(batch: Batch) -> None:
    """Also of a part that an earlier try has cut, so that the service is asked for no more than it needs."""
    (row,) = batch.plan(table(record(batch, LONG)))
    for _ in range(2):
        operator = MakeVideoOperator(task_id="make", row=row, folder=f"{batch.folder.as_uri()}/")
        operator._planned(batch.context("make", 0))  # type: ignore[arg-type]
        location, seconds = operator._speech()
        (part, *_) = operator._pieces.speeches
        assert seconds == pytest.approx(part.part.seconds, abs=0.01)
        assert str(location).startswith(f"{batch.folder.as_uri()}/speech/")


def test_a_recording_that_cannot_be_fetched_is_named(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the plan, which listens to it, and by the task that cuts it."""
    asked: list[dict[str, Any]] = []

    def fail(location: object, target: object, **given: Any) -> None:
        asked.append({**given, "access": given["access"].__name__})
        raise InputError("enough", remedy="Go.")

    audio = record(batch, LONG)
    with monkeypatch.context() as patched:
        patched.setattr(local_copy, "local_copy", fail)
        with pytest.raises(AirflowFailException, match="1 row"):
            batch.plan(table(audio))
    (row,) = batch.plan(table(audio))
    monkeypatch.setattr(local_copy, "local_copy", fail)
    operator = MakeVideoOperator(task_id="make", row=row, folder=f"{batch.folder.as_uri()}/")
    operator._planned(batch.context("make", 0))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="enough"):
        operator._speech()
    assert asked == [{"field": "audio", "access": "media_access"}] * 2
