"""The speeches of a dub on one time line, as a file in the folder of the speeches."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_videoretalk.batches.recipe import SpeechRecipe, amount_in, digest_of
from airflow_provider_videoretalk.batches.speech_timing import PlacedSegment, SpokenSegment, place_segments

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_videoretalk.editing.speech_pauses import SpeechSound
    from airflow_provider_videoretalk.editing.speech_track import TrackSpeech
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.operators.output_folder import OutputFolder
    from airflow_provider_videoretalk.outbound.host_access import AccessRule
    from airflow_provider_videoretalk.publishing.atomic_object import Destination

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SegmentToSpeak:
    """When it is said in the original, and what it is spoken of. Times in seconds."""

    start: float
    end: float
    recipe: SpeechRecipe


class SpokenPart(TypedDict):
    """A segment on the track. Times in seconds.

    :param start: when it begins on the track
    :param end: when it ends on the track
    :param text: what is said
    :param tempo: how much faster than spoken it is played
    :param late: by how much it begins after the segment of the original
    """

    start: float
    end: float
    text: str
    tempo: float
    late: float


class SpokenTrack(TypedDict):
    """
    :param audio: URI of the track, a WAV file as long as the original
    :param script: all that is said, a segment in each line
    :param seconds: of the track
    :param segments: what is said when
    :param late: the largest ``late`` of a segment
    """

    audio: str
    script: str
    seconds: float
    segments: list[SpokenPart]
    late: float


def write_track(
    segments: Sequence[SegmentToSpeak],
    speeches: Sequence[Location],
    *,
    folder: OutputFolder,
    seconds: float,
    max_tempo: float,
    access: AccessRule,
) -> SpokenTrack:
    """Puts the speeches on the time line, and writes the track unless it is there.

    :param speeches: of the segments
    :param seconds: the least length of the track
    :param max_tempo: how much faster a speech may be played
    :param access: how hosts of URLs may be connected to
    :raises TransportError: a store failed
    """
    # Loads fsspec and PyAV.
    from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of
    from airflow_provider_videoretalk.editing.speech_pauses import find_pauses
    from airflow_provider_videoretalk.media.local_copy import local_copy

    with tempfile.TemporaryDirectory(prefix="videoretalk-") as name:
        files = [
            local_copy(location, Path(name, f"{number}.wav"), field="the speech", access=access)
            for number, location in enumerate(speeches)
        ]
        sounds = [find_pauses(file, field="the speech") for file in files]
        placed = _placed(segments, sounds, seconds=seconds, max_tempo=max_tempo)
        made_of = _made_of(segments, placed, seconds=seconds)
        path = folder.speech(f"{digest_of(made_of)}-track.wav")
        # Some stores give an object that is written again another version, and its video would be paid for again.
        length = _kept_seconds(path, made_of)
        if length is None:
            length = _write(_spoken(files, sounds, placed), Path(name, "track.wav"), path, made_of=made_of)
    late = max(one.late for one in placed)
    log.info("Spoke %s segments on %s (%.2f s, at most %.2f s late)", len(placed), path, length, late)
    return {
        "audio": uri_of(path),
        "script": "\n".join(one.recipe.script for one in segments),
        "seconds": round(length, 3),
        "segments": [_part(segment, one) for segment, one in zip(segments, placed, strict=True)],
        "late": late,
    }


def _placed(
    segments: Sequence[SegmentToSpeak], sounds: Sequence[SpeechSound], *, seconds: float, max_tempo: float
) -> tuple[PlacedSegment, ...]:
    spoken = [
        SpokenSegment(start=one.start, end=one.end, seconds=_length_of(sound))
        for one, sound in zip(segments, sounds, strict=True)
    ]
    return place_segments(spoken, seconds=seconds, max_tempo=max_tempo)


def _spoken(files: Sequence[Path], sounds: Sequence[SpeechSound], placed: Sequence[PlacedSegment]) -> list[TrackSpeech]:
    # Loads PyAV.
    from airflow_provider_videoretalk.editing.speech_track import TrackSpeech

    return [
        TrackSpeech(path=file, start=one.start, tempo=one.tempo, begin=words.speech_start, end=words.speech_end)
        for file, words, one in zip(files, sounds, placed, strict=True)
    ]


def _write(spoken: Sequence[TrackSpeech], file: Path, path: ObjectStoragePath, *, made_of: Mapping[str, Any]) -> float:
    # Loads fsspec and PyAV.
    from airflow_provider_videoretalk.editing.speech_track import write_speech_track
    from airflow_provider_videoretalk.publishing.file_upload import upload_file

    seconds = write_speech_track(spoken, file, seconds=made_of["least_seconds"])
    upload_file(file, path, content_type="audio/wav", metadata={**made_of, "seconds": seconds})
    return seconds


def _kept_seconds(path: Destination, made_of: Mapping[str, Any]) -> float | None:
    """The length of a track that an earlier try has written; ``None`` if there is none."""
    # Loads requests.
    from airflow_provider_videoretalk.publishing.publication import read_metadata

    metadata = read_metadata(path) or {}
    return amount_in(metadata, "seconds") if {name: metadata.get(name) for name in made_of} == made_of else None


def _made_of(segments: Sequence[SegmentToSpeak], placed: Sequence[PlacedSegment], *, seconds: float) -> dict[str, Any]:
    """What tells a track from another one."""
    return {
        "speeches": [one.recipe.file_name for one in segments],
        "starts": [one.start for one in placed],
        "tempos": [one.tempo for one in placed],
        "least_seconds": seconds,
    }


def _length_of(sound: SpeechSound) -> float:
    """From the first to the last word of a speech; all of one in which no word is heard."""
    return sound.speech_end - sound.speech_start or sound.seconds


def _part(segment: SegmentToSpeak, placed: PlacedSegment) -> SpokenPart:
    return {
        "start": placed.start,
        "end": placed.end,
        "text": segment.recipe.script,
        "tempo": placed.tempo,
        "late": placed.late,
    }
