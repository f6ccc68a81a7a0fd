"""Samples of voices: what is refused, what is measured, and how the voices made of them sound."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from airflow_provider_videoretalk.emulator.engine.audio import read_samples, resample, write_audio
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak
from airflow_provider_videoretalk.emulator.engine.voice_sample import measure_voice
from airflow_provider_videoretalk.model_catalog.voices import COSYVOICE, QWEN_TTS

RATE = 24_000
WORDS = "Good evening, and thank you for listening. Here is the news of the day, read in a voice of its own."
LONGER = f"{WORDS} The weather stays warm, and the trains are on time."
CHINESE = "你好，这是视频口型替换的演示。你听到的声音是在本机合成的。"

Sound = NDArray[np.float32]


def tone(seconds: float, hertz: float = 150.0) -> Sound:
    """A buzz with the overtones of a voice."""
    moments = np.arange(round(seconds * RATE)) / RATE
    waves = [np.sin(2 * np.pi * hertz * overtone * moments) / overtone for overtone in range(1, 6)]
    return (0.2 * np.sum(waves, axis=0)).astype(np.float32)


def pause(seconds: float) -> Sound:
    return np.zeros(round(seconds * RATE), np.float32)


def written(path: Path, *sounds: Sound, rate: int = RATE) -> Path:
    samples = resample(np.concatenate(sounds), from_rate=RATE, to_rate=rate)
    write_audio(samples, path, audio_format="mp3" if path.suffix == ".mp3" else "wav", sample_rate=rate)
    return path


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A high and a low person, read by the synthesiser at another sample rate."""
    folder = tmp_path_factory.mktemp("samples")
    plain = folder / "plain.wav"
    speak(text=LONGER, voice="a", output=plain)
    samples = np.concatenate(list(read_samples(plain, sample_rate=RATE)))
    found = {}
    for name, factor in (("high", 1.3), ("low", 0.7)):
        found[name] = folder / f"{name}.wav"
        changed = resample(samples, from_rate=round(RATE * factor), to_rate=RATE)
        write_audio(changed, found[name], audio_format="wav", sample_rate=RATE)
    return found


@pytest.mark.parametrize("hertz", [90.0, 150.0, 220.0, 330.0])
def test_the_pitch_is_measured(tmp_path: Path, hertz: float) -> None:
    measured = measure_voice(written(tmp_path / "a.wav", tone(6, hertz)), COSYVOICE)
    assert measured.hertz == pytest.approx(hertz, rel=0.03)


def test_noise_has_no_pitch(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 6 * RATE).astype(np.float32)
    assert measure_voice(written(tmp_path / "a.wav", noise), COSYVOICE).hertz is None


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_real_speech_in_each_format(tmp_path: Path, recordings: dict[str, Path], suffix: str) -> None:
    samples = np.concatenate(list(read_samples(recordings["high"], sample_rate=RATE)))
    measured = measure_voice(written(tmp_path / f"a{suffix}", samples), QWEN_TTS)
    assert measured.hertz is not None
    assert 200 < measured.hertz < 330
    assert 0.85 <= measured.pace <= 1.15


def test_m4a(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    with av.open(path, mode="w", format="ipod") as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        for start in range(0, 6 * RATE, 1024):
            frame = av.AudioFrame.from_ndarray(tone(6)[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert measure_voice(path, QWEN_TTS).hertz == pytest.approx(150, rel=0.03)


def refusal(path: Path, dialect: object = COSYVOICE) -> str | None:
    with pytest.raises(MediaRefusedError) as caught:
        measure_voice(path, dialect)  # type: ignore[arg-type]
    return caught.value.code


def test_a_short_sample(tmp_path: Path) -> None:
    assert refusal(written(tmp_path / "a.wav", tone(4.9))) == "Audio.AudioShortError"
    measure_voice(written(tmp_path / "b.wav", tone(5)), COSYVOICE)
    assert refusal(written(tmp_path / "c.wav", tone(2.9)), QWEN_TTS) == "Audio.AudioShortError"
    measure_voice(written(tmp_path / "d.wav", tone(3)), QWEN_TTS)


def test_a_long_pause_ends_continuous_speech(tmp_path: Path) -> None:
    measure_voice(written(tmp_path / "a.wav", tone(3), pause(1.9), tone(3)), COSYVOICE)
    assert refusal(written(tmp_path / "b.wav", tone(3), pause(2.2), tone(3))) == "Audio.AudioShortError"


def test_a_long_sample(tmp_path: Path) -> None:
    assert refusal(written(tmp_path / "a.wav", tone(60.5))) == "BadRequest.UnsupportedFileFormat"


def test_a_silent_sample(tmp_path: Path) -> None:
    assert refusal(written(tmp_path / "a.wav", pause(8))) == "Audio.AudioSilentError"
    assert refusal(written(tmp_path / "b.wav", tone(8) * np.float32(0.001))) == "Audio.AudioSilentError"


def test_a_low_rate(tmp_path: Path) -> None:
    assert refusal(written(tmp_path / "a.wav", tone(6), rate=8000)) == "Audio.AudioRateError"
    measure_voice(written(tmp_path / "b.wav", tone(6), rate=16_000), COSYVOICE)
    assert refusal(tmp_path / "b.wav", QWEN_TTS) == "Audio.AudioRateError"


def test_two_channels(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(path, mode="w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="stereo")
        both = np.repeat((tone(6) * 32767).astype(np.int16), 2)[None]
        frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    measure_voice(path, COSYVOICE)
    assert refusal(path, QWEN_TTS) == "Audio.PreprocessError"


def test_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"OggS and more")
    assert refusal(tmp_path / "a.wav") == "BadRequest.UnsupportedFileFormat"
    (tmp_path / "b.wav").write_bytes(b"no media at all")
    assert refusal(tmp_path / "b.wav") == "Audio.DecoderError"
    (tmp_path / "c.wav").write_bytes(written(tmp_path / "d.wav", tone(6)).read_bytes()[:40])
    assert refusal(tmp_path / "c.wav") == "Audio.DecoderError"
    with av.open(tmp_path / "e.wav", mode="w", format="wav") as container:
        stream = container.add_stream("pcm_s24le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((tone(6) * 2**30).astype(np.int32)[None], format="s32", layout="mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert refusal(tmp_path / "e.wav") == "BadRequest.UnsupportedFileFormat"


@pytest.mark.parametrize("text", [WORDS, CHINESE])
def test_two_samples_make_two_voices_of_their_own_pitches(
    tmp_path: Path, recordings: dict[str, Path], text: str
) -> None:
    spoken = {}
    for name, sample in recordings.items():
        traits = measure_voice(sample, COSYVOICE)
        path = tmp_path / f"{name}.wav"
        speak(text=text, voice="the-same-name", output=path, hertz=traits.hertz, pace=traits.pace)
        spoken[name] = measure_voice(path, COSYVOICE).hertz or 0.0
    assert spoken["high"] > 1.25 * spoken["low"] > 0
