"""The service's check of a photo, before it is made to speak. It is billed, so its answer is kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_urls
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.talking_photo import (
    DETECTION_PRICE,
    Detection,
    TalkingPhotoModel,
    detect_face,
)
from airflow_provider_videoretalk.submission.fault_points import fault_point

if TYPE_CHECKING:
    from airflow_provider_videoretalk.airflow_adapters.charge_writer import ChargeWriter
    from airflow_provider_videoretalk.dashscope.client import Client
    from airflow_provider_videoretalk.dashscope.multipart_upload import Content
    from airflow_provider_videoretalk.inputs.source import Source
    from airflow_provider_videoretalk.operators.catalog_model import CatalogModelOperator
    from airflow_provider_videoretalk.submission.record_store import Store

# In the task's state: what the service said of the photo.
_STATE = "videoretalk_photo_check"

# The service fetches the photo while it answers.
_CHECK_SECONDS = timedelta(minutes=10)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PhotoCheck:
    """
    :param model: that is to make the photo speak
    :param charges: has each check that is paid for and is not in the price of a job
    :param in_price: whether the price of the job includes the check
    :param states: the task's state, which keeps the answer; ``None`` keeps none
    """

    model: TalkingPhotoModel
    client: Client
    states: Store | None
    charges: ChargeWriter
    in_price: bool

    @classmethod
    def of(cls, operator: CatalogModelOperator, *, states: Store | None, charges: ChargeWriter) -> PhotoCheck:
        """The check before a job of ``operator``, whose ``catalog_entry`` makes a photo speak."""
        model = operator.catalog_entry
        assert isinstance(model, TalkingPhotoModel)
        in_price = bool(operator.price().per_job)
        return cls(model=model, client=operator.hook.client, states=states, charges=charges, in_price=in_price)

    def check(self, photo: Source) -> None:
        """Asks the service, unless the task knows its answer.

        :raises InputError: the service says that the photo cannot be made to speak
        """
        checked = {"model": self.model.detect_model, "image": photo.content_identity()}
        detection = self._known(checked)
        if detection is None:
            detection = self._detect(photo)
            log.info("Checked the photo for %s CNY: passed is %s", DETECTION_PRICE, detection.passed)
            if not (detection.passed and self.in_price):
                self.charges.add(DETECTION_PRICE, currency="CNY", model=self.model.detect_model)
            if self.states is not None:
                self.states.set(_STATE, {**checked, "passed": detection.passed, "reason": detection.reason})
            fault_point("after_check")
        if not detection.passed:
            raise InputError(
                f"image_url is a photo that {self.model.name} cannot make speak: {detection.reason}",
                remedy="Give a photo of one person from the front. Nothing but the check was paid.",
            )

    def _known(self, checked: Mapping[str, str]) -> Detection | None:
        found = self.states.get(_STATE) if self.states is not None else None
        if not isinstance(found, Mapping) or any(found.get(name) != value for name, value in checked.items()):
            return None
        return Detection(passed=found.get("passed") is True, reason=str(found.get("reason")))

    def _detect(self, photo: Source) -> Detection:
        url = photo.url(until=datetime.now(timezone.utc) + _CHECK_SECONDS, upload=self._upload)
        mask_urls(url)
        return self.client.send(detect_face(model=self.model.detect_model, image_url=url))

    def _upload(self, content: Content) -> str:
        # Loads aiohttp.
        from airflow_provider_videoretalk.dashscope.temporary_storage import upload

        return upload(self.client, content, model=self.model.detect_model)
