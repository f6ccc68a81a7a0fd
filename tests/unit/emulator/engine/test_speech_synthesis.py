"""Spoken text, heard back by a recogniser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from recognition import heard_share

from airflow_provider_videoretalk.emulator.engine import speech_synthesis as speech_module
from airflow_provider_videoretalk.emulator.engine.audio import read_samples
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError, SpeechUnavailableError
from airflow_provider_videoretalk.emulator.engine.inspection import inspect_audio
from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak

ROOT = Path(__file__).parents[4]
SENTENCE = "Good morning, and welcome to the morning news. The weather is warm and the people are happy."
CHINESE = "你好，这是视频口型替换的演示。你听到的声音是在本机合成的。"


def sound_of(path: Path, *, sample_rate: int = 16000) -> np.ndarray:
    return np.concatenate(list(read_samples(path, sample_rate=sample_rate)))


def pitch_of(path: Path) -> float:
    """Median pitch in Hz of the voiced parts, by autocorrelation."""
    samples = sound_of(path)
    pitches = []
    for start in range(0, len(samples) - 1024, 512):
        piece = samples[start : start + 1024]
        if np.sqrt(np.mean(piece**2)) < 0.08:
            continue
        likeness = np.correlate(piece, piece, "full")[1023:]
        lag = 40 + int(np.argmax(likeness[40:200]))
        if likeness[lag] > 0.5 * likeness[0]:
            pitches.append(16000 / lag)
    return float(np.median(pitches))


def test_english_is_understood(speech):
    assert heard_share(speech, SENTENCE) >= 0.6
    assert 4 < inspect_audio(speech).seconds < 8


def test_the_seconds_reported_are_the_seconds_written(tmp_path):
    path = tmp_path / "a.wav"
    seconds = speak(text="One, two, three, four, five, six.", voice="a", output=path)
    assert inspect_audio(path).seconds == pytest.approx(seconds, abs=1e-6)


def test_speech_is_loud_and_starts_and_ends_in_silence(speech):
    samples = sound_of(speech, sample_rate=24000)
    assert np.sqrt(np.mean(samples**2)) > 0.03
    assert 0.3 < np.abs(samples).max() <= 0.92
    assert np.abs(samples[:1200]).max() < 0.01
    assert np.abs(samples[-1200:]).max() < 0.01


@pytest.mark.parametrize("voice", ["Cherry", "Ethan"])
def test_chinese_is_spoken(tmp_path, voice):
    path = tmp_path / "a.wav"
    seconds = speak(text=CHINESE, voice=voice, output=path, language="Chinese")
    assert 4 < seconds < 12
    assert np.sqrt(np.mean(sound_of(path) ** 2)) > 0.03


def test_english_words_with_chinese_ones_are_not_left_to_the_english_voice(tmp_path):
    both = speak(text="Hello 你好，这是视频口型替换的演示。", voice="a", output=tmp_path / "a.wav", language="English")
    english = speak(text="Hello", voice="a", output=tmp_path / "b.wav", language="English")
    assert both > english + 1


@pytest.mark.parametrize(
    ("text", "language"), [("Guten Morgen", "German"), ("Привет", None), ("こんにちは", "ja"), ("Kamusta ka", "fil")]
)
def test_other_languages_are_spoken(tmp_path, text, language):
    assert speak(text=text, voice="a", output=tmp_path / "a.wav", language=language) > 0.4


def test_espeak_english_where_the_neural_voice_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_module, "is_installed", lambda name: name != "hibari")
    assert speak(text=SENTENCE, voice="a", output=tmp_path / "a.wav") > 3


def test_missing_engines_are_named_by_their_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_module, "is_installed", lambda _: False)
    with pytest.raises(SpeechUnavailableError, match=r"\[espeak\]' or .*\[emulator\]'"):
        speak(text="Hello", voice="a", output=tmp_path / "a.wav")
    with pytest.raises(SpeechUnavailableError, match=r"videoretalk\[espeak\]'$"):
        speak(text="你好", voice="a", output=tmp_path / "a.wav")


@pytest.mark.parametrize("text", ["", "  \n", "...?!", "🙂"])
def test_text_without_words_is_refused(tmp_path, text):
    with pytest.raises(MediaRefusedError) as caught:
        speak(text=text, voice="a", output=tmp_path / "a.wav")
    assert caught.value.code == "InvalidParameter"
    assert not (tmp_path / "a.wav").exists()


def test_a_voice_is_always_the_same_and_voices_differ(tmp_path):
    def spoken(voice: str) -> Path:
        path = tmp_path / f"{voice}.wav"
        speak(text=SENTENCE, voice=voice, output=path)
        return path

    first = spoken("Cherry").read_bytes()
    assert spoken("Cherry").read_bytes() == first
    pitches = [pitch_of(spoken(voice)) for voice in ("Cherry", "Ethan", "longanyang", "Serena")]
    assert max(pitches) / min(pitches) > 1.04


@pytest.mark.parametrize("text", [SENTENCE, CHINESE])
def test_rate_changes_the_length(tmp_path, text):
    slow, plain, fast = (speak(text=text, voice="a", output=tmp_path / "a.wav", rate=rate) for rate in (0.7, 1.0, 1.5))
    assert slow > 1.15 * plain > 1.15 * 1.15 * fast


@pytest.mark.parametrize(
    ("audio_format", "sample_rate", "container", "stored"),
    [
        ("wav", 8000, "wav", 8000),
        ("wav", 48000, "wav", 48000),
        ("mp3", 22050, "mp3", 22050),
        ("opus", 22050, "ogg", 48000),
        ("opus", 16000, "ogg", 48000),
    ],
)
def test_formats(tmp_path, audio_format, sample_rate, container, stored):
    path = tmp_path / "a.sound"
    seconds = speak(
        text="Good morning to you.", voice="a", output=path, audio_format=audio_format, sample_rate=sample_rate
    )
    with av.open(path, format=container) as file:
        assert file.streams.audio[0].rate == stored
        total = sum(frame.samples for frame in file.decode(audio=0))
    assert total / stored == pytest.approx(seconds, abs=0.08)


def test_pcm_is_bare_samples(tmp_path):
    path = tmp_path / "a.pcm"
    seconds = speak(text="Good morning.", voice="a", output=path, audio_format="pcm", sample_rate=16000)
    samples = np.frombuffer(path.read_bytes(), "<i2")
    assert len(samples) == round(seconds * 16000)
    assert np.abs(samples).max() > 8000


def test_the_gpl_library_stays_in_its_own_process(tmp_path):
    program = (
        "import sys, pathlib; from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak;"
        f"speak(text='你好', voice='a', output=pathlib.Path({str(tmp_path / 'a.wav')!r}));"
        "assert not [name for name in sys.modules if 'espeak' in name];"
        "assert 'espeak' not in pathlib.Path('/proc/self/maps').read_text()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_espeak_reads_its_data_from_a_deep_folder(tmp_path):
    """The library's own buffer for this path holds 160 bytes."""
    import espeakng_loader

    deep = tmp_path.joinpath(*["deep-folder-name-for-a-long-path"] * 6)
    deep.mkdir(parents=True)
    (deep / "espeakng_loader").symlink_to(Path(espeakng_loader.__file__).parent, target_is_directory=True)
    module = "airflow_provider_videoretalk.emulator.engine.espeak"
    path = tmp_path / "a.wav"
    check = "import espeakng_loader; assert len(espeakng_loader.get_data_path()) > 200"
    environment = {"PYTHONPATH": f"{deep}:{ROOT}"}
    subprocess.run([sys.executable, "-c", check], check=True, env=environment)
    subprocess.run(
        [sys.executable, "-m", module, "--voice=cmn", f"--output={path}"],
        input="你好".encode(),
        check=True,
        env=environment,
    )
    assert inspect_length(path) > 0.4


def inspect_length(path: Path) -> float:
    return len(sound_of(path)) / 16000


def test_unknown_voice_of_espeak_is_reported(tmp_path):
    finished = subprocess.run(
        [sys.executable, "-m", speech_module._ESPEAK_MODULE, "--voice=nonsense", f"--output={tmp_path / 'a.wav'}"],
        input=b"hello",
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert finished.returncode == 1
    assert b"no voice nonsense" in finished.stderr
