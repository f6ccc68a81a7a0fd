"""The inputs of a VideoRetalk render job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.inputs.job_inputs import JobInputs
from airflow_provider_videoretalk.inputs.preflight import Finding, format_number
from airflow_provider_videoretalk.inputs.source import source_of
from airflow_provider_videoretalk.media.probe_result import ProbeResult
from airflow_provider_videoretalk.model_catalog.videoretalk import (
    DEFAULT_FACE_THRESHOLD,
    VIDEORETALK,
    check_face_threshold,
)

if TYPE_CHECKING:
    from airflow_provider_videoretalk.media.location import Location

# Seconds by which speech may be longer than the video without a finding. Encoders add silence to fill their last frame:
# MP3 two frames of 26 ms, AAC two of 23 ms.
_ENCODER_PADDING_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class RetalkInputs(JobInputs):
    """A presenter video, the speech, and optionally the image of the face to process."""

    @classmethod
    def from_locations(
        cls,
        *,
        video: Location,
        audio: Location,
        ref_image: Location | None = None,
        video_extension: bool = False,
        query_face_threshold: int = DEFAULT_FACE_THRESHOLD,
        audio_seconds: float | None = None,
    ) -> RetalkInputs:
        """
        :param video: the presenter
        :param audio: the speech
        :param ref_image: the face to process, ``None`` for the largest one
        :param audio_seconds: duration of the speech as its producer states it
        :raises InputError: a location of an unknown kind, or a value that the service would refuse
        """
        locations = {"video_url": video, "audio_url": audio}
        if ref_image:
            locations["ref_image_url"] = ref_image
        check_face_threshold(query_face_threshold)
        return cls(
            model=VIDEORETALK,
            sources={field: source_of(field, location) for field, location in locations.items()},
            parameters={"video_extension": video_extension, "query_face_threshold": query_face_threshold},
            stated_seconds={} if audio_seconds is None else {"audio_url": audio_seconds},
        )

    def findings_across(self, media: Mapping[str, ProbeResult]) -> Iterator[Finding]:
        """Without ``video_extension`` the service cuts speech that is longer than the video, without an error."""
        video, audio = media.get("video_url"), media.get("audio_url")
        if self.parameters["video_extension"] or video is None or audio is None:
            return
        if video.seconds is None or audio.seconds is None:
            return
        if audio.seconds - video.seconds > _ENCODER_PADDING_SECONDS:
            yield Finding(
                field="audio_url",
                value=f"audio duration is {format_number(audio.seconds)} s",
                limit=f"{format_number(video.seconds)} s, the video's duration, because longer speech is cut",
                remedy="Set video_extension=True, or give a longer video or a shorter speech.",
                code="",
            )
