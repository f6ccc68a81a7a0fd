"""The table of what a minute costs, held against the catalog."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from airflow_provider_videoretalk.model_catalog.catalog import price_of
from airflow_provider_videoretalk.model_catalog.speech import speech_cost
from airflow_provider_videoretalk.model_catalog.talking_photo import DETECTION_PRICE
from airflow_provider_videoretalk.model_catalog.translation import translation_price_of

BILLING = Path(__file__).parents[2] / "docs" / "billing.md"
CHARACTERS, TOKENS, LANGUAGES, MINUTES = 850, 250, 3, 10


def section() -> str:
    return BILLING.read_text().partition("## What a minute costs\n")[2].partition("\n## ")[0]


def numbers_of(model: str) -> list[Decimal]:
    """The amounts in the row of a model."""
    (row,) = re.findall(rf"^\| [^|]* \| `{re.escape(model)}` \| ([^|]*) \|$", section(), re.MULTILINE)
    return [Decimal(number) for number in re.findall(r"(?<![\dP])\d+(?:\.\d+)?(?!\d*P)", row)]


def minute(model: str, **parameters: str) -> Decimal:
    return price_of(model, parameters=parameters).cost(60)


def text_costs() -> tuple[Decimal, Decimal]:
    """Of a translation and of a speech."""
    translation = translation_price_of("qwen-mt-plus")
    speech = speech_cost("a" * CHARACTERS, "cosyvoice-v3-flash")
    assert translation is not None
    assert speech is not None
    return translation.cost(input_tokens=TOKENS, output_tokens=TOKENS), speech


def test_the_table_has_the_prices_of_the_catalog() -> None:
    translation, speech = text_costs()
    assert numbers_of("qwen3-asr-flash-filetrans") == [minute("qwen3-asr-flash-filetrans")]
    assert numbers_of("qwen-mt-plus") == [translation]
    assert numbers_of("cosyvoice-v3-flash") == [speech]
    assert numbers_of("videoretalk") == [minute("videoretalk")]
    assert numbers_of("liveportrait") == [minute("liveportrait"), DETECTION_PRICE]
    assert numbers_of("wan2.2-s2v") == [
        minute("wan2.2-s2v", resolution="480P"),
        minute("wan2.2-s2v", resolution="720P"),
        DETECTION_PRICE,
    ]


def test_the_cost_of_a_dub() -> None:
    translation, speech = text_costs()
    videos = LANGUAGES * MINUTES * minute("videoretalk")
    others = MINUTES * minute("qwen3-asr-flash-filetrans") + LANGUAGES * MINUTES * (translation + speech)
    assert f"costs about {round(videos + others)} CNY. All but {round(others)} CNY of it are the videos." in section()
