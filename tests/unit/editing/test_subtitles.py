"""Subtitles are timed as the speech is, hold the rules, and say what the script says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from media_files import video
from spoken_sounds import RATE, noise, silence, write_wav

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.speech_pauses import Pause, SpeechSound
from airflow_provider_videoretalk.editing.subtitles import Cue, ScriptPart, Subtitles, make_subtitles, subtitles_of
from airflow_provider_videoretalk.emulator.engine.audio import read_samples
from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak

ENGLISH = [
    "Good morning, and welcome to the morning news.",
    "Today we show how a long video is made from many short ones!",
    "Is it always the same voice?",
    "No, there are more than two hundred of them, in six languages.",
    "After that, the lips are moved so that they match the speech, which takes a few minutes.",
    "At the end, every video is checked, marked, and published in the folder that you chose.",
    "Thank you for watching.",
]
CHINESE = [
    "大家好，欢迎收看今天的节目。",
    "今天我们介绍视频口型替换，也就是让主持人说出新的台词。",
    "声音总是一样的吗？",
    "不是，一共有两百多种声音，支持六种语言。",
    "如果机器在这期间关机了，任务会从停下的地方继续。",
    "谢谢观看，再见。",
]
GERMAN = [
    "Guten Morgen und willkommen zu den Nachrichten.",
    "Das Wetter ist heute warm, und die Menschen sind glücklich.",
    "Zuerst schreibt jemand einen Text, der das Produkt gut kennt.",
    "Ist es immer dieselbe Stimme?",
    "Danach bewegen sich die Lippen so, dass sie zur Sprache passen, was einige Minuten dauert.",
    "Vielen Dank für Ihre Aufmerksamkeit.",
]
SCRIPTS = {"en": ENGLISH, "zh": CHINESE, "de": GERMAN}


def spoken(path: Path, sentences: Sequence[str], *, language: str, pauses: Sequence[float]) -> list[float]:
    """Speaks sentence after sentence into one file, with silence between; the second at which each begins."""
    parts, starts, seconds = [silence(0.4)], [], 0.4
    voices: dict[str, np.ndarray] = {}
    for number, sentence in enumerate(sentences):
        if sentence not in voices:
            speak(text=sentence, voice="a", output=path, language=language)
            samples = np.concatenate(list(read_samples(path, sample_rate=RATE)))
            heard = np.nonzero(np.abs(samples) > 0.01)[0]
            voices[sentence] = samples[heard[0] : heard[-1] + 1]
        starts.append(seconds)
        pause = pauses[number % len(pauses)]
        parts += [voices[sentence], silence(pause)]
        seconds += len(voices[sentence]) / RATE + pause
    sound = np.concatenate(parts)
    write_wav(path, sound + noise(sound, loudness=0.001))
    return starts


def without_spaces(text: str) -> str:
    return "".join(text.split())


def cue_starts(cues: Sequence[Cue], sentences: Sequence[str]) -> list[float | None]:
    """When the cue of each sentence begins; ``None`` if the sentence begins within a cue."""
    starts, shown = {}, 0
    for cue in cues:
        starts[shown] = cue.start
        shown += len(without_spaces("".join(cue.lines)))
    before = [len(without_spaces("".join(sentences[:number]))) for number in range(len(sentences))]
    return [starts.get(length) for length in before]


def errors_of(cues: Sequence[Cue], sentences: Sequence[str], truth: Sequence[float]) -> list[float]:
    found = cue_starts(cues, sentences)
    assert None not in found
    return [abs(start - true) for start, true in zip(found, truth, strict=True) if start is not None]


@pytest.mark.parametrize(
    ("language", "pauses"),
    [("en", (0.6, 0.9, 0.45)), ("zh", (0.6, 0.9, 0.45)), ("de", (0.6, 0.9, 0.45)), ("en", (0.2, 0.3, 0.15))],
)
def test_cues_begin_when_their_sentences_do(tmp_path, language, pauses):
    sentences = SCRIPTS[language]
    truth = spoken(tmp_path / "a.wav", sentences, language=language, pauses=pauses)
    script = ("" if language == "zh" else " ").join(sentences)
    found = make_subtitles(tmp_path / "a.wav", script=script, language=language)
    errors = errors_of(found.cues, sentences, truth)
    assert median(errors) < 0.05
    # A comma's pause can be longer than the next sentence's, and be taken for it.
    assert max(errors) < (0.3 if min(pauses) > 0.4 else 0.8)


USUAL, HURRIED = (0.6, 0.9, 0.45), (0.2, 0.3, 0.15)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("language", "pauses"),
    [*((language, USUAL) for language in SCRIPTS), ("en", HURRIED)],
    ids=[*SCRIPTS, "en, hurried"],
)
def test_cues_of_twenty_minutes(tmp_path, language, pauses):
    """No error grows with the time, without any word of where a piece begins."""
    sentences = SCRIPTS[language] * 66
    truth = spoken(tmp_path / "a.wav", sentences, language=language, pauses=pauses)
    assert truth[-1] > 1200
    script = ("" if language == "zh" else " ").join(sentences)
    found = make_subtitles(tmp_path / "a.wav", script=script, language=language)
    errors = errors_of(found.cues, sentences, truth)
    assert median(errors) < 0.05
    assert sorted(errors)[len(errors) * 8 // 10] < 0.3
    assert max(errors) < 1


def sound(*words: tuple[float, float], seconds: float) -> SpeechSound:
    """A sound that is spoken in these spans."""
    pauses = tuple(Pause(start=end, end=start) for (_, end), (start, _) in pairwise(words))
    return SpeechSound(seconds=seconds, speech_start=words[0][0], speech_end=words[-1][1], pauses=pauses)


def shown(subtitles: Subtitles) -> list[tuple[float, float, tuple[str, ...]]]:
    return [(cue.start, cue.end, cue.lines) for cue in subtitles.cues]


def test_words_and_times():
    heard = sound((0.5, 2.5), (3.5, 4.5), seconds=6)
    found = subtitles_of(heard, script="Two seconds of speech are spoken. And then one more.", language="en")
    assert shown(found) == [
        (0.5, 3.416, ("Two seconds of speech are spoken.",)),
        (3.5, 5.0, ("And then one more.",)),
    ]


def test_a_pause_without_punctuation_is_between_words():
    heard = sound((0, 2), (4, 6), seconds=6)
    found = subtitles_of(heard, script="somebody who speaks quite slowly thinks for some moments", language="en")
    assert [(cue.start, cue.end) for cue in found.cues] == [(0, 2.5), (4, 6)]
    assert found.cues[0].lines == ("somebody who speaks quite",)


def test_a_comma_without_a_pause_takes_none():
    heard = sound((0, 3), (3.6, 6.6), seconds=7)
    script = "Red, green, blue, and yellow are colours. Some people, like me, see all of them."
    found = subtitles_of(heard, script=script, language="en")
    assert [cue.start for cue in found.cues] == [0, 3.6]


def test_parts_are_where_they_are_said_to_be():
    """Two pieces of an equal text, of which one is spoken slowly. Without the parts, nothing would show it."""
    heard = SpeechSound(seconds=30, speech_start=0, speech_end=30, pauses=())
    script = "This is spoken in either five or in twenty-five seconds."
    parts = [ScriptPart(start=0, end=5, text=script), ScriptPart(start=5, end=30, text=script)]
    found = subtitles_of(heard, script=parts, language="en")
    second = next(cue for cue in found.cues if cue.start >= 5)
    assert (second.start, second.lines[0].split()[:2]) == (5, ["This", "is"])
    assert [cue for cue in found.cues if cue.start < 5 < cue.end] == []


def test_the_silence_at_a_seam_belongs_to_no_part():
    heard = sound((0.2, 4.8), (5.2, 9.8), seconds=10)
    parts = [ScriptPart(start=0, end=5, text="The first piece."), ScriptPart(start=5, end=10, text="The second one.")]
    assert [cue.start for cue in subtitles_of(heard, script=parts).cues] == [0.2, 5.2]


def lines_of(script: str, language: str | None, *, seconds: float = 10) -> list[tuple[str, ...]]:
    heard = SpeechSound(seconds=seconds, speech_start=0, speech_end=seconds, pauses=())
    return [cue.lines for cue in subtitles_of(heard, script=script, language=language).cues]


@pytest.mark.parametrize(
    ("language", "script", "lines"),
    [
        (
            "en",
            "The weather is warm today, and the people of the town are happy.",
            [("The weather is warm today,", "and the people of the town are happy.")],
        ),
        (
            "en",
            "Nobody in this town remembers who built the bridge over the river.",
            [("Nobody in this town remembers", "who built the bridge over the river.")],
        ),
        (
            "de",
            "Wir zeigen heute zum ersten Mal, dass das alles gar nicht teuer ist.",
            [("Wir zeigen heute zum ersten Mal,", "dass das alles gar nicht teuer ist.")],
        ),
        ("zh", "今天我们介绍视频口型替换，也就是新的台词。", [("今天我们介绍视频口型替换，", "也就是新的台词。")]),
        ("zh", "它叫VideoRetalk，价格是0.08元。", [("它叫VideoRetalk，价格是0.08元。",)]),
        ("zh", "它的名字叫VideoRetalk，价格只有0.08元。", [("它的名字叫VideoRetalk，", "价格只有0.08元。")]),
        (None, "他说：“这是我们今年做的最好的一个视频。”大家都同意。", None),
        (
            "ja",
            "今日は暖かくて、コンピューターも人も元気です。",
            [("今日は暖かくて、", "コンピューターも人も元気です。")],
        ),
        ("ko", "오늘은 짧은 비디오로 긴 비디오를 만드는 방법을 소개합니다.", None),
        ("th", "วันนี้เราจะแสดงวิธีทำวิดีโอยาวจากวิดีโอสั้นหลายๆ ตัว", None),
    ],
)
def test_breaks(language, script, lines):
    found = lines_of(script, language, seconds=6)
    if lines is not None:
        assert found == lines
    every = [line for cue in found for line in cue]
    assert not any(line[0] in "，。！？：”」、" or line[-1] in "“「" for line in every)
    assert not any(unicodedata.combining(line[0]) for line in every)


def test_a_heading_is_a_cue_of_its_own():
    assert lines_of("News of the day\n\nIt is warm today.", "en") == [("News of the day",), ("It is warm today.",)]


@pytest.mark.parametrize("script", ["Dr. Smith paid 3.50 to Mr. J. Miller, e.g. for tea", "Am 3. Oktober, d.h. bald"])
def test_a_point_that_ends_no_sentence(script):
    assert lines_of(script, "en", seconds=6) == [tuple(lines_of(script, "en", seconds=6)[0])]


def test_the_tags_of_ssml_are_not_shown():
    script = (
        '<speak rate="1.1">Hello <break time="500ms"/>A&amp;B, <say-as interpret-as="cardinal">12</say-as> '
        "of <!-- not this --> them.</speak>"
    )
    assert lines_of(script, "en", seconds=3) == [("Hello A&B, 12 of them.",)]


def test_angle_brackets_of_another_script_are_shown():
    assert lines_of("a <b> c", "en", seconds=1) == [("a <b> c",)]


@pytest.mark.parametrize("language", ["sw", "Klingon"])
def test_a_language_without_rules_is_told(language, caplog):
    with caplog.at_level("INFO"):
        found = subtitles_of(sound((0, 2), seconds=2), script="Habari za asubuhi.", language=language)
    assert found.notes == (f"subtitles in {language!r} follow the general rules: this language has none of its own",)
    assert caplog.text.count("has none of its own") == 1


@pytest.mark.parametrize(
    ("language", "code"), [("en", "en"), ("English", "en"), ("zh-CN", "zh"), ("Chinese", "zh"), ("pt_BR", "pt")]
)
def test_a_language_with_rules(language, code):
    found = subtitles_of(sound((0, 2), seconds=2), script="Good morning.", language=language)
    assert (found.language, found.notes) == (code, ())


def test_no_language_is_no_note():
    assert subtitles_of(sound((0, 2), seconds=2), script="Habari.").notes == ()


def test_a_script_without_words_is_refused():
    with pytest.raises(InputError, match="the script has no words to show"):
        subtitles_of(sound((0, 2), seconds=2), script=" \n ")


def test_a_script_of_another_speech_is_refused():
    with pytest.raises(InputError, match=r"about 1289 letters, and welcome\.mp4 has 2\.0 s of speech: at most 60"):
        subtitles_of(sound((0, 2), seconds=2), script="letters tell " * 117 + "no", field="welcome.mp4")


def test_a_video_without_sound_is_refused(tmp_path):
    with pytest.raises(InputError, match="the video has no sound"):
        make_subtitles(video(tmp_path / "a.mp4"), script="Hello.")


# Letters of many scripts, punctuation, emoji with joiners, control characters, and what means something in SRT and VTT.
_WORDS = st.one_of(
    st.sampled_from(["Hello,", "world.", "和", "视频口型", "。", "ありがとう", "コンピューター", "비디오", "สวัสดีครับ"]),
    st.sampled_from(["مرحبا", "00:00:01,000", "1", "x" * 90]),
    st.sampled_from(["-->", "<i>", "{\\an8}", "&amp;", "👩‍👩‍👧", "e\u0301", "\x00", "\u202e"]),
    st.text(max_size=12),
)
_SCRIPTS = st.lists(_WORDS, min_size=1, max_size=60).map(" ".join)
_LENGTHS = st.lists(st.floats(0.02, 4), min_size=1, max_size=30)


@st.composite
def _sounds(draw: st.DrawFn) -> SpeechSound:
    """Words and pauses in turn, beginning with silence."""
    moment, words = 0.0, []
    for length in draw(_LENGTHS):
        start = moment + draw(st.floats(0.15, 3))
        moment = start + length
        words.append((start, moment))
    return sound(*words, seconds=moment + draw(st.floats(0, 2)))


@given(script=_SCRIPTS, heard=_sounds(), language=st.sampled_from([None, "en", "zh", "ja", "th", "ko", "sw", "German"]))
@example(script="a " * 40, heard=sound((1, 1.9), (2.2, 2.22), seconds=3), language="en")
def test_any_script(script, heard, language):
    try:
        found = subtitles_of(heard, script=script, language=language)
    except InputError as error:
        # What such a script lacks, other tests tell.
        assume(not re.search("no words to show|letters are spoken in a second", str(error)))
        raise
    cues = found.cues
    assert all(0 <= cue.start < cue.end for cue in cues)
    assert all(one.end <= other.start for one, other in pairwise(cues))
    assert all(1 <= len(cue.lines) <= 2 and all(line.strip() for line in cue.lines) for cue in cues)
    assert max(width(line) for cue in cues for line in cue.lines) <= 42
    assert all(cue.end - cue.start <= 7.6 or len(cue.lines) == len("".join(cue.lines).split()) for cue in cues)
    plain = "".join(c for c in unicodedata.normalize("NFC", script) if unicodedata.category(c) not in ("Cc", "Cs"))
    assert without_spaces("".join(line for cue in cues for line in cue.lines)) == without_spaces(plain)


def width(line: str) -> int:
    """Columns, as a terminal counts them."""
    seen = [c for c in line if unicodedata.category(c) not in ("Mn", "Me", "Cf")]
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in seen)
