"""The emulator recognises its own speech in any recording, and when its words are spoken."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from spoken_sounds import RATE, film, noise, silence, words_and_pauses, write_coded, write_wav

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.engine.speech_recognition import UNKNOWN_TEXT, Sentence, recognise
from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak
from airflow_provider_videoretalk.emulator.engine.transcript import transcript_of
from airflow_provider_videoretalk.emulator.service.spoken_text import SpokenText

FIRST = "Good morning, and welcome. The weather is warm today."
SECOND = "Our shop opens at nine. Come and see the new collection."


def spoken(folder: Path, name: str, text: str, *, voice: str = "Cherry") -> SpokenText:
    path = folder / f"{name}.wav"
    speak(text=text, voice=voice, output=path, sample_rate=RATE)
    return SpokenText(path=path, text=text, language="en", voice=voice)


def samples(speech: SpokenText) -> np.ndarray:
    with wave.open(str(speech.path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("speeches")


@pytest.fixture(scope="module")
def first(folder: Path) -> SpokenText:
    return spoken(folder, "first", FIRST)


@pytest.fixture(scope="module")
def second(folder: Path) -> SpokenText:
    return spoken(folder, "second", SECOND, voice="Ethan")


def texts(sentences: tuple[Sentence, ...]) -> list[str]:
    return [sentence.text for sentence in sentences]


def test_two_speeches_in_a_film(first: SpokenText, second: SpokenText, tmp_path: Path) -> None:
    before = 1.5
    sound = np.concatenate([silence(before), samples(first), silence(1), samples(second), silence(0.5)])
    found = recognise(film(tmp_path / "film.mp4", sound), [second, first])
    assert texts(found.sentences) == [
        "Good morning, and welcome.",
        "The weather is warm today.",
        "Our shop opens at nine.",
        "Come and see the new collection.",
    ]
    assert [sentence.voice for sentence in found.sentences] == ["Cherry", "Cherry", "Ethan", "Ethan"]
    assert {sentence.language for sentence in found.sentences} == {"en"}
    assert found.seconds == pytest.approx(len(sound) / RATE, abs=0.1)
    alone = recognise(first.path, [first]).sentences
    words = [word for sentence in found.sentences[:2] for word in sentence.words]
    assert [word.text for word in words] == FIRST.split()
    for word, reference in zip(words, (word for sentence in alone for word in sentence.words), strict=True):
        assert word.start == pytest.approx(before + reference.start, abs=0.08)
        assert word.start < word.end
    starts = [word.start for sentence in found.sentences for word in sentence.words]
    assert starts == sorted(starts)


@pytest.mark.parametrize(("codec", "container"), [("aac", "adts"), ("libmp3lame", "mp3"), ("flac", "flac")])
def test_a_codec_and_some_noise_change_nothing(
    first: SpokenText, second: SpokenText, tmp_path: Path, codec: str, container: str
) -> None:
    sound = samples(first)
    loud = sound + noise(sound, loudness=0.001)
    path = write_coded(tmp_path / "sound", loud, codec=codec, container=container)
    assert texts(recognise(path, [second, first]).sentences) == [
        "Good morning, and welcome.",
        "The weather is warm today.",
    ]


def test_a_speech_that_is_heard_twice(first: SpokenText, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "twice.wav", np.concatenate([samples(first), silence(1), samples(first)]))
    assert len(recognise(path, [first]).sentences) == 4


def test_other_speech_is_cut_at_its_pauses_only(first: SpokenText, second: SpokenText, tmp_path: Path) -> None:
    """The same words of another voice, and sounds as loud as speech, are not what was spoken."""
    path = write_wav(tmp_path / "other.wav", words_and_pauses(0.5, 1.0, 0.8, 1.2, 0.3, 0.5, 0.5))
    sentences = recognise(path, [first, second]).sentences
    assert texts(sentences) == [UNKNOWN_TEXT, UNKNOWN_TEXT]
    assert [round(sentence.start, 1) for sentence in sentences] == [0.5, 2.3]
    assert [round(sentence.end, 1) for sentence in sentences] == [1.5, 4.3]
    assert set(texts(recognise(first.path, [second]).sentences)) == {UNKNOWN_TEXT}


def test_silence_has_no_sentence(first: SpokenText, tmp_path: Path) -> None:
    assert recognise(write_wav(tmp_path / "silent.wav", silence(3)), [first]).sentences == ()


def test_a_known_speech_whose_file_is_gone_is_not_recognised(first: SpokenText, tmp_path: Path) -> None:
    gone = SpokenText(path=tmp_path / "gone.wav", text="x", language=None, voice="v")
    assert len(recognise(first.path, [gone, first]).sentences) == 2


def test_no_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_bytes(b"no media" * 100)
    with pytest.raises(MediaRefusedError) as caught:
        recognise(path, [])
    assert caught.value.code == "InvalidFile.Format"


def test_the_transcript_of_two_speakers(first: SpokenText, second: SpokenText, tmp_path: Path) -> None:
    sound = np.concatenate([samples(first), silence(1), samples(second)])
    recognised = recognise(write_wav(tmp_path / "both.wav", sound), [first, second])
    transcript = transcript_of(recognised, url="https://h/both.wav", has_words=True, has_speakers=True)
    (channel,) = transcript["transcripts"]
    assert channel["text"] == f"{FIRST} {SECOND}"
    assert [sentence["speaker_id"] for sentence in channel["sentences"]] == [0, 0, 1, 1]
    opening = channel["sentences"][0]
    assert [(word["text"], word["punctuation"]) for word in opening["words"]] == [
        ("Good", ""),
        ("morning", ","),
        ("and", ""),
        ("welcome", "."),
    ]
    assert opening["begin_time"] == opening["words"][0]["begin_time"]
    plain = transcript_of(recognised, url="", has_words=False, has_speakers=False)
    assert {"words", "speaker_id"}.isdisjoint(plain["transcripts"][0]["sentences"][0])
