"""What a person is shown of a translation, and what becomes of their answer."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.providers.standard.operators import hitl

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.operators.proofread import ProofreadOperator
from airflow_provider_videoretalk.operators.translation_memory import TranslationMemory

SEGMENTS = [
    {
        "start": 0.5,
        "end": 3.0,
        "text": "Guten Morgen.",
        "source_text": "Good `morning`.",
        "estimated_seconds": 1.0,
        "room": 3.0,
        "fits": True,
        "rate": 1.0,
    },
    {
        "start": 4.0,
        "end": 4.5,
        "text": "Das Wetter ist\nheute warm.",
        "source_text": "It is warm.",
        "estimated_seconds": 2.0,
        "room": 0.5,
        "fits": False,
        "rate": 1.2,
    },
]
TRANSLATION = {"target_language": "de", "text": "x", "segments": SEGMENTS, "too_long": 1, "cost": 0.01}


class Asked(Exception):  # noqa: N818
    """Airflow has the request."""


def operator(**arguments: Any) -> ProofreadOperator:
    return ProofreadOperator(task_id="proofread", **{"translation": TRANSLATION} | arguments)


def answered(option: str, text: str | None) -> dict[str, Any]:
    return {
        "chosen_options": [option],
        "params_input": {"text": text},
        "responded_at": datetime(2026, 11, 27, tzinfo=timezone.utc),
        "responded_by_user": {"id": "1", "name": "Ada"},
    }


def test_what_a_person_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[str, Any] = {}

    def ask(**request: Any) -> None:
        shown.update(request)
        raise Asked

    monkeypatch.setattr(hitl, "upsert_hitl_detail", ask)
    with pytest.raises(Asked):
        operator().execute({"task_instance": SimpleNamespace(id="ti"), "ti": SimpleNamespace()})
    assert shown["subject"] == "Is this translation right? (de)"
    assert shown["params"]["text"]["value"] == "Guten Morgen.\nDas Wetter ist heute warm."
    assert shown["params"]["text"]["schema"]["format"] == "multiline"
    assert shown["body"].split("\n") == [
        "The original of each line:",
        "",
        "1. 0.5 s `Good 'morning'.`",
        "2. 4.0 s **too long** `It is warm.`",
    ]


def test_nobody_is_asked() -> None:
    assert operator(ask="False").execute({}) == TRANSLATION
    assert operator(translation={"segments": [], "text": "x"}).execute({}) == {"segments": [], "text": "x"}


def test_an_answer_that_changes_nothing() -> None:
    found = operator().execute_complete({}, answered("Speak it", "Guten Morgen.\nDas  Wetter ist heute warm.\n"))
    assert found["segments"] == SEGMENTS
    assert (found["proofread_by"], found["too_long"], found["cost"]) == ("Ada", 1, 0.01)


def test_corrected_segments_are_estimated_again() -> None:
    found = operator().execute_complete({}, answered("Speak it", "Guten Abend.\nWarm."))
    first, second = found["segments"]
    assert (first["text"], first["start"], first["source_text"]) == ("Guten Abend.", 0.5, "Good `morning`.")
    assert (second["text"], second["fits"], second["rate"]) == ("Warm.", True, 1.0)
    assert [segment["estimated_seconds"] for segment in found["segments"]] == [0.92, 0.38]
    assert (found["text"], found["too_long"]) == ("Guten Abend.\nWarm.", 0)


def test_corrections_are_kept_for_other_runs(tmp_path: Path) -> None:
    memory = f"file://{tmp_path}/"
    operator(memory=memory).execute_complete({}, answered("Speak it", "Guten Abend.\nDas Wetter ist heute warm."))
    kept = TranslationMemory.open(memory, language="de", storage_conn_id=None, allowed_destinations=None)
    # What a person has left as it was is no correction.
    assert kept.corrections == {("Good `morning`.", 0): "Guten Abend."}
    operator(memory=memory).execute_complete({}, answered("Speak it", "Guten Tag.\n  "))
    kept = TranslationMemory.open(memory, language="de", storage_conn_id=None, allowed_destinations=None)
    assert kept.corrections == {("Good `morning`.", 0): "Guten Tag.", ("It is warm.", 0): ""}


def test_a_correction_of_what_is_said_twice_is_of_its_place(tmp_path: Path) -> None:
    memory, twice = f"file://{tmp_path}/", {**TRANSLATION, "segments": [SEGMENTS[0], SEGMENTS[0]]}
    task = operator(memory=memory, translation=twice)
    task.execute_complete({}, answered("Speak it", "Guten Morgen.\nGuten Abend."))
    kept = TranslationMemory.open(memory, language="de", storage_conn_id=None, allowed_destinations=None)
    assert kept.corrections == {("Good `morning`.", 1): "Guten Abend."}


def test_a_folder_that_is_not_allowed_is_told_before_a_person_works(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allowed_destinations"):
        operator(memory=f"file://{tmp_path}/", allowed_destinations=["s3://bucket/"]).execute({})


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        ("Guten Morgen.\n  ", ["Guten Morgen.", ""]),
        ("Guten Morgen.\n", ["Guten Morgen.", ""]),
        ("\nWarm.", ["", "Warm."]),
        # With line breaks after the last line.
        ("\nWarm.\n\n", ["", "Warm."]),
        ("\n", ["", ""]),
    ],
)
def test_an_empty_line_is_not_spoken(answer: str, texts: list[str]) -> None:
    found = operator().execute_complete({}, answered("Speak it", answer))
    assert [segment["text"] for segment in found["segments"]] == texts
    assert found["text"] == "".join(texts)


@pytest.mark.parametrize("text", ["Guten Morgen.", "a\nb\nc", "\na\nb", None, ""])
def test_another_number_of_lines_is_told(text: str | None) -> None:
    with pytest.raises(AirflowFailException, match=r"Ada answered \d lines, the translation has 2 segments.*Clear"):
        operator().execute_complete({}, answered("Speak it", text))


def test_a_rejected_translation_is_not_spoken() -> None:
    with pytest.raises(AirflowFailException, match="Ada rejected the translation"):
        operator().execute_complete({}, answered("Reject", "a\nb"))
