"""Adds subtitles to an MP4 or MOV file as a track of its own, which viewers can switch on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.media_input import read_media
from airflow_provider_videoretalk.editing.subtitles import Cue
from airflow_provider_videoretalk.media.header.mp4_box import parse_header

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.stream import Stream

_TIME_BASE = Fraction(1, 1000)

# The encoder does not open without styles. Its packets are written here: it would take the texts for ASS, with tags.
_ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""

# ISO 639-2, by which MP4 names languages.
_LONG_CODES = {
    "en": "eng",
    "zh": "zho",
    "yue": "yue",
    "de": "deu",
    "fr": "fra",
    "es": "spa",
    "it": "ita",
    "pt": "por",
    "nl": "nld",
    "pl": "pol",
    "ru": "rus",
    "id": "ind",
    "vi": "vie",
    "tr": "tur",
    "ja": "jpn",
    "ko": "kor",
    "th": "tha",
    "ar": "ara",
    "hi": "hin",
    "ms": "msa",
    "fil": "fil",
}

_HANDLERS = (b"sbtl", b"text", b"subt")
_ENABLED = 1
# How many bytes of a sample its length field can name.
_LONGEST_TEXT = 65535


def add_subtitle_track(source: Path, target: Path, *, cues: Sequence[Cue], language: str | None = None) -> None:
    """Writes a copy of a video with a subtitle track (``mov_text``), which players do not show unless it is chosen.

    The samples of picture and sound are copied as they are, with their times. Cover pictures, data tracks and boxes
    that FFmpeg does not know are left out, so marks are added afterwards. The file is read and written as a stream.

    :param source: an MP4 or MOV file
    :param target: the file to write, in the container of the source
    :param language: a code such as ``en``; ``None`` if it is not known. MOV files cannot name every language
    :raises InputError: the source cannot be read, or is another file
    :raises ConfigurationError: the extra ``media`` is not installed
    """
    # Loads FFmpeg's libraries.
    import av

    with read_media(source, field="the video") as container:
        if not container.format.name.startswith("mov"):
            raise InputError(
                f"the video is a file of type {container.format.name}, allowed are mp4 and mov",
                remedy="Leave the subtitle track out: the subtitle files are for any player.",
            )
        kind = "mov" if _is_quicktime(source) else "mp4"
        options = {"movflags": "+faststart", "movie_timescale": str(_common_time_scale(container))}
        with av.open(str(target), mode="w", format=kind, options=options) as output:
            _copy_with_track(container, output, cues, _LONG_CODES.get(language or "", "und"))
    with target.open("r+b") as file:
        _switch_off(file)


def _is_quicktime(path: Path) -> bool:
    """Whether it is a MOV file: of Apple's brand, or from before there were brands."""
    with path.open("rb") as file:
        start = file.read(12)[4:]
    return start == b"ftypqt  " or not start.startswith(b"ftyp")


def _copy_with_track(container: InputContainer, output: OutputContainer, cues: Sequence[Cue], language: str) -> None:
    output.metadata.update(container.metadata)
    copies = {stream.index: output.add_stream_from_template(stream) for stream in _kept(container)}
    for stream in _kept(container):
        copies[stream.index].metadata.update(stream.metadata)
    track: Any = output.add_stream("mov_text")
    track.codec_context.subtitle_header = _ASS_HEADER
    track.time_base = _TIME_BASE
    track.metadata["language"] = language
    waiting = list(cues)[::-1]
    for packet in container.demux(_kept(container)):
        if packet.dts is None or packet.time_base is None:
            continue
        # FFmpeg writes in the order of time, and holds back what has to wait for another track.
        while waiting and waiting[-1].start <= packet.dts * packet.time_base:
            output.mux(_cue_packet(waiting.pop(), track))
        packet.stream = copies[packet.stream.index]
        output.mux(packet)
    while waiting:
        output.mux(_cue_packet(waiting.pop(), track))


def _kept(container: InputContainer) -> list[Stream]:
    from av.stream import Disposition

    return [
        stream
        for stream in container.streams
        if stream.type in ("video", "audio") and not stream.disposition & Disposition.attached_pic
    ]


def _common_time_scale(container: InputContainer) -> int:
    """Units of time in a second by which the beginning of each track is said exactly."""
    scales = [stream.time_base.denominator for stream in _kept(container) if stream.time_base]
    common = math.lcm(1000, *scales)
    return common if common < 2**31 else 1000


def _cue_packet(cue: Cue, track: Any) -> Packet[Any]:
    from av.packet import Packet

    text = "\n".join(cue.lines).encode()[:_LONGEST_TEXT]
    packet = Packet(len(text).to_bytes(2, "big") + text)
    packet.stream, packet.time_base = track, _TIME_BASE
    packet.pts = packet.dts = round(cue.start * 1000)
    packet.duration = round(cue.end * 1000) - round(cue.start * 1000)
    packet.is_keyframe = True
    return packet


def _switch_off(file: IO[bytes]) -> None:
    """Clears the flag of subtitle tracks that makes players show them: FFmpeg sets it for the first one of a file."""
    file.seek(0, 2)
    for moov, end in _boxes(file, 0, file.tell(), b"moov"):
        for track, track_end in _boxes(file, moov, end, b"trak"):
            handlers = [
                handler
                for media, media_end in _boxes(file, track, track_end, b"mdia")
                for handler, _ in _boxes(file, media, media_end, b"hdlr")
            ]
            if any(_read(file, handler + 8, 4) in _HANDLERS for handler in handlers):
                for header, _ in _boxes(file, track, track_end, b"tkhd"):
                    flags = _read(file, header + 3, 1)[0]
                    file.seek(header + 3)
                    file.write(bytes([flags & ~_ENABLED]))


def _boxes(file: IO[bytes], start: int, end: int, box_type: bytes) -> Iterator[tuple[int, int]]:
    """Where the content of each box of a type begins and ends, in the part of a file that has boxes."""
    while start + 8 <= end:
        header = _read(file, start, 16)
        size, header_bytes = parse_header(header)
        after = start + size if size else end
        if header[4:8] == box_type:
            yield start + header_bytes, after
        start = after


def _read(file: IO[bytes], position: int, length: int) -> bytes:
    file.seek(position)
    return file.read(length)
