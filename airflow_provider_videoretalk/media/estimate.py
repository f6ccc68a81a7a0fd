"""What a VideoRetalk task will cost, before it is submitted: its output's length by the service's rules, times a price.

Prices are configuration. The table here is what the vendor's page said on the day it names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.limits import AUDIO_SECONDS, VIDEO_SECONDS

# An output ends with a whole picture. One that would show less than this part of its time is left out, since it is
# mostly rounding: a rule of the emulator's, as the service documents none.
_SLIVER = Fraction(1, 20)

_FINEST_RATE = 1001
_MICROSECONDS = 1_000_000
_SMALLEST_SUM = Decimal("0.0001")


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a second of output costs.

    :param per_second: in ``currency``
    :param as_of: the day on which that was so
    """

    per_second: Decimal
    currency: str
    as_of: date

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Price:
        """
        :raises KeyError, TypeError, ValueError: ``data`` is not of :meth:`to_json`'s kind
        """
        return cls(
            per_second=_sum(data["per_second"]),
            currency=str(data["currency"]),
            as_of=date.fromisoformat(str(data["as_of"])),
        )

    def to_json(self) -> dict[str, str]:
        """As texts, since a sum is none of JSON's numbers."""
        return {"per_second": str(self.per_second), "currency": self.currency, "as_of": self.as_of.isoformat()}

    def cost(self, seconds: float) -> Decimal:
        """In ``currency``, to four places. The service bills by its ``usage.video_duration``."""
        return (Decimal(str(seconds)) * self.per_second).quantize(_SMALLEST_SUM)


PRICES: Mapping[str, Price] = {
    # The vendor's page on model prices; only the output is billed, and a task that fails is not.
    "videoretalk": Price(per_second=Decimal("0.08"), currency="CNY", as_of=date(2026, 11, 22)),
}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a task will cost.

    :param seconds: of output
    :param exact: ``False`` where an input's duration is not known, and ``seconds`` the most that can come out
    """

    seconds: float
    exact: bool
    price: Price

    @property
    def cost(self) -> Decimal:
        """In the price's currency."""
        return self.price.cost(self.seconds)

    def __str__(self) -> str:
        bound = "" if self.exact else "at most "
        price = f"{self.price.per_second} {self.price.currency} a second as of {self.price.as_of}"
        return f"{bound}{self.seconds:g} s of output, {bound}{self.cost.normalize():f} {self.price.currency} ({price})"


def estimate(
    *, video: float | None, audio: float | None, video_extension: bool, price: Price, fps: float | None = None
) -> Estimate:
    """The cost of a task.

    The vendor's rules: without ``video_extension`` the output is as long as the shorter of video and audio; with it,
    as long as the audio.

    :param video: its duration in seconds, ``None`` where it is not known
    :param audio: likewise
    :param fps: pictures per second of the video; where they are known, the output is counted in whole ones
    """
    known = [seconds for seconds in (audio, None if video_extension else video) if seconds is not None]
    exact = len(known) == (1 if video_extension else 2)
    most = min(known if exact else [*known, *_most(video_extension)])
    if not exact or not fps:
        return Estimate(seconds=round(most, 2), exact=exact, price=price)
    rate = Fraction(fps).limit_denominator(_FINEST_RATE)
    pictures = _spoken(audio or 0, rate)
    if not video_extension:
        pictures = min(pictures, max(1, round((video or 0) * rate)))
    return Estimate(seconds=round(float(pictures / rate), 2), exact=True, price=price)


def _most(video_extension: bool) -> tuple[float, ...]:
    limits = (AUDIO_SECONDS,) if video_extension else (AUDIO_SECONDS, VIDEO_SECONDS)
    return tuple(limit.high for limit in limits if limit.high is not None)


def _spoken(audio: float, rate: Fraction) -> int:
    """Pictures that are needed for all of a sound."""
    return max(1, math.ceil(Fraction(audio).limit_denominator(_MICROSECONDS) * rate - _SLIVER))


def price_of(model: str, prices: Mapping[str, Any] | None = None) -> Price:
    """The price of a model's output.

    :param prices: prices that come before those of this module, as from a connection or a variable:
        ``{"videoretalk": {"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"}}``
    :raises ConfigurationError: an entry of ``prices`` that can't be read
    :raises KeyError: a model that has no price
    """
    given = (prices or {}).get(model)
    if given is None:
        return PRICES[model]
    try:
        return Price.parse(given)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"the price of {model!r} is {given!r}, which can't be read ({type(error).__name__}: {error})",
            remedy="Give per_second (a number of 0 or more), currency (such as CNY) and as_of (such as 2026-11-22).",
        ) from None


def check_max_cost(estimated: Estimate, max_cost: Decimal | float | str | None) -> None:
    """Returns where a task may cost what it is estimated to.

    :param max_cost: most that it may cost, in the price's currency; ``None`` for any sum
    :raises InputError: it would cost more, or could where a duration is not known; or ``max_cost`` is no sum
    """
    if max_cost is None:
        return
    try:
        most = _sum(max_cost)
    except ValueError:
        raise InputError(
            f"max_cost is {max_cost!r}, allowed is a number of 0 or more", remedy="Give a sum, or None for any."
        ) from None
    if estimated.cost > most:
        raise InputError(
            f"the task costs {estimated}, allowed is at most {most} {estimated.price.currency} (max_cost)",
            remedy="Shorten the speech or the video, or raise max_cost; nothing was submitted.",
        )


def _sum(value: object) -> Decimal:
    """:raises ValueError: no finite number of 0 or more"""
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(f"{value!r} is no number") from None
    if isinstance(value, bool) or not number.is_finite() or number < 0:
        raise ValueError(f"{value!r} is no number of 0 or more")
    return number
