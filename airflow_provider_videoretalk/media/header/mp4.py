"""Reads MP4, M4A and MOV."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.media_facts import MediaFacts
from airflow_provider_videoretalk.media.header.mp4_box import Box, BoxLocation, load_box, scan_boxes
from airflow_provider_videoretalk.media.header.mp4_track import Track, is_rotated, read_track
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE
from airflow_provider_videoretalk.outbound.read_budget import OutOfReachError

_MAX_INDEX_BYTES = 16 * MEGABYTE


@dataclass(frozen=True, kw_only=True)
class _Timing:
    """Duration and frame rate of a track; ``unchecked`` states why one of them is not known."""

    seconds: float | None = None
    fps: float | None = None
    unchecked: tuple[str, ...] = ()


def read_mp4(ranged: RangedReader, container: str) -> MediaFacts:
    """Fragments are counted one by one; their index does not state how many frames they have."""
    index = _find_index(ranged)
    moov = load_box(ranged, index, max_bytes=_MAX_INDEX_BYTES)
    if moov.first(b"cmov"):
        raise OutOfReachError("its index is compressed")
    tracks = read_tracks(moov)
    track = main_track(tracks)
    timing = _timing(ranged, index, moov, track)
    if track.handler == b"vide":
        return _video_facts(container, track, timing, sound=any(each.handler == b"soun" for each in tracks))
    return MediaFacts(
        kind="audio",
        container=container,
        codec=track.codec,
        seconds=timing.seconds,
        sound=True,
        unchecked=tuple(note for note in timing.unchecked if note.startswith("duration")),
    )


def _find_index(ranged: RangedReader) -> BoxLocation:
    """Scans the top-level boxes until both the index and the media data are found.

    A file without its media data is damaged, also if its index came first.
    """
    index: BoxLocation | None = None
    has_data = False
    for box in scan_boxes(ranged):
        if box.type == b"moov" and index is None:
            index = box
        has_data = has_data or box.type == b"mdat"
        if index and (has_data or box.type == b"moof"):
            return index
    if index is None:
        raise DamagedFileError("it has no index (moov); it may be cut off or still being written")
    return index


def main_track(tracks: Sequence[Track]) -> Track:
    """The first video that players show; of sound alone the first track.

    :raises DamagedFileError: there is neither
    """
    videos = [track for track in tracks if track.handler == b"vide"]
    sounds = [track for track in tracks if track.handler == b"soun"]
    for track in [*(video for video in videos if video.enabled), *videos, *sounds]:
        return track
    raise DamagedFileError("it has neither a video nor an audio track")


def read_tracks(moov: Box) -> list[Track]:
    """The tracks in an index.

    :raises struct.error: a part of it ends early
    """
    header = moov.body_of(b"mvhd")
    is_64_bit = bool(header and header[0])
    (timescale,) = struct.unpack_from(">I", header, 20 if is_64_bit else 12)
    rotated = is_rotated(header[48 if is_64_bit else 36 :])
    return [read_track(trak, movie_timescale=timescale, movie_rotated=rotated) for trak in moov.all(b"trak")]


def _video_facts(container: str, video: Track, timing: _Timing, *, sound: bool) -> MediaFacts:
    return MediaFacts(
        kind="video",
        container=container,
        codec=video.codec,
        seconds=timing.seconds,
        fps=timing.fps,
        width=video.height if video.rotated else video.width,
        height=video.width if video.rotated else video.height,
        sound=sound,
        unchecked=timing.unchecked,
    )


def _timing(ranged: RangedReader, index: BoxLocation, moov: Box, track: Track) -> _Timing:
    if not track.timescale:
        raise DamagedFileError(f"its {'video' if track.handler == b'vide' else 'audio'} track has no timescale")
    if moov.first(b"mvex") and index.end is not None:
        return _fragmented_timing(ranged, index.end, moov, track)
    if not track.ticks:
        raise DamagedFileError("its index lists no frames")
    return _Timing(seconds=track.seconds, fps=track.samples * track.timescale / track.ticks)


def _fragmented_timing(ranged: RangedReader, start: int, moov: Box, track: Track) -> _Timing:
    # Most files have no fragments.
    from airflow_provider_videoretalk.media.header.mp4_fragment import FrameDefaults, Timeline, frame_defaults
    from airflow_provider_videoretalk.media.header.mp4_fragments import FragmentReader

    reader = FragmentReader(
        ranged,
        start=start,
        track=track.number,
        timescale=track.timescale,
        defaults=frame_defaults(moov).get(track.number, FrameDefaults()),
        before=Timeline(begin=0, end=track.ticks, next=track.ticks, frames=track.samples)
        if track.ticks
        else Timeline(),
    )
    length = reader.measure()
    seconds = None if length.ticks is None else length.ticks / track.timescale
    if length.frames is not None and seconds:
        return _Timing(seconds=seconds, fps=length.frames / seconds)
    rate = f"frame rate: it consists of fragments, and {length.unknown_because}"
    if seconds is not None:
        return _Timing(seconds=seconds, unchecked=(rate,))
    duration = f"duration: it consists of fragments without an index, and {length.unknown_because}"
    return _Timing(unchecked=(duration, rate))
