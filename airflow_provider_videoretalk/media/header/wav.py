"""WAV."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from airflow_provider_videoretalk.media.header.damage import DamageError
from airflow_provider_videoretalk.media.header.facts import Facts
from airflow_provider_videoretalk.media.header.riff import HEAD_BYTES, Chunk, chunks
from airflow_provider_videoretalk.media.ranged import OutOfReachError, Ranged

_FORMS = 12
_CODECS = {1: "pcm", 3: "pcm_float", 6: "pcm_alaw", 7: "pcm_mulaw"}
_EXTENSIBLE = 0xFFFE

# Most that tags and other chunks behind the samples may hold, for the header's own count to be believed unseen.
_TRAILER_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class _Format:
    """How samples are coded.

    :param plain: whether each sample has the same number of bytes
    :param per_second: bytes per second, 0 where the header does not say
    :param rate: in Hz
    """

    codec: str
    plain: bool
    per_second: int
    rate: int


def read_wav(ranged: Ranged, container: str) -> Facts:
    """The duration is counted from the file's size: the header of streamed speech can hold any number of samples."""
    form: _Format | None = None
    samples = 0
    for chunk in chunks(ranged, _FORMS):
        if chunk.name == b"fmt ":
            form = _format(ranged.at(chunk.start, min(chunk.size, 40)))
        elif chunk.name == b"fact":
            samples = int.from_bytes(ranged.at(chunk.start, min(chunk.size, 4)), "little")
        elif chunk.name == b"data":
            break
    else:
        raise DamageError("it has no samples")
    if form is None:
        raise DamageError("its header does not say how its samples are coded")
    size = _size(ranged, chunk)
    if form.plain:
        return Facts(kind="audio", container=container, codec=form.codec, seconds=size / form.per_second, sound=True)
    guess = samples / form.rate if samples and form.rate else size / form.per_second if form.per_second else None
    note = f"duration: as the header says, since the samples are coded ({form.codec})"
    return Facts(kind="audio", container=container, codec=form.codec, seconds=guess, sound=True, unchecked=(note,))


def _format(content: bytes) -> _Format:
    tag, channels, rate, per_second, per_sample, _ = struct.unpack_from("<HHIIHH", content)
    if tag == _EXTENSIBLE and len(content) >= 26:
        (tag,) = struct.unpack_from("<H", content, 24)
    plain = tag in _CODECS
    if plain and not (channels and rate and per_sample):
        raise DamageError("its header has no channel, or no sample rate")
    return _Format(
        codec=_CODECS.get(tag, f"wav-{tag:#06x}"),
        plain=plain,
        per_second=rate * per_sample if plain else per_second,
        rate=rate,
    )


def _size(ranged: Ranged, data: Chunk) -> int:
    """Bytes of samples that are really there: what the header says if that is borne out, else all up to the end."""
    if ranged.size is None:
        raise OutOfReachError("the server does not say how large the file is")
    rest = ranged.size - data.start
    if rest <= 0:
        raise DamageError("it has no samples")
    if data.size >= rest or _followed(ranged, data, rest):
        return min(data.size, rest)
    return rest


def _followed(ranged: Ranged, data: Chunk, rest: int) -> bool:
    """Whether the samples end where the header says: with another chunk that the rest of the file has room for."""
    after = data.size + data.size % 2
    try:
        head = ranged.at(data.start + after, HEAD_BYTES)
    except OutOfReachError:
        return data.size >= rest - _TRAILER_BYTES
    if len(head) < HEAD_BYTES:
        return True
    name, size = head[:4], int.from_bytes(head[4:], "little")
    return name.isascii() and name.decode().isprintable() and size <= rest - after
