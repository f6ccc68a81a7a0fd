"""Subtitle files are read back as other programs read them, whatever the script has."""

from __future__ import annotations

import html
import re

import av
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.editing.subtitle_files import subtitle_file
from airflow_provider_videoretalk.editing.subtitles import Cue

CUES = (
    Cue(start=0.5, end=3.0, lines=("Good morning,", "and welcome.")),
    Cue(start=3661.007, end=7325.999, lines=("再见。",)),
)
HOSTILE = (
    "a --> b",
    "00:00:01,000 --> 00:00:02,000",
    "<b>bold</b> & <script>",
    "{\\an8}top {y:i}",
    "WEBVTT",
    "NOTE this",
    "STYLE",
    "12",
    "&lt;i&gt; &amp;",
    "<c.red>",
    "\u202eright to left",
)

# A strict reading of the two formats: https://www.w3.org/TR/webvtt1/ and what SubRip writes.
_SRT_CUE = r"(\d+)\n(\d\d:\d\d:\d\d,\d{3}) --> (\d\d:\d\d:\d\d,\d{3})\n((?:(?!.*-->)[^\n]+\n){1,2})"
_VTT_CUE = r"(\d\d:\d\d:\d\d\.\d{3}) --> (\d\d:\d\d:\d\d\.\d{3})\n((?:(?:[^\n&<>]|&(?:amp|lt|gt);)+\n){1,2})"
_LINES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1).filter(str.strip)


def test_srt():
    assert subtitle_file(CUES, "srt").decode() == (
        "1\n00:00:00,500 --> 00:00:03,000\nGood morning,\nand welcome.\n\n2\n01:01:01,007 --> 02:02:05,999\n再见。\n"
    )


def test_vtt():
    assert subtitle_file(CUES, "vtt").decode() == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:03.000\nGood morning,\nand welcome.\n\n"
        "01:01:01.007 --> 02:02:05.999\n再见。\n"
    )


def cues_of(lines: list[str]) -> list[Cue]:
    return [Cue(start=number, end=number + 0.5, lines=(line,)) for number, line in enumerate(lines)]


def read_srt(content: bytes) -> list[str]:
    text = content.decode()
    assert re.fullmatch(rf"{_SRT_CUE}(?:\n{_SRT_CUE})*", text)
    found = re.findall(_SRT_CUE, text)
    assert [int(number) for number, *_ in found] == list(range(1, len(found) + 1))
    return [shown.rstrip("\n") for *_, shown in found]


def read_vtt(content: bytes) -> list[str]:
    text = content.decode()
    assert re.fullmatch(rf"WEBVTT\n(?:\n{_VTT_CUE})*", text)
    return [html.unescape(shown.rstrip("\n")) for *_, shown in re.findall(_VTT_CUE, text)]


@given(st.lists(st.sampled_from(HOSTILE) | _LINES, min_size=1, max_size=5))
def test_any_line_is_read_back(lines):
    assert read_vtt(subtitle_file(cues_of(lines), "vtt")) == lines
    read = read_srt(subtitle_file(cues_of(lines), "srt"))
    assert [line.replace("\u200b", "").replace("→", "-->") for line in read] == [
        line.replace("\u200b", "").replace("→", "-->") for line in lines
    ]


def test_ffmpeg_reads_each_cue_of_srt(tmp_path):
    """FFmpeg turns tags of SRT into those of ASS, and takes what looks like one of ASS as it is."""
    path = tmp_path / "a"
    path.write_bytes(subtitle_file(cues_of(list(HOSTILE)), "srt"))
    with av.open(path, format="srt") as container:
        packets = [packet for packet in container.demux() if packet.size]
        assert [float(packet.pts * packet.time_base) for packet in packets] == list(range(len(HOSTILE)))
        decoded = [packet.decode()[0].ass.decode() for packet in packets]
    texts = [line.split(",", 8)[8].replace("\u200b", "") for line in decoded]
    assert texts[2] == HOSTILE[2]
    assert "\\b1" not in decoded[2]


def test_ffmpeg_reads_each_cue_of_vtt(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(subtitle_file(cues_of(list(HOSTILE)), "vtt"))
    with av.open(path, format="webvtt") as container:
        packets = [packet for packet in container.demux() if packet.size]
        assert [float(packet.pts * packet.time_base) for packet in packets] == list(range(len(HOSTILE)))
        assert [html.unescape(bytes(packet).decode()) for packet in packets] == list(HOSTILE)


def test_no_cues():
    assert (subtitle_file((), "srt"), subtitle_file((), "vtt")) == (b"", b"WEBVTT\n")
