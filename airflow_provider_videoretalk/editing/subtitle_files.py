"""Writes subtitles as SRT and as WebVTT. The texts come from a script, so nothing in them may mean anything there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from airflow_provider_videoretalk.editing.subtitles import Cue

SubtitleFormat = Literal["srt", "vtt"]

CONTENT_TYPES: dict[SubtitleFormat, str] = {"srt": "application/x-subrip", "vtt": "text/vtt"}

# SRT has no way to escape. Players take these for tags, but not if an invisible space follows the bracket.
_SRT_TAG = re.compile(r"<(?=[/A-Za-z!])|\{(?=[\\yYcCfFsSpP])")
_ZERO_WIDTH_SPACE = "\u200b"
_ARROW = "-->"
_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def subtitle_file(cues: Iterable[Cue], file_format: SubtitleFormat) -> bytes:
    """The content of a subtitle file, in UTF-8."""
    return (_srt(cues) if file_format == "srt" else _vtt(cues)).encode()


def _srt(cues: Iterable[Cue]) -> str:
    blocks = (
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n"
        + "".join(f"{_srt_text(line)}\n" for line in cue.lines)
        for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def _vtt(cues: Iterable[Cue]) -> str:
    blocks = (
        f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n"
        + "".join(f"{line.translate(_VTT_ESCAPES)}\n" for line in cue.lines)
        for cue in cues
    )
    return "\n".join(["WEBVTT\n", *blocks])


def _srt_text(line: str) -> str:
    return _SRT_TAG.sub(lambda found: found[0] + _ZERO_WIDTH_SPACE, line).replace(_ARROW, "\u2192")


def _time(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    return (
        f"{milliseconds // 3_600_000:02}:{milliseconds // 60_000 % 60:02}:{milliseconds // 1000 % 60:02}"
        f"{point}{milliseconds % 1000:03}"
    )
