"""Boxes, of which MP4 and MOV are made: a size, a name, and that many bytes, which may be boxes again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from airflow_provider_videoretalk.media.header.damage import DamageError
from airflow_provider_videoretalk.media.ranged import OutOfReachError, Ranged

BOXES = 4096
"""Most that are looked at in one file, or in one index."""

_DEPTH = 8
_NESTING = frozenset({b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"traf", b"mfra"})


@dataclass(frozen=True, kw_only=True)
class Place:
    """A box in a file: where it begins, where its content does, and where it ends.

    :param end: ``None`` where it ends with the file, and the file's size is not known
    """

    kind: bytes
    start: int
    content: int
    end: int | None


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box in memory. ``inside`` are the boxes within it, for kinds that are known to hold some."""

    kind: bytes
    body: memoryview
    inside: list[Box] = field(default_factory=list)

    def all(self, kind: bytes) -> list[Box]:
        return [box for box in self.inside if box.kind == kind]

    def first(self, *path: bytes) -> Box | None:
        """The first box of the first kind in ``path``, in it that of the second, and so on."""
        box: Box | None = self
        for kind in path:
            box = next((inner for inner in box.inside if inner.kind == kind), None) if box else None
        return box

    def body_of(self, *path: bytes) -> memoryview:
        """The content of :meth:`first`, empty where there is none."""
        box = self.first(*path)
        return box.body if box else memoryview(b"")


def places(ranged: Ranged, start: int = 0) -> Iterator[Place]:
    """The outermost boxes from ``start`` on.

    :raises DamageError: a box is shorter than its own head, goes on behind the file's end, or there are too many
    """
    for number in count():
        head = ranged.at(start, 16)
        if len(head) < 8:
            return
        if number == BOXES:
            raise DamageError(f"it has more than {BOXES:,} boxes")
        size, length = _measure(head)
        end = start + size if size else ranged.size
        if end is not None and ranged.size is not None and end > ranged.size:
            raise DamageError(f"it ends at byte {ranged.size:,}, before its {_shown(head[4:8])} does at {end:,}")
        yield Place(kind=head[4:8], start=start, content=start + length, end=end)
        if end is None:
            return
        start = end


def load(ranged: Ranged, place: Place, *, most: int) -> Box:
    """The box at ``place`` in memory, with all that is in it.

    :raises DamageError: it is made of too many boxes
    :raises OutOfReachError: it is larger than ``most`` bytes
    """
    if place.end is None or place.end - place.content > most:
        raise OutOfReachError(f"its {_shown(place.kind)} is larger than {most:,} bytes")
    body = memoryview(ranged.at(place.content, place.end - place.content))
    return Box(kind=place.kind, body=body, inside=list(_inside(body, count(), 0)))


def _inside(body: memoryview, number: Iterator[int], depth: int) -> Iterator[Box]:
    position = 0
    while position + 8 <= len(body):
        if next(number) >= BOXES:
            raise DamageError(f"its index has more than {BOXES:,} boxes")
        head = bytes(body[position : position + 16])
        size, length = _measure(head)
        # Players take a box that claims more than the one it lies in has for one that ends with it.
        end = min(position + size, len(body)) if size else len(body)
        inner = body[position + length : end]
        nests = head[4:8] in _NESTING and depth < _DEPTH
        yield Box(kind=head[4:8], body=inner, inside=list(_inside(inner, number, depth + 1)) if nests else [])
        position = end


def _measure(head: bytes) -> tuple[int, int]:
    """The size of a box, 0 for one that goes on to the end; and the size of its head."""
    size, length = int.from_bytes(head[:4], "big"), 8
    if size == 1:
        if len(head) < 16:
            raise DamageError("it ends within the head of a box")
        size, length = int.from_bytes(head[8:16], "big"), 16
    if 0 < size < length or (size == 0 and length == 16):
        raise DamageError(f"a box of the kind {_shown(head[4:8])} is shorter than its own head")
    return size, length


def _shown(kind: bytes) -> str:
    return repr(kind.decode("latin-1"))
