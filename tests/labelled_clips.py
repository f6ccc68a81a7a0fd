"""Clips of the drawn presenter with a known fault, for the tests and the benchmark of the checks of faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from airflow_provider_videoretalk.emulator.engine.mp4_writer import Mp4Writer
from airflow_provider_videoretalk.emulator.engine.video_frames import read_frames

Change = Callable[[Image.Image], Image.Image]

_BACKDROP = (186, 196, 206)
_SKIN = (231, 182, 152)


def write_clip(
    path: Path, frames: Iterator[Image.Image] | list[Image.Image], *, fps: Fraction | int = 25, quality: int = 20
) -> Path:
    """An MP4 without sound; all frames have the size of the first."""
    writer: Mp4Writer | None = None
    for frame in frames:
        if writer is None:
            width, height = frame.size
            writer = Mp4Writer(path, width=width, height=height, rate=Fraction(fps), sound=None, quality=quality)
            writer.__enter__()
        writer.write(np.asarray(frame.convert("RGB")))
    assert writer is not None
    writer.__exit__(None, None, None)
    return path


def changed_clip(presenter: Path, path: Path, change: Change, *, step: int = 1, quality: int = 20) -> Path:
    """The presenter with each frame changed.

    :param step: takes every so many frames, at a lower rate
    :param quality: of the coding, as x264's crf
    """
    frames = islice(read_frames(presenter), 0, None, step)
    changed = (change(Image.fromarray(frame)) for frame in frames)
    return write_clip(path, changed, fps=Fraction(25, step), quality=quality)


def as_it_is(frame: Image.Image) -> Image.Image:
    return frame


def _part(frame: Image.Image, *box: float) -> tuple[int, int, int, int]:
    """A box in grid units of 720, as pixels."""
    return cast("tuple[int, int, int, int]", tuple(round(edge * frame.width / 720) for edge in box))


def headless(frame: Image.Image) -> Image.Image:
    """The head is out of the picture."""
    cut = frame.crop(_part(frame, 0, 545, 720, 720))
    return cut.resize(frame.size)


def shrunk(part: float) -> Change:
    def change(frame: Image.Image) -> Image.Image:
        small = frame.resize((round(frame.width * part), round(frame.height * part)), Image.Resampling.BOX)
        scene = Image.new("RGB", frame.size, _BACKDROP)
        scene.paste(small, ((frame.width - small.width) // 2, (frame.height - small.height) // 2))
        return scene

    return change


def blurred(radius: float) -> Change:
    return lambda frame: frame.filter(ImageFilter.GaussianBlur(radius * frame.width / 720))


def dimmed(part: float) -> Change:
    return lambda frame: frame.point([round(value * part) for value in range(256)] * 3)


def rotated(degrees: float) -> Change:
    return lambda frame: frame.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=_BACKDROP)


def covered(frame: Image.Image) -> Image.Image:
    """A hand is before the mouth."""
    frame = frame.copy()
    ImageDraw.Draw(frame).ellipse(_part(frame, 270, 385, 450, 515), fill=_SKIN)
    return frame


def turned(degrees: float) -> Change:
    """The head is turned to its side, as a picture on a cylinder is."""

    def change(frame: Image.Image) -> Image.Image:
        pixels = np.asarray(frame)
        height, width = pixels.shape[:2]
        middle, radius = width / 2, width * 172 / 720
        across = (np.arange(width) - middle) / radius
        is_head = np.abs(across) < 1
        angle = np.arcsin(np.clip(across, -1, 1)) - np.radians(degrees)
        source = middle + radius * np.sin(np.clip(angle, -np.pi / 2, np.pi / 2))
        columns = np.where(is_head, source, np.arange(width)).round().astype(int).clip(0, width - 1)
        rows = round(height * 520 / 720)
        return Image.fromarray(np.vstack([pixels[:rows][:, columns], pixels[rows:]]))

    return change


def beside_itself(frame: Image.Image) -> Image.Image:
    """Two persons of the same size."""
    scene = Image.new("RGB", (frame.width * 2, frame.height))
    scene.paste(frame, (0, 0))
    scene.paste(frame.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (frame.width, 0))
    return scene


def with_portrait(frame: Image.Image) -> Image.Image:
    """A small portrait is on the wall."""
    frame = frame.copy()
    face = frame.crop(_part(frame, 120, 60, 600, 600)).resize((frame.width // 6, frame.width // 6))
    frame.paste(face, _part(frame, 580, 20))  # type: ignore[arg-type]
    return frame


GOOD: Mapping[str, Change] = {
    "as it is": as_it_is,
    "half size": shrunk(0.5),
    "slightly soft": blurred(2),
    "half as bright": dimmed(0.5),
    "tilted by 12 degrees": rotated(12),
    "turned by 12 degrees": turned(12),
    "a portrait on the wall": with_portrait,
}
"""Clips that can be lip-synced."""

BAD: Mapping[str, tuple[Change, set[str]]] = {
    "no face": (headless, {"no_face"}),
    "upside down": (rotated(180), {"no_face", "tilted", "face_missing"}),
    "lying": (rotated(90), {"no_face", "tilted", "face_missing", "turned"}),
    "tilted by 45 degrees": (rotated(45), {"tilted"}),
    "turned by 40 degrees": (turned(40), {"turned", "no_face", "face_missing"}),
    "turned by 60 degrees": (turned(60), {"turned", "no_face", "face_missing"}),
    "tiny face": (shrunk(0.15), {"too_small"}),
    "blurred": (blurred(8), {"blurred"}),
    "very blurred": (blurred(14), {"blurred", "no_face", "face_missing"}),
    "dark": (dimmed(0.12), {"dark"}),
    "mouth covered": (covered, {"no_face", "face_missing"}),
    "two faces": (beside_itself, {"several_faces"}),
}
"""Clips that cannot, or not surely; each with the findings that tell it."""
