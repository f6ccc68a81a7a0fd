"""A sample of somebody's speech, from which a voice is enrolled: its checks, and how the service gets it."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.inputs.source import Source
from airflow_provider_videoretalk.media.local_copy import local_copy
from airflow_provider_videoretalk.media.probe import probe
from airflow_provider_videoretalk.media.probe_result import ProbeResult
from airflow_provider_videoretalk.media.sound_format import SoundFormat, read_sound_format
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE, Limit
from airflow_provider_videoretalk.model_catalog.voices import SAMPLE_BYTES, SAMPLE_CONTAINERS, VoiceDialect
from airflow_provider_videoretalk.outbound.host_access import AccessRule

_MEDIA_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "m4a": "audio/mp4"}
# Of a data URI, by the vendor's page on Qwen-TTS.
_MAX_ENCODED_BYTES = 10 * MEGABYTE
_UNSUPPORTED = "BadRequest.UnsupportedFileFormat"
_REMEDY = (
    "Record 10 to 20 seconds of clear speech of one person without music or noise. Give them as WAV of 16 bits, MP3 or "
    "M4A, mono, with 24,000 Hz or more."
)


@dataclass(frozen=True, kw_only=True)
class VoiceSample:
    """A sample that the service would take, as far as its header tells.

    :param sha256: of the content, in hexadecimal digits
    """

    source: Source
    content: bytes
    sha256: str
    media_type: str

    def url(self, *, until: datetime) -> str:
        """A URL at which the service can fetch the sample until ``until``; a data URI if there is none.

        :raises InputError: the sample is too large for a data URI
        """
        direct = self.source.direct_url(until=until)
        if direct is not None:
            return direct
        encoded = base64.b64encode(self.content).decode()
        if len(encoded) > _MAX_ENCODED_BYTES:
            raise InputError(
                f"sample has {len(self.content):,} bytes, and its location has no URL for the service: allowed are "
                f"{_MAX_ENCODED_BYTES * 3 // 4:,}",
                remedy="Give a smaller file, as MP3, or an http(s) URL.",
            )
        return f"data:{self.media_type};base64,{encoded}"


def read_voice_sample(source: Source, *, dialect: VoiceDialect, access: AccessRule) -> VoiceSample:
    """Reads a sample, and checks what its header tells. Whether it is speech, only the service knows.

    :param access: how the host of a URL may be connected to
    :raises InputError: the service would refuse the sample; with the code that it would answer
    :raises TransportError: it cannot be fetched at the moment
    """
    with tempfile.TemporaryDirectory(prefix="voice-sample-") as folder:
        copied = Path(folder, "sample")
        path = local_copy(source.location, copied, field="sample", access=access, most=int(SAMPLE_BYTES.high or 0))
        probed = probe(path, field="sample")
        _refuse(list(_problems(probed, read_sound_format(path, container=probed.container), dialect)))
        content = path.read_bytes()
    return VoiceSample(
        source=source,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        media_type=_MEDIA_TYPES[_container_of(probed)],
    )


def _container_of(probed: ProbeResult) -> str:
    # An MP4 file without a picture is M4A by another name.
    return "m4a" if probed.container == "mp4" and probed.kind == "audio" else probed.container


def _problems(probed: ProbeResult, sound: SoundFormat, dialect: VoiceDialect) -> Iterator[tuple[str, str]]:
    """The reasons for which the service would refuse a sample, each with its code."""
    container = _container_of(probed)
    if container not in SAMPLE_CONTAINERS:
        yield f"sample is a {container} file, allowed are {', '.join(SAMPLE_CONTAINERS)}", _UNSUPPORTED
        return
    if sound.bits is not None and sound.bits != 16:
        yield f"sample has {sound.bits} bits for each value, allowed are 16", _UNSUPPORTED
    if sound.silent:
        yield "sample is silent, allowed is speech", "Audio.AudioSilentError"
    if probed.size is not None and not SAMPLE_BYTES.allows(probed.size):
        yield f"sample has {probed.size:,} bytes, allowed are {SAMPLE_BYTES.high:,.0f}", SAMPLE_BYTES.code
    measured: tuple[tuple[Limit, float | None], ...] = (
        (dialect.seconds, probed.seconds),
        (dialect.sample_rate, sound.sample_rate),
        (dialect.channels, sound.channels),
    )
    for limit, value in measured:
        if value is not None and not limit.allows(value):
            yield limit.refusal(value), limit.code


def _refuse(problems: list[tuple[str, str]]) -> None:
    """
    :raises InputError: there is a problem
    """
    if problems:
        raise InputError("; ".join(text for text, _ in problems), code=problems[0][1], remedy=_REMEDY)
