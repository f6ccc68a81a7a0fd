"""The lip replacement on real media: lengths, mouth movement, audio and refusals."""

from __future__ import annotations

import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.engine.inspection import inspect_video
from airflow_provider_videoretalk.emulator.engine.lip_sync import Rendered, retalk
from airflow_provider_videoretalk.emulator.engine.loudness import measure_loudness
from airflow_provider_videoretalk.emulator.engine.mouth_warp import open_mouth
from airflow_provider_videoretalk.emulator.engine.video_frames import read_frames
from airflow_provider_videoretalk.faces.face_detection import FaceFinder

ROOT = Path(__file__).parents[4]


def frames_of(path: Path) -> int:
    with av.open(path) as container:
        return sum(1 for _ in container.decode(video=0))


def sound_seconds(path: Path) -> float:
    with av.open(path) as container:
        frames = list(container.decode(audio=0))
    return float(frames[-1].pts * frames[-1].time_base) + frames[-1].samples / frames[-1].sample_rate


@pytest.fixture
def result(tmp_path) -> Path:
    return tmp_path / "result.mp4"


@pytest.mark.parametrize("extension", [False, True])
def test_shorter_audio_cuts_the_video(presenter, make_sound, result, extension):
    rendered = retalk(video=presenter, audio=make_sound("a.wav", seconds=2.1), output=result, video_extension=extension)
    assert frames_of(result) == 53
    assert rendered == Rendered(seconds=2.12, width=640, height=640, fps=25, face_found=True)
    assert sound_seconds(result) == pytest.approx(2.1, abs=0.03)


def test_longer_audio_is_cut_without_extension(presenter, make_sound, result):
    rendered = retalk(video=presenter, audio=make_sound("a.wav", seconds=5), output=result, video_extension=False)
    assert frames_of(result) == 75
    assert rendered.seconds == 3
    assert sound_seconds(result) == pytest.approx(3, abs=0.03)


def test_longer_audio_extends_the_video_forwards_and_backwards(write_pictures, make_sound, result):
    shades = [np.full((640, 640, 3), 40 + 6 * i, np.uint8) for i in range(30)]
    video = write_pictures("shades.mp4", shades)
    rendered = retalk(video=video, audio=make_sound("a.wav", seconds=5), output=result, video_extension=True)
    shown = [float(picture.mean()) for picture in read_frames(result)]
    turning = [*range(30), *range(28, -1, -1), *range(1, 17)]
    assert len(shown) == len(turning) == 75
    assert np.allclose(shown, [40 + 6 * i for i in turning], atol=2)
    assert rendered == Rendered(seconds=5, width=640, height=640, fps=15, face_found=False)
    assert sound_seconds(result) == pytest.approx(5, abs=0.03)


def test_result_is_taken_by_its_own_inspection_and_plays_from_the_start(presenter, speech, portrait, result):
    retalk(video=presenter, audio=speech, output=result, video_extension=True, ref_image=portrait)
    properties = inspect_video(result)
    assert (properties.width, properties.height, properties.fps, properties.codec) == (640, 640, 25, "h264")
    assert properties.seconds == pytest.approx(float(measure_loudness(speech).seconds), abs=0.041)
    content = result.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(result) as container:
        assert container.streams.video[0].pix_fmt == "yuv420p"
        assert container.streams.audio[0].codec_context.name == "aac"


def mouth_movement(before: Path, after: Path) -> float:
    """The mean difference of the lower half of the face between two videos."""
    changes = [
        np.abs(first[400:480, 250:390].astype(int) - second[400:480, 250:390]).mean()
        for first, second in zip(read_frames(before), read_frames(after), strict=False)
    ]
    return float(np.mean(changes))


