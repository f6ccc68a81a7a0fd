"""The parts of a file that are needed to look at it, kept in memory while the file passes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.mp4_box import BoxLocation, parse_header
from airflow_provider_videoretalk.media.header.mp4_fragment import MAX_MOOF_BYTES
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE
from airflow_provider_videoretalk.outbound.read_budget import OutOfReachError

START_BYTES = 64 * 1024
"""How much of the beginning is kept of any file: by it the format is detected."""

HEAD_BYTES = 8 * MEGABYTE
"""How much of the beginning is kept if it may be needed: an MP3 or AAC without an index is counted frame by frame."""

MAX_INDEX_BYTES = 16 * MEGABYTE
"""How much is kept of all indexes of an MP4 or MOV file."""

# The boxes of ISO/IEC 14496-12 that describe media. Fragments (moof) are measured as they pass, and not kept.
_INDEX_BOXES = (b"moov", b"mfra", b"sidx")
_MEASURED_BOXES = {b"moov": MAX_INDEX_BYTES, b"sidx": MEGABYTE, b"moof": MAX_MOOF_BYTES}
_BOX_HEADER_BYTES = 16
_MAX_PARTS = 10_000
# The longest video, 120 s at 60 fps with sound, has 25,650 boxes if each frame has a fragment of its own.
_MAX_BOXES = 200_000


@dataclass(kw_only=True)
class _Part:
    """Bytes of the file from ``start`` on, at most ``limit``."""

    start: int
    limit: int
    content: bytearray = field(default_factory=bytearray)

    def take(self, chunk: bytes, begin: int) -> None:
        """Takes what belongs to the part, from a chunk that begins at ``begin`` in the file."""
        offset = self.start + len(self.content) - begin
        self.content += chunk[offset : offset + max(self.limit - len(self.content), 0)]


class StreamedFile:
    """A :class:`~airflow_provider_videoretalk.media.ranged_reader.RangedFile` of a stream that passes once.

    It keeps the first 8 MB. After the first 64 kB, it also keeps the header of each top-level box of an MP4 or MOV
    file, and the content of the boxes that describe the media: the index may be at the end. So memory stays bounded,
    and no second copy is written to a disk.

    :param take_box: called with each top-level box that describes media, when it has passed; the content is ``None`` if
        it is too large
    :ivar length: bytes that have passed
    :ivar size: of the file; known when all of it has passed
    """

    forward_only = False
    notes: tuple[str, ...] = ()

    def __init__(self, take_box: Callable[[BoxLocation, bytes | None], object] = lambda *_: None) -> None:
        self.size: int | None = None
        self.length = 0
        self._take_box = take_box
        self._parts = [_Part(start=0, limit=HEAD_BYTES)]
        self._starts = [0]
        self._boxes = 0
        # Where the next box begins, and what is known of its header.
        self._box: int | None = 0
        self._header = b""
        self._last: BoxLocation
        self._passing: _Part | None = None
        self._stopped = ""
        self._index_bytes_left = MAX_INDEX_BYTES

    def keep_indexes_only(self) -> None:
        """Keeps no more of the beginning: all that is needed of the file is in boxes that are kept."""
        self._parts[0].limit = len(self._parts[0].content)

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks of the file, each of which is looked at before it is passed on."""
        for chunk in chunks:
            begin, self.length = self.length, self.length + len(chunk)
            for part in (self._parts[0], self._parts[-1]):
                part.take(chunk, begin)
            self._follow_boxes(chunk, begin)
            yield chunk
        self.size = self.length
        while self._box is not None and self._passing is None and len(self._header) >= 8:
            self._begin_box(self._box, self._header, b"", self.length)
        if self._box is not None:
            self._add(_Part(start=self._box, limit=_BOX_HEADER_BYTES, content=bytearray(self._header)))

    def find_cut(self) -> str | None:
        """How the top-level boxes show that the file was cut or is damaged, as a clause; ``None`` if they do not.

        Call it when all of the file has passed.

        :raises OutOfReachError: there are too many boxes
        """
        if self._stopped:
            return self._stopped
        if self._box is None:
            return None
        if self._boxes > _MAX_BOXES:
            raise OutOfReachError(f"it has more than {_MAX_BOXES:,} boxes")
        if self._box > self.length:
            return f"its {self._last.type.decode('latin-1')!r} box ends at byte {self._box:,}"
        return "it ends within a box" if self._box < self.length else None

    def fetch(self, start: int, length: int) -> bytes:
        """See :meth:`~airflow_provider_videoretalk.media.ranged_reader.RangedFile.fetch`.

        :raises OutOfReachError: the bytes have not passed yet, or are not kept
        """
        part = self._parts[bisect_right(self._starts, start) - 1]
        # The beginning is kept as a whole, also where a box begins in it.
        for kept in (part, self._parts[0]):
            offset = start - kept.start
            if 0 <= offset < len(kept.content):
                return bytes(kept.content[offset : offset + length])
        if self.size is not None and start >= self.size:
            return b""
        raise OutOfReachError("it is too large to be kept in memory during the copy")

    def close(self) -> None: ...

    def _follow_boxes(self, chunk: bytes, begin: int) -> None:
        """Goes from box to box as far as the chunk reaches. The bytes of another format look like a few odd boxes."""
        while self._box is not None and self._boxes <= _MAX_BOXES:
            if self._passing is not None:
                self._passing.take(chunk, begin)
                self._hand_over()
                if self._passing is not None:
                    return
            offset = self._box + len(self._header) - begin
            self._header += chunk[offset : offset + _BOX_HEADER_BYTES - len(self._header)]
            if len(self._header) < _BOX_HEADER_BYTES:
                return
            self._begin_box(self._box, self._header, chunk, begin)

    def _begin_box(self, start: int, header: bytes, chunk: bytes, begin: int) -> None:
        try:
            size, header_bytes = parse_header(header)
        except DamagedFileError as error:
            self._box, self._header, self._stopped = None, b"", str(error)
            return
        self._boxes += 1
        self._last = BoxLocation(type=header[4:8], start=start, content=start + header_bytes, end=start + size)
        self._keep(start, size, header, chunk, begin)
        # Size 0: the box ends with the file.
        self._box, self._header = (start + size, header[size:]) if size else (None, b"")
        most = _MEASURED_BOXES.get(header[4:8])
        if most is None:
            return
        if not size or size > most:
            self._take_box(self._last, None)
            return
        self._passing = _Part(start=start, limit=size, content=bytearray(header[:size]))
        self._hand_over()

    def _hand_over(self) -> None:
        """Hands over the box that passes, if all of it has passed."""
        if self._passing is not None and len(self._passing.content) == self._passing.limit:
            content = bytes(self._passing.content[self._last.content - self._last.start :])
            self._passing = None
            self._take_box(self._last, content)

    def _keep(self, start: int, size: int, header: bytes, chunk: bytes, begin: int) -> None:
        """Keeps the header of a box, and its content if it is an index."""
        limit = size or self._index_bytes_left
        if header[4:8] not in _INDEX_BOXES or limit > self._index_bytes_left:
            limit = _BOX_HEADER_BYTES
        if start + limit <= START_BYTES or len(self._parts) >= _MAX_PARTS:
            return
        part = _Part(start=start, limit=limit, content=bytearray(header))
        part.take(chunk, begin)
        self._add(part)
        self._index_bytes_left -= limit if limit > _BOX_HEADER_BYTES else 0

    def _add(self, part: _Part) -> None:
        self._parts.append(part)
        self._starts.append(part.start)
