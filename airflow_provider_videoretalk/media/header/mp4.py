"""MP4, M4A and MOV."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from airflow_provider_videoretalk.limits import MEGABYTE
from airflow_provider_videoretalk.media.header.box import Box, Place, load, places
from airflow_provider_videoretalk.media.header.damage import DamageError
from airflow_provider_videoretalk.media.header.facts import Facts
from airflow_provider_videoretalk.media.header.fragment import Span, measure_fragments
from airflow_provider_videoretalk.media.header.track import Track, read_track, turned
from airflow_provider_videoretalk.media.ranged import OutOfReachError, Ranged

_INDEX_BYTES = 16 * MEGABYTE


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """The index (``moov``), and where to look for fragments."""

    index: Place
    fragments: int


@dataclass(frozen=True, kw_only=True)
class _Pace:
    """How long a video is, and how fast; ``why`` these are not known."""

    seconds: float | None = None
    fps: float | None = None
    why: str = ""


def read_mp4(ranged: Ranged, container: str) -> Facts:
    layout = _layout(ranged)
    moov = load(ranged, layout.index, most=_INDEX_BYTES)
    if moov.first(b"cmov"):
        raise OutOfReachError("its index is compressed")
    tracks = _tracks(moov)
    sound = next((track for track in tracks if track.handler == b"soun"), None)
    videos = [track for track in tracks if track.handler == b"vide"]
    if videos:
        video = next((track for track in videos if track.enabled), videos[0])
        return _video(container, video, _pace(ranged, layout, moov, video), sound=sound is not None)
    if sound is None:
        raise DamageError("it has neither pictures nor sound")
    return Facts(kind="audio", container=container, codec=sound.codec, seconds=sound.seconds or None, sound=True)


def _layout(ranged: Ranged) -> _Layout:
    """Looks at the outermost boxes until the index is found, and the media: a file whose media were cut off is damaged,
    also where the index came first."""
    index: Place | None = None
    media = False
    for place in places(ranged):
        if place.kind == b"moov" and index is None:
            index = place
        media = media or place.kind == b"mdat"
        if index and (media or place.kind == b"moof"):
            return _Layout(index=index, fragments=place.start)
    if index is None:
        raise DamageError("it has no index (moov); was it cut off, or is it still being written?")
    return _Layout(index=index, fragments=index.start)


def _tracks(moov: Box) -> list[Track]:
    head = moov.body_of(b"mvhd")
    wide = bool(head and head[0])
    (scale,) = struct.unpack_from(">I", head, 20 if wide else 12)
    whole = turned(head[48 if wide else 36 :])
    return [read_track(trak, movie_scale=scale, movie_turned=whole) for trak in moov.all(b"trak")]


def _video(container: str, video: Track, pace: _Pace, *, sound: bool) -> Facts:
    sides = (video.height, video.width) if video.turned else (video.width, video.height)
    return Facts(
        kind="video",
        container=container,
        codec=video.codec,
        seconds=pace.seconds,
        fps=pace.fps,
        width=sides[0],
        height=sides[1],
        sound=sound,
        unchecked=(f"duration: {pace.why}", f"frame rate: {pace.why}") if pace.why else (),
    )


def _pace(ranged: Ranged, layout: _Layout, moov: Box, video: Track) -> _Pace:
    if not video.timescale:
        raise DamageError("its video has no clock")
    if moov.first(b"mvex"):
        return _fragmented(ranged, layout, moov, video)
    if not video.ticks:
        raise DamageError("its index names no pictures")
    return _Pace(seconds=video.seconds, fps=video.samples * video.timescale / video.ticks)


def _fragmented(ranged: Ranged, layout: _Layout, moov: Box, video: Track) -> _Pace:
    before = Span(begin=0, ticks=video.ticks, samples=video.samples) if video.ticks else None
    default = _default(moov, video.number)
    try:
        span = measure_fragments(ranged, layout.fragments, track=video.number, default=default, before=before)
    except OutOfReachError as error:
        return _Pace(why=f"it is made of fragments without an index, and {error.message}")
    return _Pace(seconds=span.ticks / video.timescale, fps=span.samples * video.timescale / span.ticks)


def _default(moov: Box, track: int) -> int:
    """Ticks of a picture of ``track`` where its fragments do not say."""
    mvex = moov.first(b"mvex")
    for trex in mvex.all(b"trex") if mvex else ():
        number, ticks = struct.unpack_from(">4xI4xI", trex.body)
        if number == track:
            return int(ticks)
    return 0
