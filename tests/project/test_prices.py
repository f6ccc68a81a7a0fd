"""The tables of what videos cost, held against the catalog and the plan."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from airflow_provider_videoretalk.batches.estimate import VideoEstimate, estimate_video, total_estimate
from airflow_provider_videoretalk.batches.pieces import speeches_of
from airflow_provider_videoretalk.batches.recipe import SpeechRecipe
from airflow_provider_videoretalk.model_catalog.catalog import price_of
from airflow_provider_videoretalk.model_catalog.model import InputLength
from airflow_provider_videoretalk.model_catalog.speech import DEFAULT_MODEL, speech_cost
from airflow_provider_videoretalk.model_catalog.talking_photo import DETECTION_PRICE
from airflow_provider_videoretalk.model_catalog.translation import translation_price_of
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK

BILLING = Path(__file__).parents[2] / "docs" / "billing.md"
PRODUCER = BILLING.with_name("producer.md")
CHARACTERS, TOKENS, LANGUAGES, MINUTES = 850, 250, 3, 10
# Letters that the plan takes for a second of speech.
LETTERS = 13


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


def planned(seconds: int) -> VideoEstimate:
    """What a plan says of a script that should take so long, whose speech is not made."""
    sentence = "Good morning, and welcome to our shop. "
    script = (sentence * (LETTERS * seconds // len(sentence) + 1))[: LETTERS * seconds]
    recipe = SpeechRecipe(script=script, language="en", voice="longanyang", model=DEFAULT_MODEL)
    estimates = [
        estimate_video(
            speech,
            model=VIDEORETALK,
            presenter=InputLength(seconds=20.0, fps=25.0),
            parameters={"video_extension": True},
            speech_seconds=None,
            price=VIDEORETALK.price,
        )
        for speech in speeches_of(recipe)
    ]
    return total_estimate(estimates, price=VIDEORETALK.price)


def test_the_cost_of_72_videos_of_half_a_minute() -> None:
    text = PRODUCER.read_text()
    estimate = planned(30)
    assert estimate.expected_seconds == 30
    spoken = estimate.speech_cost or Decimal(0)
    assert f"They cost about {round(72 * (minute('videoretalk') / 2 + spoken))} CNY by [the list prices]" in text
    rows = re.findall(r"^\| (\d+)(?:, as in the form)? \| (\d+) CNY[^|]* \| (\d+) s \|$", text, re.MULTILINE)
    assert [int(limit) for limit, _, _ in rows] == [10, 5, 3]
    for limit, most, seconds in rows:
        assert int(most) == round(72 * (min(estimate.cost.cost, Decimal(limit)) + spoken))
        assert int(seconds) == int(Decimal(limit) / VIDEORETALK.price.per_second)


def test_what_a_plan_adds_to_the_cost() -> None:
    """Twice as much for scripts of a minute, more than three times for those of half a minute."""
    assert round(planned(60).cost.cost / minute("videoretalk"), 1) == 2
    assert planned(30).cost.cost / (minute("videoretalk") / 2) > 3


def test_the_cost_of_twenty_minutes() -> None:
    _, speech = text_costs()
    text = PRODUCER.read_text()
    a_minute = minute("videoretalk") + speech
    assert f"Twenty minutes cost about {round(20 * a_minute)} CNY" in text
    assert "Allow 6.50 CNY for each minute" in text
    assert round(a_minute * 4 / 3, 1) == Decimal("6.5")
