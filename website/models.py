"""The page of the models, their limits and their list prices, made from the catalog."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_videoretalk.model_catalog import speech, talking_photo, translation
from airflow_provider_videoretalk.model_catalog.catalog import MODELS
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE, Limit
from airflow_provider_videoretalk.model_catalog.model import MediaInput, Model
from website.markdown import code, codes, table

_BEGIN = """# Models, limits and prices

What the catalog of this package has, by which inputs are refused and costs are estimated. The prices are list prices of
the vendor, with the day on which each was read. The connection's field *Prices* replaces them.
[What a minute costs](../billing.md#what-a-minute-costs) adds them up for one video.

"""
_SPEECH = """## Speech

The first row that the model's name begins with counts. A Han character counts twice. [Voices and
languages](voices.md) has the voices.

"""
_TRANSLATION = """
## Translation

"""
_MEDIA = """
## Render jobs

"""


def page() -> str:
    parts = [_BEGIN, _SPEECH, _speech_limits(), "\n", _speech_prices(), _TRANSLATION, _translation_prices(), _MEDIA]
    return "".join([*parts, _prices(), *map(_limits, MODELS.values())])


def _speech_limits() -> str:
    rows = [
        (
            code(f"{family.prefix}*") if family.prefix else "any other, such as " + code(speech.DEFAULT_MODEL),
            code(family.voice),
            f"{family.characters:,}" if family.characters else "not documented",
        )
        for family in speech.FAMILIES
    ]
    return table(("model", "default voice", "longest text, in characters"), rows)


def _speech_prices() -> str:
    rows = [(code(f"{prefix}*"), price) for prefix, price in speech._PRICES]
    return table(("model", f"{speech.SPEECH_CURRENCY} for 10,000 characters"), rows)


def _translation_prices() -> str:
    rows = [(code(name), *prices) for name, prices in translation._PRICES.items()]
    currency = "CNY for a million tokens of"
    return f"Read on {translation._PRICED_ON}.\n\n" + table(("model", f"{currency} input", "of output"), rows)


def _prices() -> str:
    rows = [(code(model.name), *_price(model), f"{model.max_output_seconds:,.0f} s") for model in MODELS.values()]
    return table(("model", "price of a second of output", "read on", "longest output"), rows)


def _price(model: Model) -> tuple[str, str]:
    price = model.price
    by_resolution = getattr(model, "per_second_by_resolution", {})
    amounts = [f"{amount} {price.currency} at {name}" for name, amount in by_resolution.items()]
    text = ", ".join(amounts) or f"{price.per_second:f} {price.currency}"
    if isinstance(model, talking_photo.TalkingPhotoModel):
        text += f", and {talking_photo.DETECTION_PRICE} for the check of the photo"
    return text, price.as_of.isoformat()


def _limits(model: Model) -> str:
    rows = [row for field, media in model.media_inputs.items() for row in _limits_of(field, media)]
    return f"\n### {model.name}\n\n" + table(("input", "property", "accepted", "code of a refusal"), rows)


def _limits_of(field: str, media: MediaInput) -> Iterator[tuple[str, str, str, str]]:
    yield code(field), "format", codes(media.containers), ""
    if media.codecs:
        yield code(field), "video codec", codes(media.codecs), ""
    for limit in (media.size, media.seconds, media.fps, media.side, media.aspect_ratio):
        if limit is not None:
            yield code(field), limit.field, _range(limit), code(limit.code)


def _range(limit: Limit) -> str:
    if limit.unit == "bytes" and limit.low is None and limit.high is not None:
        return f"at most {limit.high / MEGABYTE:,g} MB"
    return limit.range