def test_mouth_moves_when_it_is_loud_and_rests_in_silence(presenter, make_sound, tmp_path):
    moved = {}
    for name, loudness in (("loud", 0.5), ("hiss", 0.002), ("silent", 0)):
        output = tmp_path / f"{name}.mp4"
        audio = make_sound(f"{name}.wav", seconds=2, loudness=loudness)
        assert retalk(video=presenter, audio=audio, output=output, video_extension=False).face_found
        moved[name] = mouth_movement(presenter, output)
    assert moved["loud"] > 12
    assert moved["silent"] < 3
    assert moved["hiss"] < 3


def test_mouth_follows_the_speech(presenter, speech, tmp_path):
    """The mouth changes with the loudness of the speech; the rest of the face does not change."""
    output = tmp_path / "a.mp4"
    retalk(video=presenter, audio=speech, output=output, video_extension=False)
    openings = measure_loudness(speech).openings(rate=Fraction(25), count=75)
    changes, elsewhere = [], []
    for first, second in zip(read_frames(presenter), read_frames(output), strict=True):
        difference = np.abs(first.astype(int) - second)
        changes.append(difference[390:480, 250:390].mean())
        elsewhere.append(difference[:330].mean())
    assert np.corrcoef(openings, changes)[0, 1] > 0.8
    assert max(elsewhere) < 3


def test_open_mouth_alone(portrait):
    with Image.open(portrait) as image:
        closed = np.array(image.convert("RGB"))
    (face,) = FaceFinder().find(closed)
    differences = []
    for opening in (0, 0.3, 0.6, 1.0):
        picture = closed.copy()
        open_mouth(picture, face.points, opening=opening)
        changed = np.abs(picture.astype(int) - closed).sum(axis=2) > 30
        differences.append(int(changed.sum()))
        assert not changed[:400].any()
        assert not changed[580:].any()
    assert differences[0] == 0
    assert differences == sorted(differences)
    assert differences[-1] > 3000


@pytest.mark.parametrize("shift", [(-330, 0), (330, 0), (0, 250), (0, -420), (3000, 3000)])
def test_mouth_at_or_beyond_the_edge_of_the_picture(portrait, shift):
    with Image.open(portrait) as image:
        picture = np.array(image.convert("RGB"))
    (face,) = FaceFinder().find(picture)
    for points in (face.points, face.points[:, ::-1], face.points * 0):
        open_mouth(picture, points + np.array(shift, np.float32), opening=1)


def test_without_a_face_the_picture_stays(write_pictures, make_sound, result):
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(40, 220, (8, 8, 3)), np.ones((80, 80, 1))).astype(np.uint8)
    video = write_pictures("a.mp4", [np.roll(blocks, 8 * i, axis=1) for i in range(30)])
    rendered = retalk(video=video, audio=make_sound("a.wav"), output=result, video_extension=False)
    assert not rendered.face_found
    for before, after in zip(read_frames(video), read_frames(result), strict=True):
        assert np.abs(before.astype(int) - after).mean() < 3


def test_reference_image_without_exactly_one_face(presenter, portrait, make_sound, make_image, tmp_path, result):
    double = tmp_path / "double.png"
    with Image.open(portrait) as image:
        scene = Image.new("RGB", (1440, 720))
        scene.paste(image, (0, 0))
        scene.paste(image, (720, 0))
    scene.save(double)
    for image in (make_image("plain.png", width=400, height=400), double):
        with pytest.raises(MediaRefusedError, match="exactly one face") as caught:
            retalk(video=presenter, audio=make_sound("a.wav"), output=result, video_extension=False, ref_image=image)
        assert caught.value.code == "InvalidFile.Content"
    assert not result.exists()


def test_reference_image_for_a_video_without_face(make_video, portrait, make_sound, result):
    with pytest.raises(MediaRefusedError) as caught:
        retalk(
            video=make_video("a.mp4"),
            audio=make_sound("a.wav"),
            output=result,
            video_extension=False,
            ref_image=portrait,
        )
    assert caught.value.code == "InvalidFile.FaceNotMatch"
    assert not any(path.name.startswith((".retalk", "result")) for path in result.parent.iterdir())


