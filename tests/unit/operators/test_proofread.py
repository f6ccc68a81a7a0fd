"""What a person is shown of a translation, and what becomes of their answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.providers.standard.operators import hitl
from airflow.sdk import Param

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


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """What a person is shown by an operator with some arguments."""
    requests: list[dict[str, Any]] = []

    def ask(**request: Any) -> None:
        requests.append(request)
        raise Asked

    def shown_by(**arguments: Any) -> dict[str, Any]:
        with pytest.raises(Asked):
            operator(**arguments).execute({"task_instance": SimpleNamespace(id="ti"), "ti": SimpleNamespace()})
        return requests[-1]

    monkeypatch.setattr(hitl, "upsert_hitl_detail", ask)
    return shown_by


@pytest.mark.parametrize("ask", ["", None, "true", True])
def test_what_a_person_is_shown(shown: Callable[..., dict[str, Any]], ask: Any) -> None:
    request = shown(ask=ask)
    assert request["subject"] == "Is this translation right? (de)"
    assert request["params"]["text"]["value"] == "Guten Morgen.\nDas Wetter ist heute warm."
    # Airflow 3.1 keeps a param's source in its schema.
    form = {"type": ["null", "string"], "format": "multiline", "title": "Translation", "source": "task"}
    assert {**request["params"]["text"]["schema"], "source": "task"} == form
    assert request["body"].split("\n") == [
        "The original of each line:",
        "",
        "1. 0.5 s `Good 'morning'.`",
        "2. 4.0 s **too long** `It is warm.`",
    ]


@pytest.mark.parametrize(("number", "end"), [(200, "200. 0.5 s `Good 'morning'.`"), (201, "And 1 more.")])
def test_the_originals_of_200_lines_are_shown(shown: Callable[..., dict[str, Any]], number: int, end: str) -> None:
    body = shown(translation={**TRANSLATION, "segments": SEGMENTS[:1] * number})["body"].split("\n")
    assert body[201:] == ["200. 0.5 s `Good 'morning'.`", "And 1 more."][: number - 199]
    assert body[-1] == end


def test_the_fields_of_the_author_are_in_the_form(shown: Callable[..., dict[str, Any]]) -> None:
    assert list(shown(params={"reason": Param("a", source="task")})["params"]) == ["text", "reason"]


def test_the_translation_is_a_field_of_the_form_before_anybody_is_asked() -> None:
    assert list(operator(params={"reason": Param("a", source="task")}).params) == ["text", "reason"]


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


@pytest.mark.parametrize(
    ("arguments", "letters", "fits", "rate"),
    [({}, 46, True, 1.18), ({}, 47, False, 1.2), ({"max_rate": 1.1}, 46, False, 1.1)],
)
def test_a_corrected_segment_may_be_spoken_faster(
    arguments: dict[str, float], letters: int, fits: bool, rate: float
) -> None:
    """46 letters take 3.54 s, and have 3 s."""
    answer = f"{'a' * letters}\nDas Wetter ist heute warm."
    found = operator(**arguments).execute_complete({}, answered("Speak it", answer))
    assert (found["segments"][0]["fits"], found["segments"][0]["rate"]) == (fits, rate)
    assert found["too_long"] == 2 - fits


@pytest.mark.parametrize(
    ("person", "name"), [({"id": "7", "name": "Ada"}, "Ada"), ({"id": "7"}, "7"), ({}, "somebody"), (None, "somebody")]
)
def test_who_has_proofread_a_translation(person: dict[str, str] | None, name: str) -> None:
    answer = answered("Speak it", "Guten Morgen.\nWarm.") | {"responded_by_user": person}
    assert operator().execute_complete({}, answer)["proofread_by"] == name


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
    ("translation", "named"),
    [
        ("x", "translation is a str"),
        ({**TRANSLATION, "segments": ["x", "y"]}, "segment is a str"),
        ({**TRANSLATION, "target_language": None}, "target_language is None"),
    ],
)
def test_what_is_no_translation_any_more_is_named(
    context: dict[str, Any], translation: Any, named: str, tmp_path: Path
) -> None:
    """The task that goes on has rendered it again."""
    task = operator(translation=translation, memory=f"file://{tmp_path}/")
    with pytest.raises(InputError, match=f"^{named}"):
        task.execute_complete(context, answered("Speak it", "a\nb"))


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
