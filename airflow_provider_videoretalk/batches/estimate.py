"""The length and the price of a video whose speech may not exist yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from airflow_provider_videoretalk.batches.recipe import RecordingRecipe, Speech
from airflow_provider_videoretalk.batches.speaking_time import speaking_rate, spoken_letters, typical_seconds
from airflow_provider_videoretalk.inputs.cost_estimate import CostEstimate
from airflow_provider_videoretalk.model_catalog.model import InputLength, Model
from airflow_provider_videoretalk.model_catalog.price import Price
from airflow_provider_videoretalk.model_catalog.speech import speech_cost
from airflow_provider_videoretalk.model_catalog.videoretalk import AUDIO_SECONDS

# The slowest speech that a price allows for: a third of the usual speed, and pauses.
_SLOWEST_LETTERS_PER_SECOND = 4.0
_PAUSES_SECONDS = 5.0

_SHORTEST, _LONGEST = float(AUDIO_SECONDS.low or 0), float(AUDIO_SECONDS.high or 0)


@dataclass(frozen=True, kw_only=True)
class VideoEstimate:
    """
    :param cost: of the video; at most, if ``cost.exact`` is ``False``
    :param speech_cost: in CNY; 0 for a speech that exists, ``None`` if the price of the model is not known
    :param expected_seconds: of output, for the time that the batch takes
    """

    cost: CostEstimate
    speech_cost: Decimal | None
    expected_seconds: float


def estimate_video(
    recipe: Speech,
    *,
    model: Model,
    presenter: InputLength,
    parameters: Mapping[str, Any],
    speech_seconds: float | None,
    price: Price,
) -> VideoEstimate:
    """
    :param speech_seconds: of a speech that exists; ``None`` if it has to be made, or if a recording does not tell
    """
    made = speech_seconds is not None
    longest = speech_seconds if speech_seconds is not None else min(longest_speech(recipe), model.max_output_seconds)
    typical = speech_seconds if speech_seconds is not None else typical_speech(recipe)
    bound, expected = (
        model.output_length({"video_url": presenter, "audio_url": InputLength(seconds=seconds)}, parameters)
        for seconds in (longest, typical)
    )
    return VideoEstimate(
        cost=CostEstimate(seconds=bound.seconds, exact=bound.exact and made, price=price),
        speech_cost=_cost_of(recipe) if speech_seconds is None else Decimal(0),
        expected_seconds=expected.seconds,
    )


def _cost_of(recipe: Speech) -> Decimal | None:
    return Decimal(0) if isinstance(recipe, RecordingRecipe) else speech_cost(recipe.script, recipe.model)


def total_estimate(estimates: Sequence[VideoEstimate], *, price: Price) -> VideoEstimate:
    """The estimate of all together."""
    costs = [one.speech_cost for one in estimates]
    return VideoEstimate(
        cost=CostEstimate(
            seconds=round(sum(one.cost.seconds for one in estimates), 2),
            exact=all(one.cost.exact for one in estimates),
            price=price,
        ),
        speech_cost=None if None in costs else sum((cost or Decimal(0) for cost in costs), Decimal(0)),
        expected_seconds=sum(one.expected_seconds for one in estimates),
    )


def typical_speech(recipe: Speech) -> float:
    """About how many seconds a script takes to speak."""
    if isinstance(recipe, RecordingRecipe):
        return _LONGEST
    seconds = typical_seconds(recipe.script, rate=speaking_rate(recipe.options))
    return min(max(seconds, _SHORTEST), _LONGEST)


def longest_speech(recipe: Speech) -> float:
    """Most seconds that a script should take to speak. Speech that takes longer is not rendered."""
    if isinstance(recipe, RecordingRecipe) or recipe.options or recipe.script.lstrip().startswith("<"):
        # A rate, an instruction or SSML can make any speech as long as the service renders.
        return _LONGEST
    return min(_PAUSES_SECONDS + spoken_letters(recipe.script) / _SLOWEST_LETTERS_PER_SECOND, _LONGEST)
