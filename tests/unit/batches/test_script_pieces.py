"""A long script is cut to pieces that each fit into a render job, and only where a speaker would pause."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.batches.script_pieces import split_script
from airflow_provider_videoretalk.batches.speaking_time import speaking_rate, typical_seconds
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.speech import count_characters

MODEL = "cosyvoice-v3-flash"
SENTENCE = "Good morning, and welcome to our course. "


def spoken(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("script", ["Hello.", SENTENCE * 25, "<speak>" + SENTENCE * 10 + "</speak>"])
def test_a_script_that_fits_stays_whole(script: str) -> None:
    assert split_script(script, model=MODEL) == (script,)


def test_a_piece_ends_with_a_sentence() -> None:
    pieces = split_script(SENTENCE * 100, model=MODEL)
    # 41 letters take 3.15 s, so all take 315 s.
    assert sorted(piece.count("Good morning") for piece in pieces) == [16, 16, 17, 17, 17, 17]
    assert all(piece.endswith("course.") for piece in pieces)
    assert spoken("".join(pieces)) == spoken(SENTENCE * 100)


@pytest.mark.parametrize(
    ("script", "never"),
    [
        ("We met Dr. Smith at noon and talked. " * 60, r"Dr\.$"),
        ("It costs 3.5 million, as J. R. Brown said. " * 60, r"(3\.|J\.|R\.)$"),
        ("早上好，欢迎来到我们的春季系列。" * 40, r"[^。]$"),
        ('He said: "Come in!" And she came. ' * 60, r"in!$"),
    ],
    ids=["title", "number and initials", "Chinese", "quotation"],
)
def test_no_piece_ends_within_a_sentence(script: str, never: str) -> None:
    pieces = split_script(script, model=MODEL)
    assert len(pieces) > 1
    assert not [piece for piece in pieces if re.search(never, piece)]


def test_a_paragraph_is_not_cut_if_the_pieces_stay_alike() -> None:
    script = f"{SENTENCE * 17}\n\n{SENTENCE * 20}"
    first, second = split_script(script, model=MODEL)
    assert (first.count("Good"), second.count("Good")) == (17, 20)


def test_a_sentence_without_an_end_is_cut_after_a_comma_and_else_between_words() -> None:
    commas = split_script("one and two and three, " * 100, model=MODEL)
    assert len(commas) > 1
    assert all(piece.endswith(",") for piece in commas)
    words = split_script("word " * 500, model=MODEL)
    assert len(words) > 1
    assert all(set(piece.split()) == {"word"} for piece in words)


def test_what_cannot_be_cut_is_named() -> None:
    with pytest.raises(InputError, match=r"for about 231 s after 'w{40}', allowed are 60 s") as caught:
        split_script(SENTENCE + "w" * 3_000, model=MODEL)
    assert caught.value.remedy.startswith("Add commas or full stops there")
    with pytest.raises(InputError, match="and is SSML, allowed are 80 s"):
        split_script("<speak>" + SENTENCE * 100 + "</speak>", model=MODEL)


def test_no_piece_has_more_characters_than_the_model_takes() -> None:
    """600 characters of Qwen3-TTS take 46 s."""
    pieces = split_script(SENTENCE * 40, model="qwen3-tts-flash")
    assert max(map(count_characters, pieces)) <= 600
    assert len(pieces) == 3


@given(
    st.lists(
        st.sampled_from(["word", "Dr.", "end.", "end.\n", "早上好。", "wait,", "3.5", '"yes!"', "—"]), max_size=800
    )
)
def test_any_script_is_spoken_whole_in_pieces_that_fit(words: list[str]) -> None:
    script = " ".join(words)
    pieces = split_script(script, model=MODEL)
    assert spoken("".join(pieces)) == spoken(script)
    assert all(piece.strip() for piece in pieces) or not script.strip()
    assert max(map(typical_seconds, pieces)) <= 80
    assert split_script(script, model=MODEL) == pieces


@pytest.mark.parametrize(("rate", "pieces"), [(0.5, 11), (1.0, 6), (2.0, 3)])
def test_pieces_of_a_slower_speech_have_fewer_words(rate: float, pieces: int) -> None:
    """A piece takes about a minute however fast it is spoken; over 120 s, its speech would be paid for in vain."""
    script = SENTENCE * 100
    found = split_script(script, model=MODEL, rate=rate)
    assert len(found) == pieces
    assert " ".join(found) == script.strip()
    assert max(typical_seconds(piece, rate=rate) for piece in found) <= 80


@pytest.mark.parametrize(
    ("options", "rate"),
    [
        ({}, 1.0),
        ({"rate": 0.5}, 0.5),
        ({"rate": 2}, 2.0),
        ({"rate": 0.4}, 1.0),
        ({"rate": "0.5"}, 1.0),
        ({"rate": None}, 1.0),
    ],
)
def test_the_rate_of_a_speech(options: dict[str, object], rate: float) -> None:
    assert speaking_rate(options) == rate
