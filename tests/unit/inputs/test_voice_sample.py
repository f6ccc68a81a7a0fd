"""Samples of voices before they are sent: their headers, and the URL that the service gets."""

from __future__ import annotations

import base64
import hashlib
import struct
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from media_files import coded, wav
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.inputs.source import source_of
from airflow_provider_videoretalk.inputs.voice_sample import VoiceSample, read_voice_sample
from airflow_provider_videoretalk.model_catalog.voices import COSYVOICE, QWEN_TTS, VoiceDialect
from airflow_provider_videoretalk.outbound.download import RetrySettings
from airflow_provider_videoretalk.outbound.host_access import any_address

UNTIL = datetime(2026, 12, 1, tzinfo=timezone.utc)


def sample_of(content: bytes, folder: Path, *, dialect: VoiceDialect = COSYVOICE) -> VoiceSample:
    path = folder / "sample"
    path.write_bytes(content)
    return read_voice_sample(source_of("sample", path), dialect=dialect, access=any_address)


def speech(*, seconds: float = 6, rate: int = 24_000, **given: Any) -> bytes:
    return wav(seconds=seconds, rate=rate, **given)


def test_a_file_becomes_a_data_uri(tmp_path: Path) -> None:
    content = speech()
    sample = sample_of(content, tmp_path)
    assert sample.sha256 == hashlib.sha256(content).hexdigest()
    assert sample.url(until=UNTIL) == "data:audio/wav;base64," + base64.b64encode(content).decode()
    assert sample.source.description == f"file://{tmp_path}/sample"


@pytest.mark.parametrize(("kind", "media_type"), [("mp3", "audio/mpeg"), ("ipod", "audio/mp4"), ("mp4", "audio/mp4")])
def test_other_formats(tmp_path: Path, kind: str, media_type: str) -> None:
    codec = "libmp3lame" if kind == "mp3" else "aac"
    coded(tmp_path / "coded", codec=codec, container=kind, seconds=6, rate=24_000)
    assert (
        sample_of((tmp_path / "coded").read_bytes(), tmp_path, dialect=QWEN_TTS)
        .url(until=UNTIL)
        .startswith(f"data:{media_type};base64,")
    )


def test_a_url_is_given_as_it_is(httpserver: HTTPServer) -> None:
    content = speech()
    httpserver.expect_request("/sample.wav").respond_with_data(content)
    url = httpserver.url_for("/sample.wav?Signature=secret")
    sample = read_voice_sample(source_of("sample", url), dialect=COSYVOICE, access=any_address)
    assert sample.url(until=UNTIL) == url
    assert sample.sha256 == hashlib.sha256(content).hexdigest()
    assert sample.source.description == httpserver.url_for("/sample.wav")


class Store:
    """A store's path, with a file system that signs or does not."""

    protocol, path = "s3", "bucket/sample.wav"

    def __init__(self, content: bytes, *, signed: str | None) -> None:
        def sign(path: str, expiration: int) -> str:
            if signed is None:
                raise NotImplementedError
            return f"{signed}/{path}"

        size = {"size": len(content)}

        def cat_file(path: str, start: int = 0, end: int | None = None) -> bytes:
            return content[start:end]

        def open_file(*_: Any, **__: Any) -> Any:
            import io

            return io.BytesIO(content)

        self.fs = SimpleNamespace(sign=sign, info=lambda _: size, cat_file=cat_file, open=open_file)


def test_a_store_signs_a_url_or_the_sample_is_sent_whole() -> None:
    content = speech()
    signs = source_of("sample", Store(content, signed="https://store.example"))
    sample = read_voice_sample(signs, dialect=COSYVOICE, access=any_address)
    assert sample.url(until=UNTIL) == "https://store.example/bucket/sample.wav"
    signs_not = source_of("sample", Store(content, signed=None))
    sample = read_voice_sample(signs_not, dialect=COSYVOICE, access=any_address)
    assert sample.url(until=UNTIL).startswith("data:audio/wav;base64,")


def refusal(content: bytes, folder: Path, *, dialect: VoiceDialect = COSYVOICE) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        sample_of(content, folder, dialect=dialect)
    return caught.value.message, caught.value.code


def test_the_duration(tmp_path: Path) -> None:
    assert refusal(speech(seconds=4.9), tmp_path) == (
        "the sample is 4.9 s, allowed is 5 to 60 s",
        "Audio.AudioShortError",
    )
    sample_of(speech(seconds=5), tmp_path)
    assert refusal(speech(seconds=2.9), tmp_path, dialect=QWEN_TTS)[1] == "Audio.AudioShortError"
    sample_of(speech(seconds=3), tmp_path, dialect=QWEN_TTS)
    assert refusal(speech(seconds=60.1), tmp_path)[0] == "the sample is 60.1 s, allowed is 5 to 60 s"
    sample_of(speech(seconds=60), tmp_path)


