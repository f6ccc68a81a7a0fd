"""Four pictures of a published video in a row, as the README shows them: python scripts/filmstrip.py VIDEO PICTURE."""

from __future__ import annotations

import sys

import av
from PIL import Image

COUNT = 4
SIDE = 300


def main(video: str, picture: str) -> None:
    with av.open(video) as container:
        frames = [frame for index, frame in enumerate(container.decode(video=0)) if index % 14 == 0][1 : COUNT + 1]
    strip = Image.new("RGB", (COUNT * SIDE, SIDE))
    for index, frame in enumerate(frames):
        strip.paste(frame.to_image().resize((SIDE, SIDE), Image.Resampling.LANCZOS), (index * SIDE, 0))
    strip.save(picture, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
