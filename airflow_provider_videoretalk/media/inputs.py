"""The inputs of a VideoRetalk task, wherever they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Submission
from airflow_provider_videoretalk.dashscope.videoretalk import (
    DEFAULT_FACE_THRESHOLD,
    MODEL,
    check_face_threshold,
    submit_videoretalk,
)
from airflow_provider_videoretalk.media.appraisal import Appraisal
from airflow_provider_videoretalk.media.estimate import Price, estimate
from airflow_provider_videoretalk.media.location import Location
from airflow_provider_videoretalk.media.preflight import Field, Preflight, check_inputs
from airflow_provider_videoretalk.media.source import Source, Upload, source_of


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a task is made from.

    :param video: the presenter
    :param audio: the speech
    :param ref_image: the face to retalk, ``None`` for the largest one
    :param audio_seconds: the speech's length as its maker tells it, ``None`` where nobody does
    :raises InputError: ``query_face_threshold`` is out of its range
    """

    video: Source
    audio: Source
    ref_image: Source | None = None
    video_extension: bool = False
    query_face_threshold: int = DEFAULT_FACE_THRESHOLD
    audio_seconds: float | None = None

    def __post_init__(self) -> None:
        check_face_threshold(self.query_face_threshold)

    @classmethod
    def at(
        cls,
        *,
        video: Location,
        audio: Location,
        ref_image: Location | None = None,
        video_extension: bool = False,
        query_face_threshold: int = DEFAULT_FACE_THRESHOLD,
        audio_seconds: float | None = None,
    ) -> Inputs:
        """
        :raises InputError: a location of no kind that is known, or a value that the service would refuse
        """
        return cls(
            video=source_of("video_url", video),
            audio=source_of("audio_url", audio),
            ref_image=source_of("ref_image_url", ref_image) if ref_image else None,
            video_extension=video_extension,
            query_face_threshold=query_face_threshold,
            audio_seconds=audio_seconds,
        )

    @property
    def sources(self) -> dict[Field, Source]:
        """By the service's names for them."""
        sources: dict[Field, Source] = {"video_url": self.video, "audio_url": self.audio}
        return sources if self.ref_image is None else {**sources, "ref_image_url": self.ref_image}

    @property
    def parameters(self) -> dict[str, Any]:
        """The service's parameters."""
        return {"video_extension": self.video_extension, "query_face_threshold": self.query_face_threshold}

    def identity(self) -> dict[str, Any]:
        """What tells these inputs from others, however their URLs are signed.

        :raises DashScopeError: it can't be found out now
        """
        inputs = {field: source.identity() for field, source in self.sources.items()}
        return {"model": MODEL, "input": inputs, "parameters": self.parameters}

    def place(self) -> dict[str, Any]:
        """The same of where they lie, which needs no look at them."""
        inputs = {field: source.place for field, source in self.sources.items()}
        return {"model": MODEL, "input": inputs, "parameters": self.parameters}

    def appraise(
        self,
        *,
        price: Price,
        preflight: Preflight = "strict",
        allow_private: bool = False,
        until: datetime | None = None,
    ) -> Appraisal:
        """Looks at the inputs, and reckons what comes of them.

        :param until: when the service may still fetch them
        """
        report = check_inputs(
            video=self.video.location,
            audio=self.audio.location,
            ref_image=self.ref_image.location if self.ref_image else None,
            video_extension=self.video_extension,
            mode=preflight,
            allow_private=allow_private,
            until=until,
        )
        video, audio = report.media.get("video_url"), report.media.get("audio_url")
        estimated = estimate(
            video=video.seconds if video else None,
            audio=audio.seconds if audio and audio.seconds is not None else self.audio_seconds,
            video_extension=self.video_extension,
            fps=video.fps if video else None,
            price=price,
        )
        records: dict[str, str] = {field: source.record for field, source in self.sources.items()}
        return Appraisal(report=report, estimate=estimated, records=records, parameters=self.parameters)

    def urls(self, *, until: datetime, upload: Upload) -> dict[str, str]:
        """URLs that the service can fetch, by its names for the inputs; they may be secrets.

        :param until: when the service may still fetch them
        :raises InputError: an input that no URL can be had for
        :raises DashScopeError: there is none now
        """
        return {field: source.url(until=until, upload=upload) for field, source in self.sources.items()}

    def request(self, urls: Mapping[str, str]) -> Request[Submission]:
        """The request to submit.

        :param urls: what :meth:`urls` answered
        """
        return submit_videoretalk(
            video_url=urls["video_url"],
            audio_url=urls["audio_url"],
            ref_image_url=urls.get("ref_image_url"),
            video_extension=self.video_extension,
            query_face_threshold=self.query_face_threshold,
        )
