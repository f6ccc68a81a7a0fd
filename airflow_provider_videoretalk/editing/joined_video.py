"""The pictures of joined pieces, as packets of one stream. The module is heavy: it loads FFmpeg (PyAV)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from av.filter import Graph
from av.video.format import VideoFormat

from airflow_provider_videoretalk.editing.h264_stream import MAX_THREADS, H264Stream, PictureFormat, picture_format
from airflow_provider_videoretalk.editing.media_file import open_media, refuse_damaged_media, video_stream
from airflow_provider_videoretalk.editing.piece import REMEDY, Piece

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_COPIED_CODECS = ("h264", "hevc")
_QUALITY = 18


def can_be_copied(pieces: Sequence[Piece], *, rate: Fraction) -> bool:
    """Whether the pieces' packets make one stream as they are.

    - All have the same codec, H.264 or H.265, and the same parameter sets.
    - All have pictures of the same format.
    - All have the same constant rate, and begin with a keyframe, and no edit list hides a picture.
    """
    first = pieces[0]
    return all(
        piece.codec in _COPIED_CODECS
        and (piece.codec, piece.extradata, piece.picture) == (first.codec, first.extradata, first.picture)
        and piece.is_whole
        and piece.has_rate(rate)
        for piece in pieces
    )


class CopiedVideo:
    """Copies packets. The pictures get new time stamps, one step of the rate apart, also over the seams."""

    def __init__(self, output: OutputContainer, pieces: Sequence[Piece], *, rate: Fraction) -> None:
        self._pieces = pieces
        self._rate = rate
        with _open_video(pieces[0]) as (_, stream):
            self._stream = output.add_stream_from_template(stream)
        self._stream.time_base = 1 / rate

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """The packets in decoding order; ``Packet.pts`` counts pictures."""
        reordering = max(piece.reordering for piece in self._pieces)
        begin = decoded = 0
        for piece in self._pieces:
            place = {moment: begin + number for number, moment in enumerate(piece.times)}
            for packet in _packets(piece):
                packet.pts, packet.dts = place[packet.pts or 0], decoded - reordering
                packet.time_base, packet.duration = 1 / self._rate, 1
                packet.stream = self._stream
                yield packet
                decoded += 1
            begin += len(piece.times)


class EncodedVideo:
    """Decodes all pieces, and encodes them in the format of the first.

    - A piece of another rate gets the first one's: pictures are repeated, or left out.
    - A piece of another size is scaled to the first one's, and keeps its shape between black bars.
    """

    def __init__(self, output: OutputContainer, pieces: Sequence[Piece], *, rate: Fraction) -> None:
        self._pieces = pieces
        self._rate = rate
        self._converter = _Converter(pieces[0].picture)
        self._stream = H264Stream(output, like=pieces[0].picture, rate=rate, quality=_QUALITY)

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """The packets; ``Packet.pts`` counts pictures."""
        for piece in self._pieces:
            for picture in at_rate(piece, self._rate):
                yield from self._stream.encode(self._converter.convert(picture, rotation=piece.picture.rotation))
        yield from self._stream.finish()


def at_rate(piece: Piece, rate: Fraction) -> Iterator[VideoFrame]:
    """The pictures of a piece at a constant rate, as many as :meth:`~.piece.Piece.frames_at` says.

    :raises InputError: a picture cannot be decoded
    """
    count = piece.frames_at(rate)
    has_rate = piece.has_rate(rate)
    shown = 0
    latest: VideoFrame | None = None
    for number, picture in enumerate(_pictures(piece)):
        moment = (piece.times[number] - piece.times[0]) * piece.time_base
        due = number if has_rate else min(round(moment * rate), count)
        while latest is not None and shown < due:
            yield latest
            shown += 1
        latest = picture
    while latest is not None and shown < count:
        yield latest
        shown += 1


def _pictures(piece: Piece) -> Iterator[VideoFrame]:
    number = 0
    with _open_video(piece) as (container, stream):
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = MAX_THREADS
        with refuse_damaged_media(piece.path, field=piece.field, remedy=REMEDY):
            for picture in container.decode(stream):
                number += 1
                if number <= len(piece.times):
                    yield picture
            if number < len(piece.times):
                raise ValueError(f"{number} of {len(piece.times)} pictures can be decoded")


def _packets(piece: Piece) -> Iterator[Packet[VideoStream]]:
    with (
        _open_video(piece) as (container, stream),
        refuse_damaged_media(piece.path, field=piece.field, remedy=REMEDY),
    ):
        yield from (packet for packet in container.demux(stream) if packet.size)


@contextmanager
def _open_video(piece: Piece) -> Iterator[tuple[InputContainer, VideoStream]]:
    with open_media(piece.path, field=piece.field, remedy=REMEDY) as container:
        yield container, video_stream(container, field=piece.field, remedy=REMEDY)


class _Converter:
    """Converts pictures of one stored format to another's size and rotation."""

    def __init__(self, wanted: PictureFormat) -> None:
        self._wanted = wanted
        self._given: PictureFormat | None = None
        self._graph: Graph | None = None

    def convert(self, picture: VideoFrame, *, rotation: int) -> VideoFrame:
        """
        :param rotation: by which a player turns the picture
        """
        given = replace(picture_format(picture, pixel_aspect=None), rotation=rotation)
        if given != self._given:
            self._given, self._graph = given, self._graph_for(given)
        if self._graph is None:
            return picture
        self._graph.vpush(picture)
        return self._graph.vpull()

    def _graph_for(self, given: PictureFormat) -> Graph | None:
        wanted = self._wanted
        if (given.width, given.height, given.rotation) == (wanted.width, wanted.height, wanted.rotation):
            return None
        graph = Graph()
        size = f"{wanted.width}:{wanted.height}"
        stored = VideoFormat(given.pixels, given.width, given.height)
        nodes = [graph.add_buffer(width=given.width, height=given.height, format=stored, time_base=Fraction(1, 1000))]
        nodes += [graph.add("transpose", "cclock") for _ in range((given.rotation - wanted.rotation) // 90 % 4)]
        nodes.append(graph.add("scale", f"{size}:force_original_aspect_ratio=decrease"))
        nodes.append(graph.add("pad", f"{size}:(ow-iw)/2:(oh-ih)/2"))
        nodes.append(graph.add("buffersink"))
        graph.link_nodes(*nodes).configure()
        return graph
