"""Makes a photo speak."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.talking_photo import (
    LIVEPORTRAIT,
    TALKING_PHOTO_MODELS,
    Resolution,
    TalkingPhotoModel,
    TalkingPhotoModelName,
    with_check,
)
from airflow_provider_videoretalk.operators.catalog_model import CatalogModelOperator
from airflow_provider_videoretalk.operators.job_submission import record_store_of
from airflow_provider_videoretalk.operators.location_fields import is_task_output, url_of_output
from airflow_provider_videoretalk.operators.photo_check import PhotoCheck
from airflow_provider_videoretalk.operators.template_values import (
    as_optional_mapping,
    as_optional_text,
    check_word,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.airflow_adapters.charge_writer import ChargeWriter
    from airflow_provider_videoretalk.inputs.job_inputs import JobInputs
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.model_catalog.price import Price
    from airflow_provider_videoretalk.model_catalog.speech import SpeechResult
    from airflow_provider_videoretalk.submission.record import Intent
    from airflow_provider_videoretalk.submission.record_store import Store

PhotoCheckMode = Literal["strict", "off"]


class TalkingPhotoOperator(CatalogModelOperator):
    """Makes a photo speak: for presenters of whom there is no video.

    It returns a :class:`~airflow_provider_videoretalk.inputs.priced_result.PricedResult`. Before the submit, the
    service checks the photo. A photo that does not pass fails the task. The check is billed, and part of the price.
    A retry does not repeat it.

    :param image_url: The photo. (templated)
    :param audio_url: The speech: a location, or what ``TextToSpeechOperator`` returned. (templated)
    :param model: ``liveportrait`` animates the head for up to three minutes. ``wan2.2-s2v`` also moves the body, for up
        to 20 seconds.
    :param resolution: ``480P`` or ``720P``, of ``wan2.2-s2v`` only, whose price depends on it. Defaults to ``720P``.
        (templated)
    :param options: Further ``parameters`` of the request, e.g. ``{"template_id": "calm"}``. (templated)
    :param photo_check: ``strict``, or ``off`` to submit without the service's check of the photo.

    All other parameters are those of
    :class:`~airflow_provider_videoretalk.operators.catalog_model.CatalogModelOperator`.
    """

    catalog_entry: TalkingPhotoModel = LIVEPORTRAIT
    _states: Store | None = None
    _check_charges: ChargeWriter
    template_fields: Sequence[str] = (
        "image_url",
        "audio_url",
        "resolution",
        "options",
        *CatalogModelOperator.template_fields,
    )

    def __init__(
        self,
        *,
        image_url: Location,
        audio_url: Location | SpeechResult,
        model: TalkingPhotoModelName = "liveportrait",
        resolution: Resolution | str | None = None,
        options: Mapping[str, Any] | None = None,
        photo_check: PhotoCheckMode = "strict",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_word("model", model, TALKING_PHOTO_MODELS)
        check_word("photo_check", photo_check, ("strict", "off"))
        self.catalog_entry = TALKING_PHOTO_MODELS[model]
        self.model = model
        self.image_url = image_url
        self.audio_url = audio_url
        self._audio_is_output = is_task_output(audio_url)
        self.resolution = resolution
        self.options = options
        self.photo_check = photo_check

    def job_inputs(self) -> JobInputs:
        # Loads requests.
        from airflow_provider_videoretalk.inputs.photo_inputs import photo_inputs
        from airflow_provider_videoretalk.inputs.source import source_of

        seconds = self.audio_url.get("seconds") if isinstance(self.audio_url, Mapping) else None
        return photo_inputs(
            model=self.catalog_entry,
            photo=source_of("image_url", self.location("image_url", self.image_url)),
            speech=source_of("audio_url", self._audio_location()),
            parameters=self._parameters(),
            speech_seconds=seconds if isinstance(seconds, int | float) else None,
        )

    @property
    def output_fields(self) -> Collection[str]:
        return ("audio_url",) if self._audio_is_output and isinstance(self.audio_url, Mapping) else ()

    def _audio_location(self) -> Location:
        if isinstance(self.audio_url, Mapping):
            return url_of_output("audio_url", self.audio_url, names=("audio_url",))
        return self.location("audio_url", self.audio_url)

    def _parameters(self) -> dict[str, Any]:
        """
        :raises InputError: no such resolution, or the model has none
        """
        options = as_optional_mapping("options", self.options)
        resolutions = self.catalog_entry.per_second_by_resolution
        resolution = as_optional_text("resolution", self.resolution)
        if not resolutions:
            if resolution is not None:
                raise InputError(
                    f"resolution is {resolution!r}, but {self.model} has no choice of it", remedy="Leave it out."
                )
            return options
        check_word("resolution", resolution or "720P", resolutions)
        return {**self.catalog_entry.parameters(resolution), **options}

    def price(self) -> Price:
        return super().price() if self.photo_check == "off" else with_check(super().price())

    def attempt(self, context: Context, *, refusals: int, since: float) -> Any:
        self._states = record_store_of(context, durable=self.durable)
        self._check_charges = self.charges(context, "photo_check")
        return super().attempt(context, refusals=refusals, since=since)

    def prepare(self, intent: Intent) -> Intent:
        prepared = super().prepare(intent)
        if self.photo_check != "off":
            check = PhotoCheck.of(self, states=self._states, charges=self._check_charges)
            check.check(self._job_inputs.sources["image_url"])
        return prepared
