"""Makes a photo speak."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_urls
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.talking_photo import (
    DETECTION_PRICE,
    LIVEPORTRAIT,
    TALKING_PHOTO_MODELS,
    Detection,
    Resolution,
    TalkingPhotoModel,
    TalkingPhotoModelName,
    detect_face,
)
from airflow_provider_videoretalk.operators.catalog_model import CatalogModelOperator
from airflow_provider_videoretalk.operators.job_submission import record_store_of
from airflow_provider_videoretalk.operators.location_fields import is_task_output, url_of_output
from airflow_provider_videoretalk.operators.template_values import (
    as_optional_mapping,
    as_optional_text,
    check_word,
)
from airflow_provider_videoretalk.submission.fault_points import fault_point

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.airflow_adapters.charge_writer import ChargeWriter
    from airflow_provider_videoretalk.dashscope.multipart_upload import Content
    from airflow_provider_videoretalk.inputs.job_inputs import JobInputs
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.model_catalog.price import Price
    from airflow_provider_videoretalk.model_catalog.speech import SpeechResult
    from airflow_provider_videoretalk.submission.record import Intent
    from airflow_provider_videoretalk.submission.record_store import Store

PhotoCheck = Literal["strict", "off"]

# In the task's state: what the service said of the photo.
_STATE = "videoretalk_photo_check"

# The service fetches the photo while it answers.
_CHECK_SECONDS = timedelta(minutes=10)


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
        photo_check: PhotoCheck = "strict",
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
        from airflow_provider_videoretalk.inputs.job_inputs import JobInputs
        from airflow_provider_videoretalk.inputs.source import source_of

        locations = {"image_url": self.location("image_url", self.image_url), "audio_url": self._audio_location()}
        seconds = self.audio_url.get("seconds") if isinstance(self.audio_url, Mapping) else None
        return JobInputs(
            model=self.catalog_entry,
            sources={field: source_of(field, location) for field, location in locations.items()},
            parameters=self._parameters(),
            stated_seconds={"audio_url": seconds} if isinstance(seconds, int | float) else {},
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
        return {"resolution": resolution or "720P", **options}

    def price(self) -> Price:
        listed = super().price()
        is_checked = self.photo_check != "off" and listed.currency == "CNY" and not listed.per_job
        return replace(listed, per_job=DETECTION_PRICE) if is_checked else listed

    def attempt(self, context: Context, *, refusals: int, since: float) -> Any:
        self._states = record_store_of(context, durable=self.durable)
        self._check_charges = self.charges(context, "photo_check")
        return super().attempt(context, refusals=refusals, since=since)

    def prepare(self, intent: Intent) -> Intent:
        prepared = super().prepare(intent)
        if self.photo_check != "off":
            self._check_photo()
        return prepared

    def _check_photo(self) -> None:
        """
        :raises InputError: the service says that the photo cannot be made to speak
        """
        photo = self._job_inputs.sources["image_url"]
        checked = {"model": self.catalog_entry.detect_model, "image": photo.content_identity()}
        detection = self._known_detection(checked)
        if detection is None:
            detection = self._detect()
            self.log.info("Checked the photo for %s CNY: passed is %s", DETECTION_PRICE, detection.passed)
            if self._states is not None:
                self._states.set(_STATE, {**checked, "passed": detection.passed, "reason": detection.reason})
            # A check that is passed is in the price of the job.
            if not detection.passed or not self.price().per_job:
                self._check_charges.add(DETECTION_PRICE, currency="CNY", model=self.catalog_entry.detect_model)
            fault_point("after_check")
        if not detection.passed:
            raise InputError(
                f"image_url is a photo that {self.model} cannot make speak: {detection.reason}",
                remedy="Give a photo of one person from the front. Nothing but the check was paid.",
            )

    def _known_detection(self, checked: Mapping[str, str]) -> Detection | None:
        found = self._states.get(_STATE) if self._states is not None else None
        if not isinstance(found, Mapping) or any(found.get(name) != value for name, value in checked.items()):
            return None
        return Detection(passed=found.get("passed") is True, reason=str(found.get("reason")))

    def _detect(self) -> Detection:
        until = datetime.now(timezone.utc) + _CHECK_SECONDS
        url = self._job_inputs.sources["image_url"].url(until=until, upload=self._upload_for_check)
        mask_urls(url)
        return self.hook.client.send(detect_face(model=self.catalog_entry.detect_model, image_url=url))

    def _upload_for_check(self, content: Content) -> str:
        # Loads aiohttp.
        from airflow_provider_videoretalk.dashscope.temporary_storage import upload

        return upload(self.hook.client, content, model=self.catalog_entry.detect_model)
