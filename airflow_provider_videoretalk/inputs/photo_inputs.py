"""The inputs of a render job that makes a photo speak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_videoretalk.inputs.job_inputs import JobInputs
from airflow_provider_videoretalk.inputs.source import Source
from airflow_provider_videoretalk.model_catalog.model import Model


def photo_inputs(
    *, model: Model, photo: Source, speech: Source, parameters: Mapping[str, Any], speech_seconds: float | None
) -> JobInputs:
    """
    :param speech_seconds: duration of the speech as its producer states it
    """
    return JobInputs(
        model=model,
        sources={"image_url": photo, "audio_url": speech},
        parameters=parameters,
        stated_seconds={} if speech_seconds is None else {"audio_url": speech_seconds},
    )
