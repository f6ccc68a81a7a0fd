"""Makes a photo speak: the photo becomes a video of one moment, whose lips then follow the speech."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from airflow_provider_videoretalk.emulator.engine.container import refuse_damaged_media, require_kind
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.engine.lip_sync import Rendered, retalk
from airflow_provider_videoretalk.emulator.engine.mp4_writer import AUDIO_SAMPLE_RATE, Mp4Writer
from airflow_provider_videoretalk.faces.face_detection import FaceFinder
from airflow_provider_videoretalk.model_catalog.videoretalk import IMAGE_FORMATS

# A second, which is played forwards and backwards.
_FRAMES_PER_SECOND = 24
_SMALLEST_FACE_PIXELS = 48
# The longer side of a photo that is rendered in its own size.
_LONGEST_SIDE = 1280


def count_faces(photo: Path) -> int:
    """How many faces a photo shows.

    :raises MediaRefusedError: ``InvalidFile.Openerror`` or ``.Format``: it is no photo
    """
    picture = _read(photo)
    smallest = max(_SMALLEST_FACE_PIXELS, min(picture.size) // 8)
    return len(FaceFinder(smallest=smallest).find(picture))


def animate(*, photo: Path, audio: Path, output: Path, side: int | None) -> Rendered:
    """Make a photo speak. The video is as long as the audio.

    :param side: pixels of the shorter side of the video; ``None`` for that of the photo
    :raises MediaRefusedError: a file cannot be read, or the photo shows no face (``InvalidFile.Content``)
    """
    picture = np.asarray(_scaled(_read(photo), side))
    height, width = picture.shape[:2]
    rate = Fraction(_FRAMES_PER_SECOND)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".photo-") as folder:
        still, draft = Path(folder, "still.mp4"), Path(folder, "draft.mp4")
        silence = iter([np.zeros(AUDIO_SAMPLE_RATE, np.float32)])
        with Mp4Writer(still, width=width, height=height, rate=rate, sound=silence) as writer:
            for _ in range(_FRAMES_PER_SECOND):
                writer.write(picture.copy())
        rendered = retalk(video=still, audio=audio, output=draft, video_extension=True)
        if not rendered.face_found:
            raise MediaRefusedError("InvalidFile.Content", "The image shows no face.")
        draft.replace(output)
    return rendered


def _read(photo: Path) -> Image.Image:
    kind = require_kind(photo, allowed=IMAGE_FORMATS)
    with refuse_damaged_media(), Image.open(photo, formats=[kind]) as image:
        return ImageOps.exif_transpose(image).convert("RGB")
    raise AssertionError("unreachable")


def _scaled(picture: Image.Image, side: int | None) -> Image.Image:
    factor = min(1.0, _LONGEST_SIDE / max(picture.size)) if side is None else side / min(picture.size)
    # H.264 has even sides.
    width, height = (max(2, round(length * factor / 2) * 2) for length in picture.size)
    return picture.resize((width, height))
