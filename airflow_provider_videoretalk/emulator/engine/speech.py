"""Text to speech without a network.

Two engines: hibari, a small neural voice for English, and espeak-ng, robotic but at home in a hundred languages. hibari
answers East Asian text with silence instead of an error, so the script of the text decides who is asked.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import unicodedata
import wave
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from airflow_provider_videoretalk.emulator.engine.language import language_of, scripts_in
from airflow_provider_videoretalk.emulator.engine.refusal import MediaRefusedError, SpeechUnavailableError
from airflow_provider_videoretalk.emulator.engine.sound import (
    AudioFormat,
    Samples,
    levelled,
    resampled,
    write_sound,
)

_ESPEAK_MODULE = "airflow_provider_videoretalk.emulator.engine.espeak"
_ESPEAK_NAMES = {"zh": "cmn", "en": "en-us", "pt": "pt-br"}
_ESPEAK_READS_LATIN = "en-us"
_ESPEAK_WORDS_PER_MINUTE = 165
_ESPEAK_SECONDS = 120

_HIBARI_RATE = 24000
_QUIET_EDGE = 0.08

# Fullwidth stops, corner brackets and curly quotation marks, as found in English typed on an East Asian keyboard.
_ASCII_PUNCTUATION = {0x3002: ".", 0x3001: ",", 0x300A: '"', 0x300B: '"', 0x300C: '"', 0x300D: '"'}
_ASCII_PUNCTUATION |= {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"'}


@dataclass(frozen=True, kw_only=True)
class _Timbre:
    """What sets one voice name apart from another.

    :param pitch: factor on the pitch of the engine's own voice
    :param pace: factor on its speed
    """

    pitch: float
    pace: float


def speak(
    *,
    text: str,
    voice: str,
    output: Path,
    audio_format: AudioFormat = "wav",
    sample_rate: int = 24000,
    rate: float = 1.0,
    language: str | None = None,
) -> float:
    """Speak a text into a file.

    :param voice: any name; each has its own pitch and speed, the same every time
    :param output: file to write, of ``audio_format`` whatever its name
    :param sample_rate: samples per second of the file; MP3 and Opus take the next one they know
    :param rate: speed, 1 is normal
    :param language: a code or an English name as the service takes them; ``None`` to go by the script of the text
    :return: seconds of speech written
    :raises SpeechUnavailableError: the engine needed is not installed
    :raises MediaRefusedError: ``InvalidParameter``, nothing in the text can be spoken
    """
    if not any(character.isalnum() for character in text):
        raise MediaRefusedError("InvalidParameter", "The text has no words to speak.")
    spoken = language_of(text, hint=language)
    timbre = _timbre(voice)
    if _suits_hibari(text, spoken) and find_spec("hibari") is not None:
        samples = _speak_hibari(text, timbre=timbre, rate=rate, sample_rate=sample_rate)
    else:
        samples = _speak_espeak(text, language=spoken, timbre=timbre, rate=rate, sample_rate=sample_rate)
    if not np.any(samples):
        raise MediaRefusedError("InvalidParameter", "Nothing in the text can be spoken.")
    quiet = np.zeros(round(_QUIET_EDGE * sample_rate), np.float32)
    samples = np.concatenate([quiet, levelled(samples, edge=sample_rate // 100), quiet])
    write_sound(samples, output, audio_format=audio_format, sample_rate=sample_rate)
    return len(samples) / sample_rate


def _timbre(voice: str) -> _Timbre:
    first, second = hashlib.sha256(voice.encode()).digest()[:2]
    return _Timbre(pitch=0.92 + 0.16 * first / 255, pace=0.95 + 0.1 * second / 255)


def _suits_hibari(text: str, language: str) -> bool:
    return language == "en" and frozenset(scripts_in(text)) <= {"latin"}


@cache
def _hibari() -> Any:
    """The English engine. Only its default voice is in the wheel; any other name would make it download."""
    from hibari import Hibari

    return Hibari()


def _speak_hibari(text: str, *, timbre: _Timbre, rate: float, sample_rate: int) -> Samples:
    """English, its pitch moved by playing the samples at another rate, which the speed asked for makes up for."""
    plain = unicodedata.normalize("NFKC", text.translate(_ASCII_PUNCTUATION))
    speed = float(np.clip(rate * timbre.pace / timbre.pitch, 0.4, 2.5))
    samples: Samples = _hibari()(plain, speed=speed, seed=0)
    return resampled(samples, from_rate=round(_HIBARI_RATE * timbre.pitch), to_rate=sample_rate)


def _speak_espeak(text: str, *, language: str, timbre: _Timbre, rate: float, sample_rate: int) -> Samples:
    if find_spec("espeakng_loader") is None:
        extras = "airflow-provider-videoretalk[espeak]"
        if language == "en":
            extras += " or airflow-provider-videoretalk[emulator]"
        raise SpeechUnavailableError(f"No engine to speak {language!r} text is installed: install {extras}.")
    voices = [f"--voice={_ESPEAK_NAMES.get(language, language)}"]
    if frozenset(scripts_in(text)) <= {"latin"}:
        voices.append(f"--voice={_ESPEAK_READS_LATIN}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "speech.wav")
        _run_espeak(
            text,
            *voices,
            "--words-per-minute",
            str(round(float(np.clip(_ESPEAK_WORDS_PER_MINUTE * rate * timbre.pace, 80, 450)))),
            "--pitch",
            str(round(50 + (timbre.pitch - 1) * 250)),
            "--output",
            str(path),
        )
        with wave.open(str(path), "rb") as file:
            own_rate = file.getframerate()
            whole = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    samples: Samples = whole.astype(np.float32) / np.float32(32768)
    return resampled(samples, from_rate=own_rate, to_rate=sample_rate)


def _run_espeak(text: str, *arguments: str) -> None:
    """Run the GPL voice in a process of its own, which finds this package where this process found it."""
    root = str(Path(__file__).resolve().parents[3])
    search = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    finished = subprocess.run(
        [sys.executable, "-m", _ESPEAK_MODULE, *arguments],
        input=text.encode(),
        capture_output=True,
        timeout=_ESPEAK_SECONDS,
        check=False,
        env={**os.environ, "PYTHONPATH": search},
    )
    if finished.returncode:
        said = finished.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise SpeechUnavailableError(f"espeak-ng cannot speak this text: {said}.")
