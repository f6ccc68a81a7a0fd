"""Fixtures of the drawn presenter, created once per session."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_videoretalk.emulator.engine.sample_presenter import draw_portrait, draw_presenter


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def presenter(media: Path) -> Path:
    """Three seconds of the drawn presenter, 640 pixels square, 25 frames per second."""
    path = media / "presenter.mp4"
    draw_presenter(path, seconds=3, size=640)
    return path


@pytest.fixture(scope="session")
def portrait(media: Path) -> Path:
    path = media / "portrait.png"
    draw_portrait(path)
    return path
