"""Opens media files of unknown origin.

FFmpeg would detect the kind of a file itself. Some kinds (HLS and DASH playlists, concatenation scripts) are lists of
addresses that it then opens. To prevent that:

- the kind is detected here, by the first bytes
- only the allowed kinds are opened, with a fixed demuxer
- a demuxer that opens another file causes a refusal
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NoReturn

import av
from av.stream import Disposition

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from av.container import InputContainer
    from av.video.stream import VideoStream

_DEMUXERS = {"mp4": "mov", "mov": "mov", "m4a": "mov", "avi": "avi", "wav": "wav", "mp3": "mp3", "aac": "aac"}

_SIGNATURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"FLV\x01", "flv"),
    (b"#!AMR", "amr"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"#EXTM3U", "playlist"),
    (b"ffconcat", "playlist"),
    (b"<?xml", "xml"),
)

_RIFF_FORMS = {b"WAVE": "wav", b"AVI ": "avi", b"WEBP": "webp"}
_QUICKTIME_ATOMS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_OTHER_BRANDS = {b"M4A ": "m4a", b"M4B ": "m4a", b"heic": "heif", b"heix": "heif", b"mif1": "heif", b"avif": "avif"}


def sniff(path: Path) -> str | None:
    """The kind of a file by its content; its name is ignored.

    :return: ``mp4``, ``mov``, ``avi``, ``wav``, ``mp3``, ``aac``, ``jpeg``, ``png``, ``bmp``, ``webp``, the name of a
        known kind that the service refuses, or ``None`` for an unknown kind
    """
    with path.open("rb") as file:
        head = file.read(64)
        if head.startswith(b"ID3") and len(head) >= 10:
            file.seek(_after_id3(head))
            return _mpeg_audio(file.read(4096))
    return _kind(head)


def _kind(head: bytes) -> str | None:
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] in (b"RIFF", b"RF64"):
        return _RIFF_FORMS.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _brand(head[8:12])
    if head[4:8] in _QUICKTIME_ATOMS:
        return "mov"
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "bmp"
    return _mpeg_audio(head)


def _brand(brand: bytes) -> str:
    if brand == b"qt  ":
        return "mov"
    if brand.startswith((b"3gp", b"3g2")):
        return "3gp"
    return _OTHER_BRANDS.get(brand, "mp4")


def _after_id3(head: bytes) -> int:
    """The offset of the audio behind an ID3v2 tag, whose length has four bytes of seven bits."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _mpeg_audio(head: bytes) -> str | None:
    """Distinguish MP3 and AAC (ADTS) by the layer bits behind the 11 or 12 sync bits."""
    start = head.lstrip(b"\x00")[:2]
    if len(start) < 2 or start[0] != 0xFF or start[1] & 0xE0 != 0xE0:
        return None
    layer = start[1] >> 1 & 0b11
    if layer == 0:
        return "aac" if start[1] & 0xF0 == 0xF0 else None
    return "mp3" if layer == 0b01 else "mpeg-audio"


def require_kind(path: Path, *, allowed: Sequence[str]) -> str:
    """The kind of a file, if it is allowed.

    :raises MediaRefusedError: ``InvalidFile.Format`` for a kind that is not allowed, ``InvalidFile.Openerror`` for an
        unknown one
    """
    kind = sniff(path)
    if kind is None:
        raise MediaRefusedError("InvalidFile.Openerror", "The file cannot be opened: it is of no known media format.")
    if kind not in allowed:
        raise MediaRefusedError(
            "InvalidFile.Format", f"The file format {kind} is not supported, supported are {', '.join(allowed)}."
        )
    return kind


@contextmanager
def refuse_damaged_media() -> Iterator[None]:
    """Convert every exception of decoding to a refusal.

    A damaged file makes PyAV raise not only its own errors, but also IndexError, MemoryError, UnicodeDecodeError and
    EOFError. So this catches Exception, and the block must contain nothing except reading.
    """
    try:
        yield
    except MediaRefusedError:
        raise
    except Exception as error:
        raise MediaRefusedError("InvalidFile.Openerror", f"The file cannot be opened or decoded ({error}).") from error


def _refuse_referenced_file(*_: Any) -> NoReturn:
    raise MediaRefusedError("InvalidFile.Openerror", "The file refers to other files, which is not supported.")


@contextmanager
def open_media(path: Path, *, allowed: Sequence[str]) -> Iterator[InputContainer]:
    """Open a local media file of an allowed kind.

    :raises MediaRefusedError: the kind is not allowed, or the file is too damaged to open
    """
    demuxer = _DEMUXERS[require_kind(path, allowed=allowed)]
    with path.open("rb") as file:
        with refuse_damaged_media():
            container = av.open(file, mode="r", format=demuxer, io_open=_refuse_referenced_file)
        with container:
            yield container


def video_stream(container: InputContainer) -> VideoStream:
    """The first video stream with a known codec that is not a cover picture.

    :raises MediaRefusedError: there is no such stream
    """
    for stream in container.streams.video:
        known = getattr(stream, "codec_context", None) is not None
        if known and not stream.disposition & Disposition.attached_pic:
            return stream
    raise MediaRefusedError("InvalidFile.Openerror", "The file has no video stream that can be decoded.")


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Number, duration and rate of the frames of a video, by its packets and not by its header.

    :param frames: number of frames
    :param seconds: from the start of the first frame to the end of the last
    :param rate: frames per second
    """

    frames: int
    seconds: Fraction
    rate: Fraction


def measure_timeline(container: InputContainer, stream: VideoStream) -> Timeline:
    """Measure a video by reading its packets; decoding needs a container that is opened anew.

    :raises MediaRefusedError: the packets cannot be read, or there are none
    """
    first = last = longest_end = None
    frames = 0
    with refuse_damaged_media():
        for packet in container.demux(stream):
            moment = packet.pts if packet.pts is not None else packet.dts
            if not packet.size or moment is None or packet.is_discard:
                continue
            frames += 1
            first = moment if first is None else min(first, moment)
            last = moment if last is None else max(last, moment)
            end = moment + (packet.duration or 0)
            longest_end = end if longest_end is None else max(longest_end, end)
    if first is None or last is None or longest_end is None or stream.time_base is None:
        raise MediaRefusedError("InvalidFile.Openerror", "The video stream has no pictures.")
    if longest_end == last and frames > 1:
        longest_end = last + round((last - first) / (frames - 1))
    seconds = (longest_end - first) * stream.time_base
    return Timeline(frames=frames, seconds=seconds, rate=_rate(frames, seconds, stream.average_rate))


def _rate(frames: int, seconds: Fraction, declared: Fraction | None) -> Fraction:
    """The declared rate, which is the rounder number, if it is within 1 % of the counted rate; else the counted one."""
    if seconds <= 0:
        return declared or Fraction(25)
    counted = frames / seconds
    if declared and abs(declared / counted - 1) < Fraction(1, 100):
        return declared
    return counted.limit_denominator(1001)
