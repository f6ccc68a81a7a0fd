"""The AIGC label is in the file for foreign readers, and no sample has changed."""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from media_files import coded, video, wav

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.aigc_label import AigcLabel, aigc_label

PRODUCER = "001191330101MA27WPYJ18x0001"
LABEL = AigcLabel(content_producer=PRODUCER, produce_id="job-1", reserved_code1="某")
ELEMENTS = {
    "Label": "1",
    "ContentProducer": PRODUCER,
    "ProduceID": "job-1",
    "ReservedCode1": "某",
    "ContentPropagator": PRODUCER,
    "PropagateID": "job-1",
    "ReservedCode2": "",
}


def talking_head(path: Path) -> Path:
    """A video with sound as the service makes it: pictures that refer to later ones, and a title."""
    with av.open(path, "w", format="mp4") as output:
        output.metadata["title"] = "Grüße"
        pictures = output.add_stream("libx264", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 160, 120, "yuv420p"
        pictures.set_display_rotation(90)
        sound = output.add_stream("aac", rate=24_000, layout="mono")
        noise = np.random.default_rng(1).integers(0, 255, (25, 120, 160, 3), np.uint8)
        for number, picture in enumerate(noise):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(pictures.encode(frame))
        output.mux(pictures.encode(None))
        for start in range(0, 24_000, 1024):
            samples = (np.sin(np.arange(start, start + 1024) / 9) * 0.3).astype(np.float32)
            heard = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 24_000, start, Fraction(1, 24_000)
            output.mux(sound.encode(heard))
        output.mux(sound.encode(None))
    return path


def made(folder: Path, name: str) -> Path:
    path = folder / name
    if name == "head.mp4":
        return talking_head(path)
    if name.endswith((".mp4", ".mov")):
        return video(path, seconds=1, width=160, height=120, container=name[-3:])
    if name.endswith(".m4a"):
        return coded(path, seconds=1, codec="aac", container="ipod")
    if name.endswith(".mp3"):
        return coded(path, seconds=1)
    path.write_bytes(wav(seconds=0.5, width=1, rate=8_002))
    return path


def packets(path: Path) -> list[Any]:
    """Every sample of every stream, with its times in seconds and whether one can seek to it."""
    with av.open(path) as container:
        return [
            (
                p.stream.index,
                p.pts * p.time_base,
                p.dts * p.time_base,
                p.duration * p.time_base,
                p.is_keyframe,
                bytes(p),
            )
            for p in container.demux()
            if p.dts is not None and p.pts is not None and p.duration is not None
        ]


def properties(path: Path) -> list[Any]:
    with av.open(path) as container:
        return [
            (
                stream.type,
                stream.codec_context.name,
                stream.codec_context.codec_tag,
                stream.codec_context.extradata,
                stream.start_time * stream.time_base,
                stream.metadata.get("language"),
            )
            for stream in container.streams
        ]


@pytest.mark.parametrize("name", ["head.mp4", "v.mp4", "v.mov", "a.m4a", "a.mp3"])
def test_read_by_ffmpeg_with_all_samples_unchanged(tmp_path: Path, name: str) -> None:
    source, target = made(tmp_path, name), tmp_path / f"labelled-{name}"
    assert LABEL.write(source, target) == {"aigc": ELEMENTS}
    with av.open(target) as container:
        assert json.loads(container.metadata["AIGC"]) == ELEMENTS
        assert container.metadata.get("title") == ("Grüße" if name == "head.mp4" else None)
    assert packets(target) == packets(source)
    assert len(packets(target)) > 10
    assert properties(target) == properties(source)


def test_a_labelled_video_plays_as_before(tmp_path: Path) -> None:
    source, target = talking_head(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    LABEL.write(source, target)
    decoded: list[list[Any]] = []
    for path in (source, target):
        with av.open(path) as container:
            decoded.append([(f.pts, f.rotation, f.to_ndarray().tobytes()) for f in container.decode(video=0)])
    assert decoded[0] == decoded[1]
    assert len(decoded[0]) == 25
    assert decoded[0][0][1] == 90


def test_the_index_comes_first_and_the_key_is_where_the_guide_says(tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    LABEL.write(talking_head(tmp_path / "a.mp4"), target)
    content = target.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    keys = content[content.index(b"meta") :]
    assert keys.index(b"mdta") < keys.index(b"keys") < keys.index(b"mdtaAIGC") < keys.index(b"ilst")


@pytest.mark.parametrize("name", ["head.mp4", "a.mp3", "a.wav"])
def test_an_older_label_is_replaced(tmp_path: Path, name: str) -> None:
    first, second = tmp_path / f"1-{name}", tmp_path / f"2-{name}"
    AigcLabel(content_producer="older", produce_id="older").write(made(tmp_path, name), first)
    assert b"older" in first.read_bytes()
    LABEL.write(first, second)
    assert b"older" not in second.read_bytes()
    assert second.read_bytes().count(b"AIGC") == 1


def test_a_chunk_of_a_wav_file(tmp_path: Path) -> None:
    """Read by FFmpeg without a warning, and by the rules of RIFF: its data is of odd size."""
    source, target = made(tmp_path, "a.wav"), tmp_path / "b.wav"
    LABEL.write(source, target)
    content = target.read_bytes()
    assert struct.unpack("<4sI4s", content[:12]) == (b"RIFF", len(content) - 8, b"WAVE")
    chunks, position = {}, 12
    while position < len(content):
        kind, size = struct.unpack("<4sI", content[position : position + 8])
        chunks[kind] = content[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
    assert list(chunks) == [b"fmt ", b"data", b"AIGC"]
    assert len(chunks[b"data"]) == 4_001
    assert json.loads(chunks[b"AIGC"]) == ELEMENTS
    assert packets(target) == packets(source)


@pytest.mark.parametrize("damage", [lambda wav: wav[:-100], lambda wav: wav[:40] + b"\xff" * 4 + wav[44:]])
def test_a_wav_file_whose_chunks_do_not_end(tmp_path: Path, damage: Any) -> None:
    source = tmp_path / "a.wav"
    source.write_bytes(damage(wav(seconds=0.5)))
    with pytest.raises(InputError, match=r"the WAV file lacks [\d,]+ bytes of a chunk"):
        LABEL.write(source, tmp_path / "b.wav")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"OggS" + bytes(100), "ogg"),
        (b"\x1a\x45\xdf\xa3" + bytes(100), "matroska"),
        (b"{}", "json"),
        (b"\xfe\0" * 50, "unknown"),
    ],
)
def test_a_format_without_a_place_for_it(tmp_path: Path, content: bytes, name: str) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(content)
    with pytest.raises(InputError, match=f"of the format {name}, allowed is MP4, MOV, M4A, MP3, WAV"):
        LABEL.write(source, tmp_path / "b.mp4")
    assert not (tmp_path / "b.mp4").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label": "4"}, r"label is '4', allowed is '1' \(made by AI\)"),
        ({"content_producer": ""}, "content_producer is '', allowed is a text that is not empty"),
        ({"content_producer": 'a"b'}, "content_producer is 'a\"b', allowed is a text of at most 256"),
        ({"produce_id": "a\\b"}, "produce_id is"),
        ({"reserved_code1": "a\nb"}, "reserved_code1 is"),
        ({"propagate_id": "x" * 257}, "propagate_id is 'x"),
        ({"content_propagator": 7}, "content_propagator is '7'"),
        ({"producer": "x"}, "aigc_label has the field 'producer', allowed are label, content_producer"),
    ],
)
def test_values_that_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        aigc_label({"content_producer": PRODUCER} | fields, produce_id="job-1")


def test_fields_without_a_value_have_their_default() -> None:
    given = {"content_producer": PRODUCER, "produce_id": "", "content_propagator": None, "label": "2"}
    assert aigc_label(given, produce_id="job-9").elements == ELEMENTS | {
        "Label": "2",
        "ProduceID": "job-9",
        "PropagateID": "job-9",
        "ReservedCode1": "",
    }
