"""Names of clips: whole characters, one line, nothing of Airflow's own."""

from __future__ import annotations

import pytest
from airflow.serialization.helpers import serialize_template_field

from airflow_provider_videoretalk.ui.clip_name import cut, file_name, untruncated
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef
from airflow_provider_videoretalk.ui.video import Video

FAMILY = "👨\u200d👩\u200d👧"
SCRIPT = "早上好，欢迎来到我们的春季系列。每一件都经久耐用，物有所值，而且今天特别便宜，请大家不要错过这个机会。"


@pytest.mark.parametrize(
    ("text", "longest", "expected"),
    [
        ("Good morning.", 40, "Good morning."),
        ("Good morning.", 4, "Good…"),
        ("two\nlines\tand  blanks", 40, "two lines and blanks"),
        (SCRIPT, 10, "早上好，欢迎来到我们…"),
        # e with an accent of its own, a family, a flag, a hand with a skin tone, a syllable of Hangul letters.
        ("caf" + "e\u0301" * 9, 4, "caf…"),
        ("ab" + FAMILY * 3, 6, "ab…"),
        ("ab" + FAMILY * 3, 8, "ab" + FAMILY + "…"),
        ("🇩🇪🇫🇷🇨🇳", 3, "🇩🇪…"),
        ("a👋🏽b", 2, "a…"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", 4, "\u1112\u1161\u11ab…"),
        ("नमस्ते दुनिया", 3, "नम…"),
        # What has no end is cut anywhere.
        ("e" + "\u0301" * 500, 40, "e" + "\u0301" * 39 + "…"),
        ("a\u202eb\u200bc\x00d", 40, "abc d"),
        ("", 5, ""),
    ],
)
def test_a_text_is_cut_between_characters(text: str, longest: int, expected: str) -> None:
    assert cut(text, longest=longest) == expected


@pytest.mark.parametrize("script", [SCRIPT * 100, 'Good morning. It\'s "new".\n' * 200, "x" * 5000])
def test_what_airflow_has_cut_is_the_beginning_of_the_script(script: str) -> None:
    for stored in (
        str(serialize_template_field(script, "text")),
        # As Airflow 3.1 and 3.2 write it.
        f"Truncated. You can change this behaviour in [core]max_templated_field_length. {script[:300]!r}... ",
    ):
        beginning, is_cut = untruncated(stored)
        assert is_cut
        assert len(beginning) > 250
        assert script.startswith(beginning)


def test_a_script_that_airflow_has_not_cut_is_whole() -> None:
    assert untruncated("Truncated, they said...") == ("Truncated, they said...", False)


def test_a_mark_without_text() -> None:
    mark = "Truncated. You can change this behaviour in [core]max_templated_field_length. ..."
    assert untruncated(mark) == ("", True)


def named(*, map_index: int = -1, **known: str) -> str:
    ref = TaskInstanceRef(dag_id="dag", run_id="r", task_id="retalk", map_index=map_index)
    return Video(ref=ref, state="success", **known).name  # type: ignore[arg-type]


def test_what_a_clip_is_called() -> None:
    assert named(label="Spring, for Anna", language="en", script="Hello.") == "Spring, for Anna"
    assert named(language="en", script="Hello.") == "dag · en · Hello."
    assert named(script=SCRIPT).startswith("dag · 早上好，欢迎来到")
    assert named(script=SCRIPT).endswith("…")
    assert named(language="en") == "dag · en · retalk"
    assert named() == "dag · retalk"
    clips = {named(language="en", script="Hello.", map_index=index) for index in range(3)}
    assert clips == {"dag · en · Hello. · [0]", "dag · en · Hello. · [1]", "dag · en · Hello. · [2]"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Good morning.", "Good morning.mp4"),
        ("dag · zh · 早上好…", "dag - zh - 早上好.mp4"),
        ("../../etc/passwd", "etc passwd.mp4"),
        ('a"b\r\nSet-Cookie: x', "a b Set-Cookie x.mp4"),
        ("...", "video.mp4"),
        ("", "video.mp4"),
    ],
)
def test_a_downloaded_file_has_a_plain_name(name: str, expected: str) -> None:
    assert file_name(name, suffix=".mp4") == expected
