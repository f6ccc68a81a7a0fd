from __future__ import annotations

import numpy as np
import pytest

from airflow_provider_videoretalk.emulator.engine.video_frames import FrameStore, ping_pong_index, read_frames


def quarters(width: int, height: int) -> np.ndarray:
    """Red, green, blue and skin, clockwise from the upper left."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (200, 30, 30)
    picture[: height // 2, width // 2 :] = (30, 200, 30)
    picture[height // 2 :, width // 2 :] = (30, 30, 200)
    picture[height // 2 :, : width // 2] = (228, 176, 148)
    return picture


def corners(picture: np.ndarray) -> np.ndarray:
    """The colours of the four quarters, clockwise from the upper left."""
    height, width = picture.shape[:2]
    places = [(height // 4, width // 4), (height // 4, width * 3 // 4)]
    places += [(height * 3 // 4, width * 3 // 4), (height * 3 // 4, width // 4)]
    return np.array([picture[place] for place in places], int)


@pytest.mark.parametrize(("tag", "matrix"), [(1, 1), (2, 1), (5, 5), (6, 5)])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_colours_are_kept_with_every_tag(write_pictures, tag, matrix, pixels):
    original = quarters(320, 240)
    (picture, *_) = read_frames(write_pictures("a.mp4", [original] * 2, tag=tag, matrix=matrix, pixels=pixels))
    assert np.abs(corners(picture) - corners(original)).max() <= 6


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rotation_is_applied(write_pictures, turns):
    original = quarters(320, 240)
    path = write_pictures("a.mp4", [original] * 2, rotation=turns * 90)
    (picture, *_) = read_frames(path)
    assert picture.shape == ((320, 240, 3) if turns % 2 else (240, 320, 3))
    assert np.abs(corners(picture) - corners(np.rot90(original, turns))).max() <= 6


def test_odd_sides_lose_a_line(write_pictures):
    path = write_pictures("a.mp4", [np.full((241, 321, 3), 90, np.uint8)] * 2, pixels="yuv444p")
    assert [picture.shape for picture in read_frames(path)] == [(240, 320, 3)] * 2


def test_store_gives_back_any_picture_in_any_order():
    with FrameStore() as store:
        for i in range(6):
            store.append(np.roll(quarters(320, 240), i * 20, axis=1))
        assert len(store) == 6
        for i in (5, 0, 3, 3, 1):
            wanted = np.roll(quarters(320, 240), i * 20, axis=1).astype(int)
            assert np.abs(corners(store[i]) - corners(wanted)).max() <= 8
            assert np.abs(store[i] - wanted).mean() < 4


def test_ping_pong_index():
    assert [ping_pong_index(i, length=4) for i in range(10)] == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]
    assert [ping_pong_index(i, length=2) for i in range(5)] == [0, 1, 0, 1, 0]
    assert [ping_pong_index(i, length=1) for i in range(3)] == [0, 0, 0]
