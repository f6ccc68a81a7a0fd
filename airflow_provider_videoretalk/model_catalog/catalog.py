"""Finds the entry of a model by the model's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.model_catalog.model import Model
from airflow_provider_videoretalk.model_catalog.price import Price
from airflow_provider_videoretalk.model_catalog.talking_photo import TALKING_PHOTO_MODELS
from airflow_provider_videoretalk.model_catalog.transcription import TRANSCRIPTION_MODELS
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK

_ENTRIES: tuple[Model, ...] = (VIDEORETALK, *TALKING_PHOTO_MODELS.values(), *TRANSCRIPTION_MODELS.values())

MODELS: dict[str, Model] = {model.name: model for model in _ENTRIES}
"""All entries, by name. A new model is added here."""


def find_model(name: str) -> Model | None:
    """The entry of a model; ``None`` if the catalog has none."""
    return MODELS.get(name)


def price_of(
    name: str, prices: Mapping[str, Any] | None = None, *, parameters: Mapping[str, Any] | None = None
) -> Price:
    """The price of a second of a model's output.

    :param prices: prices that replace those of the catalog, as a connection states them:
        ``{"videoretalk": {"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"}}``
    :param parameters: of the request, where the list price depends on them
    :raises ConfigurationError: the entry of ``prices`` is not valid
    :raises KeyError: neither ``prices`` nor the catalog has the model
    """
    given = (prices or {}).get(name)
    if given is None:
        return MODELS[name].price_for(parameters or {})
    try:
        return Price.parse(given)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"the price of {name!r} is {given!r}, which is not valid ({type(error).__name__}: {error})",
            remedy="Give per_second (a number of 0 or more), currency (such as CNY) and as_of (such as 2026-11-22).",
        ) from None
