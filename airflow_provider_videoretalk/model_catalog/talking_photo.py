"""Models that make one photo speak, and the checks of the photo that come before them.

Source: the vendor's pages of wan2.2-s2v and liveportrait, and its price list, editions of October and November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from airflow_provider_videoretalk.dashscope.media_url import media_url
from airflow_provider_videoretalk.dashscope.reply_values import line, mapping, web_url
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE, Limit
from airflow_provider_videoretalk.model_catalog.model import InputLength, MediaInput, Model, OutputLength
from airflow_provider_videoretalk.model_catalog.price import Price

TalkingPhotoModelName = Literal["wan2.2-s2v", "liveportrait"]
Resolution = Literal["480P", "720P"]

DETECT_PATH = "services/aigc/image2video/face-detect"
DETECTION_PRICE = Decimal("0.004")
"""CNY for each photo, also for one that does not pass."""

_PATH = "services/aigc/image2video/video-synthesis"
_READ = date(2026, 11, 25)
_AUDIO_BYTES = Limit(field="audio size", high=15 * MEGABYTE, unit="bytes", code="InvalidFile.Size", remedy="Use mp3.")


@dataclass(frozen=True, kw_only=True)
class TalkingPhotoModel(Model):
    """
    :param per_second_by_resolution: prices in the currency of ``price``, where they depend on the resolution
    """

    per_second_by_resolution: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def detect_model(self) -> str:
        """The model that checks the photo."""
        return f"{self.name}-detect"

    def price_for(self, parameters: Mapping[str, Any]) -> Price:
        per_second = self.per_second_by_resolution.get(str(parameters.get("resolution")), self.price.per_second)
        return replace(self.price, per_second=per_second)

    def parameters(self, resolution: str | None = None) -> dict[str, Any]:
        """The ``parameters`` of a request; 720P by default, where the model has a choice."""
        return {"resolution": resolution or "720P"} if self.per_second_by_resolution else {}

    def result_url(self, output: Mapping[str, Any]) -> str | None:
        return web_url(mapping(output.get("results")).get(self.result_url_field))


@dataclass(frozen=True, kw_only=True)
class Detection:
    """The reply to the check of a photo.

    :param passed: whether the model can make it speak
    :param reason: the service's words, if it cannot
    """

    passed: bool
    reason: str

    @classmethod
    def parse(cls, payload: Mapping[str, Any], *, verdict: str) -> Detection:
        output = mapping(payload.get("output"))
        if not isinstance(output.get(verdict), bool):
            raise ValueError(f"output.{verdict} is missing")
        return cls(passed=output[verdict], reason=line(output.get("message")) or "the service gave no reason")


# Each model has a field of its own for the verdict.
_VERDICTS: Mapping[str, str] = {"wan2.2-s2v-detect": "check_pass", "liveportrait-detect": "pass"}


def with_check(price: Price) -> Price:
    """The price of a video with the check of its photo. A price that is stated for each job includes it, and one in
    another currency is left as it is."""
    is_added = price.currency == "CNY" and not price.per_job
    return replace(price, per_job=DETECTION_PRICE) if is_added else price


def detect_face(*, model: str, image_url: str) -> Request[Detection]:
    """Asks whether a photo can be made to speak. It is billed by :data:`DETECTION_PRICE`, whatever the answer.

    :param model: a :attr:`TalkingPhotoModel.detect_model`
    """
    body = {"model": model, "input": {"image_url": media_url("image_url", image_url)}}
    headers = {"X-DashScope-OssResourceResolve": "enable"} if image_url.startswith("oss://") else {}
    parse = partial(Detection.parse, verdict=_VERDICTS[model])
    return Request(method="POST", path=DETECT_PATH, headers=headers, body=body, parse=parse)


def _speech_length(limit: Limit, inputs: Mapping[str, InputLength], parameters: Mapping[str, Any]) -> OutputLength:
    """The output is as long as the speech."""
    seconds = inputs.get("audio_url", InputLength()).seconds
    longest = limit.high or 0.0
    return OutputLength(seconds=longest if seconds is None else round(seconds, 2), exact=seconds is not None)


_WAN_SECONDS = Limit(
    field="audio duration", high=20, unit="s", code="InvalidFile.Duration", remedy="Shorten it, or use liveportrait."
)
_LIVEPORTRAIT_SECONDS = Limit(
    field="audio duration", low=1, high=180, unit="s", code="InvalidFile.Duration", remedy="Lengthen or shorten it."
)

WAN_S2V = TalkingPhotoModel(
    name="wan2.2-s2v",
    path=_PATH,
    price=Price(per_second=Decimal("0.9"), currency="CNY", as_of=_READ),
    per_second_by_resolution={"480P": Decimal("0.5"), "720P": Decimal("0.9")},
    # Not known; until renders of the account are, this plans the first query.
    render_factor=30.0,
    media_inputs={
        "image_url": MediaInput(
            kind="image",
            containers=("jpeg", "png", "bmp", "webp"),
            side=Limit(
                field="image side", low=400, high=7000, unit="px", code="InvalidFile.ImageSize", remedy="Scale it."
            ),
        ),
        "audio_url": MediaInput(kind="audio", containers=("wav", "mp3"), size=_AUDIO_BYTES, seconds=_WAN_SECONDS),
    },
    output_length=partial(_speech_length, _WAN_SECONDS),
    max_output_seconds=20.0,
)

LIVEPORTRAIT = TalkingPhotoModel(
    name="liveportrait",
    path=_PATH,
    price=Price(per_second=Decimal("0.02"), currency="CNY", as_of=_READ),
    render_factor=5.0,
    media_inputs={
        "image_url": MediaInput(
            kind="image",
            containers=("jpeg", "png", "bmp", "webp"),
            size=Limit(
                field="image size",
                high=10 * MEGABYTE,
                unit="bytes",
                code="InvalidFile.Size",
                remedy="Save it as jpeg.",
            ),
            side=Limit(field="image side", high=4096, unit="px", code="InvalidFile.ImageSize"),
            aspect_ratio=Limit(field="image aspect ratio", high=2, code="InvalidFile.ImageSize"),
        ),
        "audio_url": MediaInput(
            kind="audio", containers=("wav", "mp3"), size=_AUDIO_BYTES, seconds=_LIVEPORTRAIT_SECONDS
        ),
    },
    output_length=partial(_speech_length, _LIVEPORTRAIT_SECONDS),
    max_output_seconds=180.0,
)

TALKING_PHOTO_MODELS: Mapping[str, TalkingPhotoModel] = {model.name: model for model in (LIVEPORTRAIT, WAN_S2V)}