@pytest.mark.parametrize("threshold", [119, 201])
def test_threshold_outside_its_range(presenter, make_sound, result, threshold):
    with pytest.raises(MediaRefusedError, match="query_face_threshold") as caught:
        retalk(
            video=presenter,
            audio=make_sound("a.wav"),
            output=result,
            video_extension=False,
            query_face_threshold=threshold,
        )
    assert caught.value.code == "InvalidParameter"


def test_damaged_media_are_refused(presenter, make_sound, tmp_path, result):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(presenter.read_bytes()[:5000])
    list_file = tmp_path / "list.wav"
    list_file.write_text("#EXTM3U\n" + str(presenter))
    with pytest.raises(MediaRefusedError, match="Openerror"):
        retalk(video=broken, audio=make_sound("a.wav"), output=result, video_extension=False)
    with pytest.raises(MediaRefusedError, match="Format"):
        retalk(video=presenter, audio=list_file, output=result, video_extension=False)


def test_samples_that_are_no_numbers(presenter, tmp_path, result):
    """A WAV file of floating point samples can hold infinity and worse, which encoders refuse."""
    samples = np.sin(np.arange(2 * 16000) / 20).astype("<f4")
    samples[5000:5100], samples[9000:9100], samples[12000:12100] = np.nan, np.inf, 1e30
    content = samples.tobytes()
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, 16000, 64000, 4, 32)
    body = b"WAVE" + layout + struct.pack("<4sI", b"data", len(content)) + content
    audio = tmp_path / "odd.wav"
    audio.write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    assert retalk(video=presenter, audio=audio, output=result, video_extension=False).seconds == 2


def test_damaged_packets_within_a_video_are_left_out(presenter, make_sound, tmp_path, result):
    damaged = tmp_path / "damaged.mp4"
    content = bytearray(presenter.read_bytes())
    start = content.index(b"mdat") + len(content) // 2
    content[start : start + 3000] = np.random.default_rng(0).bytes(3000)
    damaged.write_bytes(content)
    rendered = retalk(video=damaged, audio=make_sound("a.wav", seconds=3), output=result, video_extension=False)
    assert 1 < rendered.seconds <= 3


@pytest.mark.parametrize(("container", "codec"), [("a.avi", "libx264"), ("a.mov", "libx265")])
def test_other_containers_and_codecs(make_video, make_sound, result, container, codec):
    video = make_video(container, codec=codec, fps=Fraction(30000, 1001), seconds=2)
    rendered = retalk(video=video, audio=make_sound("a.wav"), output=result, video_extension=False)
    assert rendered.fps == pytest.approx(29.97, abs=0.01)
    assert inspect_video(result).fps == pytest.approx(29.97, abs=0.01)


def test_rotated_and_odd_videos(write_pictures, make_sound, result):
    lying = [np.full((641, 801, 3), 40 + i, np.uint8) for i in range(30)]
    video = write_pictures("a.mp4", lying, rotation=90, pixels="yuv444p")
    rendered = retalk(video=video, audio=make_sound("a.wav"), output=result, video_extension=True)
    assert (rendered.width, rendered.height) == (640, 800)
    assert next(read_frames(result)).shape == (800, 640, 3)


def test_memory_does_not_grow_with_the_length(presenter, make_sound, tmp_path):
    """15 s are 375 frames of 1.2 MB: a process that holds all of them needs 460 MB more."""
    program = (
        "import sys, pathlib;"
        "from benchmarks.machine import peak_megabytes;"
        "from airflow_provider_videoretalk.emulator.engine.lip_sync import retalk;"
        "video, audio, output = map(pathlib.Path, sys.argv[1:]);"
        "retalk(video=video, audio=audio, output=output, video_extension=True);"
        "print(peak_megabytes())"
    )
    peaks = []
    for seconds in (2, 15):
        arguments = [presenter, make_sound(f"{seconds}.wav", seconds=seconds), tmp_path / "out.mp4"]
        finished = subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)], check=True, cwd=ROOT, capture_output=True
        )
        peaks.append(float(finished.stdout))
    assert peaks[1] - peaks[0] < 120
