"""What long videos need to be installed, and what importing them loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from numbered_video import numbered_video, numbers_in

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.editing.join import join_pieces
from airflow_provider_videoretalk.editing.presenter_part import cut_presenter, presenter_length
from airflow_provider_videoretalk.editing.sound_part import cut_sound

PACKAGE = "airflow_provider_videoretalk.editing"


def test_importing_loads_no_media_library() -> None:
    program = f"""
import sys
import {PACKAGE}.join, {PACKAGE}.presenter_part, {PACKAGE}.sound_part
print([name for name in ("av", "numpy", "PIL") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_the_extra_media_is_enough(tmp_path: Path) -> None:
    """PyAV does without NumPy, which the extra does not install."""
    program = f"""
import sys
sys.modules["numpy"] = sys.modules["PIL"] = None
from pathlib import Path
from {PACKAGE}.join import join_pieces
from {PACKAGE}.presenter_part import cut_presenter
from {PACKAGE}.sound_part import cut_sound
folder = Path({str(tmp_path)!r})
cut_presenter(folder / "clip.mp4", folder / "part.mp4", start_frame=0, frames=8)
join_pieces([folder / "clip.mp4", folder / "part.mp4"], folder / "joined.mp4")
cut_sound(folder / "clip.mp4", folder / "part.wav", start=0, end=0.1)
"""
    import numpy as np

    numbered_video(tmp_path / "clip.mp4", range(5), sound=np.zeros((1, 8820), np.float32))
    subprocess.run([sys.executable, "-c", program], check=True)
    assert numbers_in(tmp_path / "joined.mp4") == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 3, 2, 1]


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_videoretalk.optional_dependencies.is_installed", lambda module: False)
    path = tmp_path / "any"
    calls = (
        lambda: join_pieces([path], path),
        lambda: presenter_length(path),
        lambda: cut_presenter(path, path, start_frame=0, frames=1),
        lambda: cut_sound(path, path, start=0, end=1),
    )
    for call in calls:
        with pytest.raises(ConfigurationError, match=r"A long video needs av, .*\[media\]"):
            call()