def test_the_sample_rate(tmp_path: Path) -> None:
    assert refusal(speech(rate=15_999), tmp_path) == (
        "the sample's rate is 15999 Hz, allowed is at least 16000 Hz",
        "Audio.AudioRateError",
    )
    sample_of(speech(rate=16_000), tmp_path)
    assert refusal(speech(rate=16_000), tmp_path, dialect=QWEN_TTS)[1] == "Audio.AudioRateError"
    low = coded(tmp_path / "low", seconds=6, rate=8000)
    assert refusal(low.read_bytes(), tmp_path)[0] == "the sample's rate is 8000 Hz, allowed is at least 16000 Hz"


def test_the_channels(tmp_path: Path) -> None:
    sample_of(speech(channels=2), tmp_path)
    assert refusal(speech(channels=2), tmp_path, dialect=QWEN_TTS) == (
        "the sample's number of channels is 2, allowed is at most 1",
        "Audio.PreprocessError",
    )


def test_several_problems_are_named_at_once(tmp_path: Path) -> None:
    message, code = refusal(speech(seconds=2, rate=8000, width=1), tmp_path)
    assert message == (
        "sample has 8 bits for each value, allowed are 16; the sample is 2 s, allowed is 5 to 60 s; "
        "the sample's rate is 8000 Hz, allowed is at least 16000 Hz"
    )
    assert code == "BadRequest.UnsupportedFileFormat"


def test_silence(tmp_path: Path) -> None:
    header = speech()[:44]
    silent = header + bytes(len(speech()) - 44)
    assert refusal(silent, tmp_path) == ("sample is silent, allowed is speech", "Audio.AudioSilentError")
    sample_of(silent[:-1] + b"\x01", tmp_path)


def test_another_format(tmp_path: Path) -> None:
    aac = coded(tmp_path / "coded", codec="aac", container="adts", seconds=6, rate=24_000)
    assert refusal(aac.read_bytes(), tmp_path) == (
        "sample is a aac file, allowed are wav, mp3, m4a",
        "BadRequest.UnsupportedFileFormat",
    )
    assert refusal(b"nothing at all", tmp_path)[1] == "InvalidFile.Openerror"


def test_ten_megabytes(tmp_path: Path, httpserver: HTTPServer) -> None:
    large = speech(seconds=59, rate=88_900)
    assert len(large) > 10 * 1024 * 1024
    assert refusal(large, tmp_path)[0] == f"sample has {len(large):,} bytes, allowed are 10,485,760"
    httpserver.expect_request("/large.wav").respond_with_data(large)
    with pytest.raises(InputError, match="sample has more than 10,485,760 bytes"):
        read_voice_sample(source_of("sample", httpserver.url_for("/large.wav")), dialect=COSYVOICE, access=any_address)


def test_a_data_uri_has_a_limit(tmp_path: Path) -> None:
    content = speech(seconds=60, rate=65_600)
    assert 7_864_320 < len(content) < 10 * 1024 * 1024
    with pytest.raises(InputError, match=r"allowed are 7,864,320\. Give a smaller file, as MP3, or an http\(s\) URL"):
        sample_of(content, tmp_path).url(until=UNTIL)


def test_a_sample_that_is_not_there(tmp_path: Path, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetrySettings, "delay", lambda *_, **__: 0)
    with pytest.raises(InputError, match=r"sample is .* cannot be opened"):
        read_voice_sample(source_of("sample", tmp_path / "none"), dialect=COSYVOICE, access=any_address)
    temporary = source_of("sample", "oss://dashscope-instant/a/b.wav")
    with pytest.raises(InputError, match="allowed are http, https and file"):
        read_voice_sample(temporary, dialect=COSYVOICE, access=any_address)
    httpserver.expect_request("/down").respond_with_data("no", status=503)
    with pytest.raises(TransportError):
        read_voice_sample(source_of("sample", httpserver.url_for("/down")), dialect=COSYVOICE, access=any_address)


def test_a_wav_header_without_its_fields(tmp_path: Path) -> None:
    content = bytearray(speech())
    struct.pack_into("<I", content, 24, 0)
    assert refusal(bytes(content), tmp_path)[1] == "InvalidFile.Openerror"
