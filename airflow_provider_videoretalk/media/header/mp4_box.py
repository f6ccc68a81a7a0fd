"""Reads boxes, the parts of MP4 and MOV files: a size, a type, and content, which may be boxes again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.outbound.read_budget import OutOfReachError

_MAX_BOXES = 4096
# The longest video, 120 s at 60 fps with sound, has 25,650 boxes if each frame has a fragment of its own.
_MAX_TOP_LEVEL_BOXES = 32_768
_MAX_DEPTH = 8
_CONTAINER_TYPES = frozenset({b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"traf", b"mfra"})


@dataclass(frozen=True, kw_only=True)
class BoxLocation:
    """The position of a box in a file.

    :param start: position of the box
    :param content: position of its content
    :param end: ``None`` where it ends with the file, and the file's size is not known
    """

    type: bytes
    start: int
    content: int
    end: int | None


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box in memory.

    :param children: the boxes in it, for box types that contain boxes
    """

    type: bytes
    body: memoryview
    children: list[Box] = field(default_factory=list)

    def all(self, box_type: bytes) -> list[Box]:
        return [box for box in self.children if box.type == box_type]

    def first(self, *path: bytes) -> Box | None:
        """The first child of the first type in ``path``, in it the first child of the second type, and so on."""
        box: Box | None = self
        for box_type in path:
            box = next((child for child in box.children if child.type == box_type), None) if box else None
        return box

    def body_of(self, *path: bytes) -> memoryview:
        """The content of :meth:`first`; empty if there is no such box."""
        box = self.first(*path)
        return box.body if box else memoryview(b"")


def scan_boxes(ranged: RangedReader, start: int = 0) -> Iterator[BoxLocation]:
    """The top-level boxes from ``start`` on.

    :raises DamagedFileError: a box is shorter than its header or ends after the file
    :raises OutOfReachError: there are too many boxes
    """
    for number in count():
        header = ranged.read_at(start, 16)
        if len(header) < 8:
            return
        if number == _MAX_TOP_LEVEL_BOXES:
            raise OutOfReachError(f"it has more than {_MAX_TOP_LEVEL_BOXES:,} boxes")
        size, header_bytes = parse_header(header)
        end = start + size if size else ranged.size
        if end is not None and ranged.size is not None and end > ranged.size:
            raise DamagedFileError(f"it ends at byte {ranged.size:,}, before its {_name(header[4:8])} box at {end:,}")
        yield BoxLocation(type=header[4:8], start=start, content=start + header_bytes, end=end)
        if end is None:
            return
        start = end


class BoxCounter:
    """Limits how many boxes are read inside of other boxes.

    :param limit: most boxes
    """

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    def count(self) -> None:
        """Counts one box.

        :raises OutOfReachError: there are too many
        """
        if not self._left:
            raise OutOfReachError(f"it has more than {self._limit:,} boxes")
        self._left -= 1


def load_box(ranged: RangedReader, location: BoxLocation, *, max_bytes: int, counter: BoxCounter | None = None) -> Box:
    """Reads the box at ``location`` with everything in it.

    :param counter: counts the boxes in it; by default it may have 4,096
    :raises DamagedFileError: a box in it is shorter than its header
    :raises OutOfReachError: it is larger than ``max_bytes``, or has too many boxes
    """
    if location.end is None or location.end - location.content > max_bytes:
        raise OutOfReachError(f"its {_name(location.type)} box is larger than {max_bytes:,} bytes")
    content = ranged.read_at(location.content, location.end - location.content)
    return parse_box(location.type, content, counter=counter or BoxCounter(_MAX_BOXES))


def parse_box(box_type: bytes, content: bytes, *, counter: BoxCounter) -> Box:
    """The box with this content, and everything in it.

    :raises DamagedFileError: a box in it is shorter than its header
    :raises OutOfReachError: it has too many boxes
    """
    body = memoryview(content)
    return Box(type=box_type, body=body, children=list(_children(body, counter, 0)))


def _children(body: memoryview, counter: BoxCounter, depth: int) -> Iterator[Box]:
    position = 0
    while position + 8 <= len(body):
        counter.count()
        header = bytes(body[position : position + 16])
        size, header_bytes = parse_header(header)
        # Players end a box that is longer than its parent box with its parent box.
        end = min(position + size, len(body)) if size else len(body)
        content = body[position + header_bytes : end]
        nested = header[4:8] in _CONTAINER_TYPES and depth < _MAX_DEPTH
        children = list(_children(content, counter, depth + 1)) if nested else []
        yield Box(type=header[4:8], body=content, children=children)
        position = end


def parse_header(header: bytes) -> tuple[int, int]:
    """Bytes of the box, 0 for a box that continues to the end; and bytes of its header.

    :raises DamagedFileError: the box is shorter than its header
    """
    size, header_bytes = int.from_bytes(header[:4], "big"), 8
    if size == 1:
        if len(header) < 16:
            raise DamagedFileError("it ends within the header of a box")
        size, header_bytes = int.from_bytes(header[8:16], "big"), 16
    if 0 < size < header_bytes or (size == 0 and header_bytes == 16):
        raise DamagedFileError(f"its {_name(header[4:8])} box is shorter than the header of a box")
    return size, header_bytes


def _name(box_type: bytes) -> str:
    return repr(box_type.decode("latin-1"))
