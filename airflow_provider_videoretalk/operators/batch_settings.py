"""What holds for all rows of a batch, read from the fields of the operator that plans it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_videoretalk.batches.planned_video import BatchSettings, RenderSettings
from airflow_provider_videoretalk.model_catalog.catalog import price_of
from airflow_provider_videoretalk.model_catalog.speech import DEFAULT_MODEL
from airflow_provider_videoretalk.model_catalog.talking_photo import TALKING_PHOTO_MODELS, with_check
from airflow_provider_videoretalk.model_catalog.videoretalk import (
    DEFAULT_FACE_THRESHOLD,
    VIDEORETALK,
    check_face_threshold,
)
from airflow_provider_videoretalk.operators.template_values import (
    as_bool,
    as_int,
    as_json,
    as_optional_amount,
    as_optional_mapping,
    as_optional_text,
    check_word,
)


def batch_settings(
    *,
    batch: str,
    speech_model: object,
    speech_options: object,
    video: RenderSettings,
    photo: RenderSettings,
    max_cost_per_video: object,
    force: object,
) -> BatchSettings:
    """
    :raises InputError: a field is not usable
    """
    return BatchSettings(
        batch=batch,
        speech_model=as_optional_text("speech_model", speech_model) or DEFAULT_MODEL,
        speech_options=as_json("speech_options", as_optional_mapping("speech_options", speech_options)),
        video=video,
        photo=photo,
        max_cost_per_video=as_optional_amount("max_cost_per_video", max_cost_per_video),
        force=as_bool("force", force, default=False),
    )


def video_settings(
    *, video_extension: object, query_face_threshold: object, prices: Mapping[str, Any]
) -> RenderSettings:
    """How a presenter's video is rendered.

    :param prices: of the connection
    :raises ConfigurationError: the connection states a price that is not valid
    :raises InputError: a field is not usable
    """
    threshold = as_int("query_face_threshold", query_face_threshold, default=DEFAULT_FACE_THRESHOLD)
    check_face_threshold(threshold)
    extension = as_bool("video_extension", video_extension, default=True)
    parameters = {"video_extension": extension, "query_face_threshold": threshold}
    return RenderSettings(model=VIDEORETALK, parameters=parameters, price=price_of(VIDEORETALK.name, prices))


def photo_settings(*, photo_model: object, prices: Mapping[str, Any]) -> RenderSettings:
    """How a presenter's photo is rendered. See :func:`video_settings`."""
    name = as_optional_text("photo_model", photo_model) or "liveportrait"
    check_word("photo_model", name, TALKING_PHOTO_MODELS)
    model = TALKING_PHOTO_MODELS[name]
    price = with_check(price_of(name, prices, parameters=model.parameters()))
    return RenderSettings(model=model, parameters=model.parameters(), price=price)
