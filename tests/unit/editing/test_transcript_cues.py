"""Subtitles of sentences whose times are known."""

from __future__ import annotations

from itertools import pairwise

import pytest

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.subtitles import ScriptPart
from airflow_provider_videoretalk.editing.transcript_cues import subtitles_of_transcript


def part(start: float, end: float, text: str) -> ScriptPart:
    return ScriptPart(start=start, end=end, text=text)


def test_each_sentence_is_shown_when_it_is_said() -> None:
    cues = subtitles_of_transcript(
        [part(1, 3, "Good morning, and welcome."), part(5, 7.5, "The weather is warm.")]
    ).cues
    assert [(cue.start, cue.lines) for cue in cues] == [
        (1.0, ("Good morning, and welcome.",)),
        (5.0, ("The weather is warm.",)),
    ]
    assert 3 <= cues[0].end < 5


def test_a_long_sentence_has_several_cues_in_its_time() -> None:
    text = "We begin with the weather, which is warm today, and then we come to the news of the town, which are good. "
    cues = subtitles_of_transcript([part(10, 22, text.strip()), part(22, 24, "Bye.")], language="en").cues
    assert len(cues) >= 3
    assert cues[0].start == 10.0
    assert all(one.end <= other.start for one, other in pairwise(cues))
    assert cues[-1].lines == ("Bye.",)
    assert cues[-1].start == pytest.approx(22, abs=0.05)


def test_two_who_speak_at_once_are_shown_one_after_the_other() -> None:
    cues = subtitles_of_transcript([part(0, 4, "I say this now."), part(2, 5, "And I say that.")]).cues
    assert [cue.lines[0] for cue in cues] == ["I say this now.", "And I say that."]
    assert cues[0].end <= cues[1].start


def test_no_words() -> None:
    with pytest.raises(InputError, match="the script has no words to show"):
        subtitles_of_transcript([])
