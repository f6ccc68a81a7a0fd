"""One table of real files, each just inside or just outside a documented limit."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path

from media_files import coded, image, video, wav

from airflow_provider_videoretalk.media.header.aac import parse_aac_frame
from airflow_provider_videoretalk.model_catalog import videoretalk as limits

Make = Callable[..., Path]


@dataclass(frozen=True, kw_only=True)
class LimitFile:
    """A file beside a limit.

    :param row: the limit's name in ``limits``
    :param edge: the bound that it is beside, ``low`` or ``high``; where the row is a list, the name that is or is not
        on it
    :param inside: whether the service takes it
    :param made: what it is like, in words
    :param make: writes it to a path
    """

    row: str
    edge: str
    inside: bool
    made: str
    make: Callable[[Path], Path]

    @property
    def input(self) -> str:
        """``video``, ``audio`` or ``image``."""
        return self.row.partition("_")[0].lower()

    @property
    def code(self) -> str | None:
        """What it is refused with; ``None`` if it is not."""
        return None if self.inside else getattr(getattr(limits, self.row), "code", "InvalidFile.Format")

    def __str__(self) -> str:
        return f"{self.row}-{self.edge}-{self.made}-{'inside' if self.inside else 'outside'}"


def limit_files() -> Iterator[LimitFile]:
    """The table."""
    yield from _durations()
    yield from _sizes()
    yield from _rates()
    yield from _sides()
    yield from _kinds()


def _pair(row: str, edge: str, make: Make, name: str, inside: object, outside: object) -> Iterator[LimitFile]:
    """The two files beside one bound; ``make`` takes what differs between them as ``name``."""
    kind = make.keywords.get("container") or make.keywords.get("kind", "") if isinstance(make, partial) else ""
    for value, within in ((inside, True), (outside, False)):
        made = f"{kind} {name} {value}".strip().replace(" ", "_")
        yield LimitFile(row=row, edge=edge, inside=within, made=made, make=partial(make, **{name: value}))


def _durations() -> Iterator[LimitFile]:
    for container in limits.VIDEO_CONTAINERS:
        film = partial(video, container=container, fps=20)
        yield from _pair("VIDEO_SECONDS", "low", film, "seconds", 2, 1.95)
        yield from _pair("VIDEO_SECONDS", "high", film, "seconds", 120, 120.05)
    mp3 = partial(coded, container="mp3", rate=16_000)
    for make, name, low, high in (
        (_tone, "seconds", (2, 1.999), (120, 120.001)),
        (mp3, "seconds", (2, 1.99), (120, 120.01)),
        # 86.13 of them are two seconds.
        (_aac, "frames", (87, 86), (5167, 5169)),
    ):
        yield from _pair("AUDIO_SECONDS", "low", make, name, *low)
        yield from _pair("AUDIO_SECONDS", "high", make, name, *high)


def _sizes() -> Iterator[LimitFile]:
    for row, make in (("VIDEO_BYTES", _large_video), ("AUDIO_BYTES", _large_audio), ("IMAGE_BYTES", _large_image)):
        most = getattr(limits, row).high
        yield from _pair(row, "high", make, "size", most, most + 1)


def _rates() -> Iterator[LimitFile]:
    for container in limits.VIDEO_CONTAINERS:
        film = partial(video, container=container, seconds=3)
        yield from _pair("VIDEO_FPS", "low", film, "fps", 15, Fraction(149, 10))
        yield from _pair("VIDEO_FPS", "high", film, "fps", 60, Fraction(601, 10))
        yield from _pair("VIDEO_FPS", "high", film, "fps", Fraction(60000, 1001), 61)


def _sides() -> Iterator[LimitFile]:
    for side in ("width", "height"):
        film = partial(video, container="mp4")
        yield from _pair("VIDEO_SIDE", "low", film, side, 640, 638)
        yield from _pair("VIDEO_SIDE", "high", film, side, 2048, 2050)
    for kind in limits.IMAGE_FORMATS:
        picture = partial(_picture, kind=kind)
        yield from _pair("IMAGE_SIDE", "high", picture, "sides", (4096, 2048), (4097, 2100))
        yield from _pair("IMAGE_SIDE", "high", picture, "sides", (2048, 4096), (2100, 4097))
        yield from _pair("IMAGE_ASPECT", "high", picture, "sides", (200, 100), (201, 100))
        yield from _pair("IMAGE_ASPECT", "high", picture, "sides", (100, 200), (100, 201))


def _kinds() -> Iterator[LimitFile]:
    films = {name: partial(video, container=name) for name in ("mp4", "avi", "mov", "matroska", "flv", "3gp")}
    codecs = {"h264": "libx264", "hevc": "libx265", "mpeg4": "mpeg4"}
    sounds: dict[str, Make] = {
        "wav": _tone,
        "mp3": coded,
        "aac": partial(_aac, frames=100),
        "flac": partial(coded, codec="flac", container="flac"),
        "ogg": partial(coded, codec="libopus", container="ogg", rate=48_000),
        "m4a": partial(coded, codec="aac", container="ipod"),
    }
    pictures = {name: partial(_picture, kind=name) for name in ("jpeg", "png", "bmp", "webp", "gif", "tiff")}
    yield from _listed("VIDEO_CONTAINERS", films | {"wav": sounds["wav"], "mp3": coded, "png": pictures["png"]})
    yield from _listed(
        "VIDEO_CODECS", {name: partial(video, codec=codec, container="mp4") for name, codec in codecs.items()}
    )
    yield from _listed("AUDIO_CONTAINERS", sounds | {"mp4": films["mp4"], "avi": films["avi"], "bmp": pictures["bmp"]})
    yield from _listed("IMAGE_FORMATS", pictures | {"mov": films["mov"], "wav": sounds["wav"], "aac": sounds["aac"]})


def _listed(row: str, makers: dict[str, Make]) -> Iterator[LimitFile]:
    for name, make in makers.items():
        yield LimitFile(row=row, edge=name, inside=name in getattr(limits, row), made="file", make=make)


def _tone(path: Path, *, seconds: float = 2) -> Path:
    path.write_bytes(wav(seconds=seconds))
    return path


def _picture(path: Path, *, kind: str, sides: tuple[int, int] = (64, 48)) -> Path:
    path.write_bytes(image(kind, width=sides[0], height=sides[1]))
    return path


def _aac(path: Path, *, frames: int) -> Path:
    """``frames`` times 1,024 samples, at 44.1 kHz."""
    parts = _aac_frames()
    path.write_bytes(b"".join((parts * (frames // len(parts) + 1))[:frames]))
    return path


@lru_cache(maxsize=1)
def _aac_frames() -> tuple[bytes, ...]:
    with tempfile.TemporaryDirectory() as folder:
        content = coded(Path(folder, "a"), codec="aac", container="adts", seconds=3).read_bytes()
    parts = []
    while content:
        frame = parse_aac_frame(content)
        assert frame
        parts.append(content[: frame.length])
        content = content[frame.length :]
    return tuple(parts)


def _large_video(path: Path, *, size: int) -> Path:
    return _grown(video(path, container="mp4"), size, lambda room: struct.pack(">I4s", room, b"free"))


def _large_audio(path: Path, *, size: int) -> Path:
    return _grown(_tone(path), size, lambda room: struct.pack("<4sI", b"JUNK", room - 8))


def _large_image(path: Path, *, size: int) -> Path:
    return _grown(_picture(path, kind="png"), size, lambda _: b"")


def _grown(path: Path, size: int, head: Callable[[int], bytes]) -> Path:
    """Lengthens a file by a hole, behind the head of the part that the hole belongs to."""
    with path.open("ab") as file:
        file.write(head(int(size) - path.stat().st_size))
        file.truncate(int(size))
    return path
