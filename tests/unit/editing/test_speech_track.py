"""Speeches on one time line: each where it belongs, faster where it has to be, and at its own pitch."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from spoken_sounds import RATE, silence, word, write_coded, write_wav

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.speech_pauses import find_pauses
from airflow_provider_videoretalk.editing.speech_track import TRACK_RATE, TrackSpeech, write_speech_track


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, TRACK_RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def loudest_frequency(sound: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(sound)).argmax() * TRACK_RATE / len(sound))


def test_each_speech_is_in_its_place(tmp_path: Path) -> None:
    first = write_wav(tmp_path / "first.wav", word(1))
    second = write_coded(tmp_path / "second.mp3", word(0.5), codec="libmp3lame", container="mp3")
    target = tmp_path / "track.wav"
    seconds = write_speech_track(
        [TrackSpeech(path=first, start=0.5), TrackSpeech(path=second, start=3)], target, seconds=6
    )
    assert seconds == 6
    sound = find_pauses(target)
    assert (sound.seconds, sound.speech_start) == (6, pytest.approx(0.5, abs=0.02))
    (pause,) = sound.pauses
    assert (pause.start, pause.end) == (pytest.approx(1.5, abs=0.03), pytest.approx(3, abs=0.05))
    assert np.abs(samples(target)[: round(0.49 * TRACK_RATE)]).max() == 0


def test_a_faster_speech_is_shorter_at_the_same_pitch(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", word(2))
    slow, fast = tmp_path / "slow.wav", tmp_path / "fast.wav"
    assert write_speech_track([TrackSpeech(path=path, start=0)], slow, seconds=0) == pytest.approx(2, abs=0.01)
    assert write_speech_track([TrackSpeech(path=path, start=0, tempo=1.25)], fast, seconds=0) == pytest.approx(
        1.6, abs=0.05
    )
    assert loudest_frequency(samples(fast)) == pytest.approx(loudest_frequency(samples(slow)), rel=0.03)


def test_a_speech_waits_for_the_end_of_the_one_before_it(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", word(1))
    speeches = [TrackSpeech(path=path, start=0), TrackSpeech(path=path, start=0.4)]
    assert write_speech_track(speeches, tmp_path / "track.wav", seconds=1) == pytest.approx(2, abs=0.01)


def test_stereo_and_other_rates_become_mono(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(np.repeat((word(1) * 32767).astype("<i2"), 4).tobytes())
    assert write_speech_track([TrackSpeech(path=path, start=0)], tmp_path / "t.wav", seconds=0) == pytest.approx(
        1, abs=0.01
    )
    assert np.abs(samples(tmp_path / "t.wav")).max() > 0.2


def test_nothing_to_say_is_silence(tmp_path: Path) -> None:
    assert write_speech_track([], tmp_path / "t.wav", seconds=2) == 2
    assert not samples(tmp_path / "t.wav").any()


@pytest.mark.parametrize("wrong", [{"start": -1}, {"tempo": 0.4}, {"tempo": 2.1}])
def test_a_value_out_of_range_is_refused_before_anything_is_written(tmp_path: Path, wrong: dict[str, float]) -> None:
    path = write_wav(tmp_path / "a.wav", silence(1))
    with pytest.raises(InputError, match=r"allowed are times from 0 on, and a tempo of 0\.5 to 2"):
        write_speech_track([TrackSpeech(**{"path": path, "start": 0.0} | wrong)], tmp_path / "t.wav", seconds=1)
    assert not (tmp_path / "t.wav").exists()


def test_a_speech_that_cannot_be_decoded_leaves_no_track(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_bytes(b"no sound" * 50)
    with pytest.raises(InputError, match="the speech is "):
        write_speech_track([TrackSpeech(path=path, start=0)], tmp_path / "t.wav", seconds=1)
    assert not (tmp_path / "t.wav").exists()
    assert RATE == TRACK_RATE
