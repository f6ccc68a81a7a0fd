"""A row of a table as it is planned, and what it is planned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from airflow_provider_videoretalk.batches.estimate import VideoEstimate
from airflow_provider_videoretalk.batches.recipe import RecordingPart, Speech, VideoRecipe
from airflow_provider_videoretalk.batches.table import VideoRow
from airflow_provider_videoretalk.batches.table_text import Fault
from airflow_provider_videoretalk.model_catalog.model import InputLength, Model
from airflow_provider_videoretalk.model_catalog.price import Price
from airflow_provider_videoretalk.publishing.atomic_object import Destination

PlannedState = Literal["make", "keep", "refuse"]
"""What becomes of a row: its video is made, is there already, or cannot be made."""


@dataclass(frozen=True, kw_only=True)
class Presenter:
    """A presenter's video or photo that rows of the table name.

    :param digest: of its content, see :func:`~airflow_provider_videoretalk.batches.recipe.content_digest`
    :param length: as far as it is known
    :param problems: why the service would refuse it, each with its remedy
    :param in_parts: it is too long or too large for one render job, which gets a part of it
    :param key: of an object or a file, see :func:`~airflow_provider_videoretalk.publishing.object_name.object_key`
    """

    digest: str = ""
    length: InputLength = field(default_factory=InputLength)
    problems: tuple[tuple[str, str], ...] = ()
    in_parts: bool = False
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recording of speech that rows of the table name.

    :param digest: of its content, see :func:`~airflow_provider_videoretalk.batches.recipe.content_digest`
    :param seconds: its length, as far as it is known
    :param parts: see :func:`~airflow_provider_videoretalk.batches.pieces.speeches_of`
    :param problems: why no video can be made of it, each with its remedy
    """

    digest: str = ""
    seconds: float | None = None
    parts: tuple[RecordingPart, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RenderSettings:
    """How a kind of presenter is rendered.

    :param parameters: of the render request
    """

    model: Model
    parameters: Mapping[str, Any]
    price: Price


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """What holds for all rows of a batch.

    :param speech_options: further fields of the speech request's ``input``
    :param video: how a presenter's video is rendered. Its currency is that of the batch
    :param photo: how a presenter's photo is rendered
    :param max_cost_per_video: highest cost of one video; ``None`` for no limit
    :param force: make also the videos that are there already
    :param batch: its name; ``None`` replaces the videos of all batches
    """

    speech_model: str
    speech_options: Mapping[str, Any]
    video: RenderSettings
    photo: RenderSettings
    max_cost_per_video: Decimal | None = None
    force: bool = False
    batch: str | None = None

    @property
    def currency(self) -> str:
        return self.video.price.currency

    def render(self, row: VideoRow) -> RenderSettings:
        return self.photo if row.is_photo else self.video


@dataclass(frozen=True, kw_only=True)
class PlannedVideo:
    """What becomes of one row.

    :param estimate: of a video to make, else ``None``
    :param most_cost: the most that it can cost, in the currency of the price; with its speech, if that has to be made
        and its price is known in this currency
    :param most_video_cost: the part of it that is not for speech. A video that costs more is not submitted
    :param parts: of the recording, see :class:`Recording`
    :param in_pieces: one render job cannot make it, see :mod:`~airflow_provider_videoretalk.batches.pieces`
    :param paid_before: what the pieces that are made did cost
    :param speeches: of a video to make, or of its pieces that are not made; each with its seconds if it is kept
    :param replaces: the id of the render job that made the object which is there, if ``force`` makes it again
    :param kept: the metadata of a video that is kept
    """

    row: VideoRow
    destination: Destination
    state: PlannedState
    recipe: VideoRecipe
    estimate: VideoEstimate | None = None
    most_cost: Decimal = Decimal(0)
    most_video_cost: Decimal = Decimal(0)
    parts: tuple[RecordingPart, ...] = ()
    in_pieces: bool = False
    paid_before: Decimal = Decimal(0)
    speeches: tuple[tuple[Speech, float | None], ...] = ()
    replaces: str | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
