"""The original of a dub: a drawn presenter who speaks English for two minutes, and a sample of the voice."""

from __future__ import annotations

import shutil
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from airflow_provider_videoretalk.emulator.engine.lip_sync import retalk
from airflow_provider_videoretalk.emulator.engine.sample_presenter import draw_presenter

SECONDS = 120.0
_PAUSE_SECONDS = 0.5
_VOICE = "longanyang"


@dataclass(frozen=True, kw_only=True)
class Original:
    """URLs that the emulator and Airflow can fetch."""

    video: str
    voice_sample: str


@contextmanager
def original_video(script: str, *, base_url: str, api_key: str, folder: Path) -> Iterator[Original]:
    """Makes the original of the first two minutes of a script, and serves it until the block ends.

    :param script: paragraphs, each of which is one speech
    :param base_url: of the emulator, which makes the speech, and will recognise it
    :param folder: gets the files
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    paragraphs = [" ".join(paragraph.split()) for paragraph in script.split("\n\n")]
    speech, video, presenter = folder / "speech.wav", folder / "original.mp4", folder / "presenter.mp4"
    _speak(paragraphs, speech, base_url=base_url, api_key=api_key)
    draw_presenter(presenter)
    retalk(video=presenter, audio=speech, output=video, video_extension=True)
    with _served(folder) as address:
        yield Original(video=f"{address}/{video.name}", voice_sample=f"{address}/sample.wav")


def _speak(paragraphs: list[str], path: Path, *, base_url: str, api_key: str) -> None:
    """Writes the speech of as many paragraphs as two minutes hold, and the first of them as ``sample.wav``."""
    with wave.open(str(path), "wb") as track:
        seconds = 0.0
        for number, paragraph in enumerate(paragraphs):
            spoken = path.with_name(f"{number}.wav")
            spoken.write_bytes(_speech(paragraph, base_url=base_url, api_key=api_key))
            with wave.open(str(spoken), "rb") as file:
                length = file.getnframes() / file.getframerate() + _PAUSE_SECONDS
                if seconds + length > SECONDS:
                    break
                if not number:
                    track.setparams(file.getparams())
                    shutil.copyfile(spoken, path.with_name("sample.wav"))
                track.writeframes(file.readframes(file.getnframes()))
                track.writeframes(bytes(round(_PAUSE_SECONDS * file.getframerate()) * file.getsampwidth()))
                seconds += length


def _speech(text: str, *, base_url: str, api_key: str) -> bytes:
    spoken = {"text": text, "voice": _VOICE, "format": "wav", "sample_rate": 24_000}
    with requests.Session() as web:
        web.trust_env = False
        reply = web.post(
            f"{base_url}/services/audio/tts/SpeechSynthesizer",
            json={"model": "cosyvoice-v3-flash", "input": spoken},
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=300,
        )
        reply.raise_for_status()
        return web.get(reply.json()["output"]["audio"]["url"], timeout=60).content


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...

    def copyfile(self, *files: Any) -> None:
        # The preflight reads a part of the file, and closes the connection.
        with suppress(ConnectionError):
            super().copyfile(*files)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
