"""Text to speech without a network.

There are two engines: hibari, a small neural voice for English, and espeak-ng, which is robotic but supports a hundred
languages. hibari returns silence for East Asian text instead of an error, so the script of the text selects the engine.
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
from pathlib import Path
from typing import Any

import numpy as np

from airflow_provider_videoretalk.emulator.engine.audio import (
    AudioFormat,
    Samples,
    normalise_loudness,
    resample,
    write_audio,
)
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError, SpeechUnavailableError
from airflow_provider_videoretalk.emulator.engine.language_detection import language_of, scripts_in
from airflow_provider_videoretalk.optional_dependencies import install_command, is_installed

_ESPEAK_MODULE = "airflow_provider_videoretalk.emulator.engine.espeak"
_ESPEAK_NAMES = {"zh": "cmn", "en": "en-us", "pt": "pt-br"}
_ESPEAK_READS_LATIN = "en-us"
_ESPEAK_WORDS_PER_MINUTE = 165
_ESPEAK_SECONDS = 120

_HIBARI_RATE = 24000
_QUIET_EDGE = 0.08

# Fullwidth stops, corner brackets and curly quotation marks, which East Asian keyboards produce in English text.
_ASCII_PUNCTUATION = {0x3002: ".", 0x3001: ",", 0x300A: '"', 0x300B: '"', 0x300C: '"', 0x300D: '"'}
_ASCII_PUNCTUATION |= {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"'}


# The pitch of an enrolled voice that is spoken with an engine's own pitch, in Hz, and the factors that stay speech. It
# is hibari's own, measured. That of espeak-ng is 90, so low that the voices of most people would be at the limit.
_HIBARI_HERTZ, _ESPEAK_HERTZ = 195.0, 140.0
_LOWEST_PITCH, _HIGHEST_PITCH = 0.6, 1.6


@dataclass(frozen=True, kw_only=True)
class _Timbre:
    """The difference between voices.

    :param pitch: factor of the pitch of the engine's voice
    :param pace: factor of its speed
    :param hertz: the pitch itself, of an enrolled voice; then ``pitch`` has no meaning
    """

    pitch: float
    pace: float
    hertz: float | None = None

    def factor(self, own: float) -> float:
        """The factor of an engine's voice whose own pitch is ``own`` Hz."""
        if self.hertz is None:
            return self.pitch
        return float(np.clip(self.hertz / own, _LOWEST_PITCH, _HIGHEST_PITCH))


def speak(
    *,
    text: str,
    voice: str,
    output: Path,
    audio_format: AudioFormat = "wav",
    sample_rate: int = 24000,
    rate: float = 1.0,
    language: str | None = None,
    hertz: float | None = None,
    pace: float = 1.0,
) -> float:
    """Synthesise a text into a file.

    :param voice: any name; each has its own pitch and speed, which never change
    :param output: the file to write; its name does not decide the format
    :param sample_rate: samples per second of the file; MP3 and Opus use the next one that they support
    :param rate: speed; 1 is normal
    :param language: a code or an English name, as the service accepts them; ``None`` to use the script of the text
    :param hertz: the pitch of an enrolled voice, which its name then does not decide
    :param pace: the speed of an enrolled voice
    :return: seconds of speech in the file
    :raises SpeechUnavailableError: the engine for the text is not installed
    :raises MediaRefusedError: ``InvalidParameter``: the text has nothing to speak
    """
    if not any(character.isalnum() for character in text):
        raise MediaRefusedError("InvalidParameter", "The text has no words to speak.")
    spoken = language_of(text, hint=language)
    timbre = _timbre(voice) if hertz is None else _Timbre(pitch=1.0, pace=pace, hertz=hertz)
    if _suits_hibari(text, spoken) and is_installed("hibari"):
        samples = _speak_hibari(text, timbre=timbre, rate=rate, sample_rate=sample_rate)
    else:
        samples = _speak_espeak(text, language=spoken, timbre=timbre, rate=rate, sample_rate=sample_rate)
    if not np.any(samples):
        raise MediaRefusedError("InvalidParameter", "Nothing in the text can be spoken.")
    quiet = np.zeros(round(_QUIET_EDGE * sample_rate), np.float32)
    samples = np.concatenate([quiet, normalise_loudness(samples, edge=sample_rate // 100), quiet])
    write_audio(samples, output, audio_format=audio_format, sample_rate=sample_rate)
    return len(samples) / sample_rate


def _timbre(voice: str) -> _Timbre:
    first, second = hashlib.sha256(voice.encode()).digest()[:2]
    return _Timbre(pitch=0.92 + 0.16 * first / 255, pace=0.95 + 0.1 * second / 255)


def _suits_hibari(text: str, language: str) -> bool:
    return language == "en" and frozenset(scripts_in(text)) <= {"latin"}


@cache
def _hibari() -> Any:
    """The English engine. The wheel has its default voice only; any other name would start a download."""
    from hibari import Hibari

    return Hibari()


def _speak_hibari(text: str, *, timbre: _Timbre, rate: float, sample_rate: int) -> Samples:
    """English speech. A wrong sample rate changes the pitch, and the requested speed compensates for it."""
    plain = unicodedata.normalize("NFKC", text.translate(_ASCII_PUNCTUATION))
    pitch = timbre.factor(_HIBARI_HERTZ)
    speed = float(np.clip(rate * timbre.pace / pitch, 0.4, 2.5))
    samples: Samples = _hibari()(plain, speed=speed, seed=0)
    return resample(samples, from_rate=round(_HIBARI_RATE * pitch), to_rate=sample_rate)


def _speak_espeak(text: str, *, language: str, timbre: _Timbre, rate: float, sample_rate: int) -> Samples:
    """Speech in any language. espeak-ng's own range of pitches is narrow: an enrolled voice has another sample rate."""
    if not is_installed("espeakng_loader"):
        commands = [install_command("espeak")] + ([install_command("emulator")] if language == "en" else [])
        raise SpeechUnavailableError(
            f"No engine for {language!r} text is installed. Install it: {' or '.join(commands)}"
        )
    voices = [f"--voice={_ESPEAK_NAMES.get(language, language)}"]
    if frozenset(scripts_in(text)) <= {"latin"}:
        voices.append(f"--voice={_ESPEAK_READS_LATIN}")
    pitch, stretch = (timbre.pitch, 1.0) if timbre.hertz is None else (1.0, timbre.factor(_ESPEAK_HERTZ))
    words_per_minute = _ESPEAK_WORDS_PER_MINUTE * rate * timbre.pace / stretch
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "speech.wav")
        _run_espeak(
            text,
            *voices,
            "--words-per-minute",
            str(round(float(np.clip(words_per_minute, 80, 450)))),
            "--pitch",
            str(round(50 + (pitch - 1) * 250)),
            "--output",
            str(path),
        )
        with wave.open(str(path), "rb") as file:
            own_rate = file.getframerate()
            whole = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    samples: Samples = whole.astype(np.float32) / np.float32(32768)
    return resample(samples, from_rate=round(own_rate * stretch), to_rate=sample_rate)


def _run_espeak(text: str, *arguments: str) -> None:
    """Run the GPL voice in a process of its own, with this package on its search path."""
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
