from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.batches.translation_lines import (
    join_lines,
    lines_of,
    lines_of_reply,
    pack_lines,
)
from airflow_provider_videoretalk.dashscope.errors import InputError


def test_a_segment_is_a_line() -> None:
    assert lines_of("Good\n morning.  It is late.", field="f") == ("Good morning. It is late.",)
    assert lines_of(" ", field="f") == ()


def test_a_long_segment_is_cut_where_sentences_end() -> None:
    sentence = "This is a sentence of about sixty letters, as people speak. "
    lines = lines_of(sentence * 40, field="f")
    # Three minutes of speech, in pieces of about one.
    assert len(lines) == 4
    assert all(line.endswith("speak.") for line in lines)
    assert " ".join(lines) == (sentence * 40).strip()


def test_a_segment_that_cannot_be_cut() -> None:
    with pytest.raises(InputError, match=r"^source\.segments\[3\]: the script has no blank"):
        lines_of("a" * 3000, field="source.segments[3]")


def test_lines_are_joined_as_the_language_is_written() -> None:
    assert join_lines(["Gut.", "Ja."], language="de") == "Gut. Ja."
    assert join_lines(["好。", "是。"], language="zh") == "好。是。"
    assert join_lines(["ดี", "ใช่"], language="th") == "ดี ใช่"


def test_packs() -> None:
    assert list(pack_lines(["a" * 1000, "b" * 999, "c", "d"])) == [["a" * 1000, "b" * 999], ["c", "d"]]
    assert list(pack_lines(["字" * 700, "b"])) == [["字" * 700], ["b"]]
    assert [len(pack) for pack in pack_lines(["a"] * 90)] == [40, 40, 10]
    assert list(pack_lines([])) == []


@given(st.lists(st.text(min_size=1, max_size=900), max_size=60))
def test_packs_are_all_lines_in_order(lines: list[str]) -> None:
    packs = list(pack_lines(lines))
    assert [line for pack in packs for line in pack] == lines
    assert all(packs)
    sizes = [len("\n".join(pack).encode("utf-8", "surrogatepass")) for pack in packs if len(pack) > 1]
    assert max(sizes, default=0) <= 2_000
    assert max(map(len, packs), default=0) <= 40


@pytest.mark.parametrize(
    ("reply", "count", "lines"),
    [
        ("a\nb", 2, ["a", "b"]),
        (" a \r\n\n b\n", 2, ["a", "b"]),
        ("a b", 2, None),
        ("a\nb\nc", 2, None),
        ("a\n\n", 2, None),
        ("a\nb", 1, ["a b"]),
        ("", 1, None),
        (" \n", 1, None),
        ("", 2, None),
    ],
)
def test_a_reply_has_as_many_lines_or_none(reply: str, count: int, lines: list[str] | None) -> None:
    assert lines_of_reply(reply, count=count) == lines
