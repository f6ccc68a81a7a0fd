"""The espeak-ng voice as a program: ``python -m airflow_provider_videoretalk.emulator.engine.espeak``.

It reads a text from its standard input and writes a WAV file. espeak-ng is under the GPL and keeps its state in global
variables, so no other program loads it: no module imports this one, and it imports no module of the package.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import tempfile
import wave
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import espeakng_loader

if TYPE_CHECKING:
    from collections.abc import Iterator

_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_RATE_PARAMETER, _VOLUME_PARAMETER, _PITCH_PARAMETER = 1, 2, 3
_FULL_VOLUME = 100

# espeak-ng copies the path of its data into a buffer of 160 bytes and appends file names to it.
_LONGEST_DATA_PATH = 120

_SoundCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@contextmanager
def _data_path() -> Iterator[bytes]:
    """The path of espeak-ng's data; through a link in a temporary folder if it is too long."""
    path = espeakng_loader.get_data_path()
    if len(path.encode()) <= _LONGEST_DATA_PATH:
        yield path.encode()
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "data")
        link.symlink_to(path, target_is_directory=True)
        yield bytes(link)


def synthesise(text: str, *, voices: list[str], words_per_minute: int, pitch: int) -> tuple[int, bytes]:
    """Synthesise a text.

    :param voices: names of espeak-ng voices, such as ``cmn``; the first one that exists is used
    :param pitch: 0 to 99; 50 is the voice's default
    :return: samples per second, and 16-bit samples of one channel
    :raises RuntimeError: the library cannot start, or it has none of the voices
    """
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    spoken = bytearray()

    def receive(samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        if samples and count > 0:
            spoken.extend(ctypes.string_at(samples, count * 2))
        return 0

    callback = _SoundCallback(receive)
    with _data_path() as data:
        sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DO_NOT_EXIT)
        if sample_rate <= 0:
            raise RuntimeError(f"espeak-ng cannot read its data (answer {sample_rate})")
        library.espeak_SetSynthCallback(callback)
        if all(library.espeak_SetVoiceByName(voice.encode()) for voice in voices):
            raise RuntimeError(f"espeak-ng has no voice {' or '.join(voices)}")
        library.espeak_SetParameter(_RATE_PARAMETER, words_per_minute, 0)
        library.espeak_SetParameter(_PITCH_PARAMETER, pitch, 0)
        library.espeak_SetParameter(_VOLUME_PARAMETER, _FULL_VOLUME, 0)
        buffer = text.encode() + b"\0"
        library.espeak_Synth(buffer, ctypes.c_size_t(len(buffer)), 0, 0, 0, _UTF8, None, None)
        library.espeak_Synchronize()
    return int(sample_rate), bytes(spoken)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="espeak", description="Speak the text of standard input into a WAV file.")
    parser.add_argument("--voice", action="append", required=True, help="repeatable; the first that exists is used")
    parser.add_argument("--words-per-minute", type=int, default=165)
    parser.add_argument("--pitch", type=int, default=50)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    text = sys.stdin.buffer.read().decode()
    try:
        sample_rate, samples = synthesise(
            text, voices=given.voice, words_per_minute=given.words_per_minute, pitch=given.pitch
        )
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    with wave.open(str(given.output), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
