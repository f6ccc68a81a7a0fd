"""A subtitle track is added to a video whose samples stay as they are."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from media_files import video
from spoken_sounds import film, word, write_wav

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.subtitle_track import add_subtitle_track
from airflow_provider_videoretalk.editing.subtitles import Cue

CUES = (
    Cue(start=0.5, end=1.2, lines=("Good morning,", "再见 🎬")),
    Cue(start=1.2, end=1.9, lines=("<b>a</b> & {\\an8} -->",)),
)


def samples(path: Path) -> list[tuple[str, Fraction, Fraction, str]]:
    """Each sample of picture and sound: when it is shown, for how long, and the sum of its bytes."""
    with av.open(path) as container:
        streams = [stream for stream in container.streams if stream.type in ("video", "audio")]
        return sorted(
            (packet.stream.type, packet.pts * packet.time_base, packet.dts * packet.time_base, checksum(packet))
            for packet in container.demux(streams)
            if packet.size
        )


def checksum(packet: Any) -> str:
    return hashlib.sha256(bytes(packet)).hexdigest()


def cues_in(path: Path) -> list[tuple[float, float, str]]:
    with av.open(path) as container:
        (track,) = container.streams.subtitles
        return [
            (packet.pts / 1000, packet.duration / 1000, bytes(packet)[2:].decode())
            for packet in container.demux(track)
            if packet.size > 2
        ]


@pytest.mark.parametrize(("container", "fragments"), [("mp4", False), ("mov", False), ("mp4", True)])
def test_a_track_is_added(tmp_path, container, fragments):
    source = film(tmp_path / "a", container=container, fragments=fragments)
    target = tmp_path / "b"
    add_subtitle_track(source, target, cues=CUES, language="zh")
    assert samples(target) == samples(source)
    assert cues_in(target) == [
        (0.5, 0.7, "Good morning,\n再见 🎬"),
        (1.2, 0.7, "<b>a</b> & {\\an8} -->"),
    ]
    with av.open(source) as before, av.open(target) as after:
        track = after.streams.subtitles[0]
        assert track.codec_context.name == "mov_text"
        assert container == "mov" or track.metadata["language"] == "zho"
        assert int(track.disposition) == 0
        assert after.metadata["title"] == "The news"
        assert after.metadata["major_brand"] == before.metadata["major_brand"]
        rotations = [next(each.decode(video=0)).rotation for each in (before, after)]
    assert rotations == [90, 90]


def test_the_index_comes_first(tmp_path):
    add_subtitle_track(film(tmp_path / "a.mp4"), tmp_path / "b.mp4", cues=CUES)
    content = (tmp_path / "b.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_no_language_is_undetermined(tmp_path):
    add_subtitle_track(film(tmp_path / "a.mp4"), tmp_path / "b.mp4", cues=CUES)
    with av.open(tmp_path / "b.mp4") as container:
        assert container.streams.subtitles[0].language in (None, "und")


def test_cues_after_the_last_picture_are_kept(tmp_path):
    late = Cue(start=3, end=4, lines=("after the end",))
    add_subtitle_track(video(tmp_path / "a.mp4", seconds=1), tmp_path / "b.mp4", cues=(late,))
    assert cues_in(tmp_path / "b.mp4") == [(3, 1, "after the end")]


def test_another_container_is_refused(tmp_path):
    source = write_wav(tmp_path / "a.wav", word(1))
    with pytest.raises(InputError, match="the video is a file of type wav, allowed are mp4 and mov"):
        add_subtitle_track(source, tmp_path / "b.mp4", cues=CUES)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_ffprobe_has_nothing_to_say(tmp_path):
    add_subtitle_track(film(tmp_path / "a.mp4"), tmp_path / "b.mp4", cues=CUES, language="en")
    command = ["ffprobe", "-v", "warning", "-show_streams", "-count_packets", "-of", "json", str(tmp_path / "b.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    streams = {each["codec_type"]: each for each in json.loads(done.stdout)["streams"]}
    assert streams["subtitle"]["disposition"]["default"] == 0
    assert streams["subtitle"]["tags"]["language"] == "eng"
    assert streams["video"]["nb_read_packets"] == "60"
