"""Why the video of a row cannot be made, as far as the plan knows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from airflow_provider_videoretalk.batches.estimate import VideoEstimate, typical_speech
from airflow_provider_videoretalk.batches.planned_video import BatchSettings, PlannedVideo, Presenter
from airflow_provider_videoretalk.batches.script_pieces import MAX_PIECE_SECONDS
from airflow_provider_videoretalk.batches.table import VideoRow
from airflow_provider_videoretalk.batches.table_text import Fault, shown
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.model_catalog.catalog import MODELS
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.optional_dependencies import require_extra


def find_faults(
    planned: PlannedVideo, presenter: Presenter, estimate: VideoEstimate, limit: Decimal | None
) -> Iterator[Fault]:
    line, column = planned.row.line, _speech_column(planned.row)
    for problem, remedy in presenter.problems:
        yield Fault(line=line, column="photo" if planned.row.is_photo else "video", value=problem, remedy=remedy)
    if planned.in_pieces and not planned.row.is_photo:
        yield from _faults_of_pieces(line, column)
    allowed = MODELS[planned.recipe.model].media_inputs["audio_url"].seconds
    for seconds in (seconds for _, seconds in planned.speeches if seconds is not None):
        if allowed is not None and not allowed.allows(seconds):
            yield Fault(
                line=line,
                column=column,
                value=f"its speech takes {seconds:g} s",
                limit=allowed.range,
                remedy="Lengthen the script." if seconds < (allowed.low or 0) else "Shorten the script.",
            )
    if limit is not None and estimate.cost.exact and estimate.cost.cost + planned.paid_before > limit:
        yield Fault(
            line=line,
            column=column,
            value=f"the video costs {estimate.cost}",
            limit=f"at most {limit} (max_cost_per_video)",
            remedy="Shorten the script, or raise the limit.",
        )


def _speech_column(row: VideoRow) -> str:
    return "audio" if row.audio else "text"


def find_photo_faults(planned: PlannedVideo, settings: BatchSettings) -> Iterator[Fault]:
    if not planned.row.is_photo:
        return
    line, model, price = planned.row.line, settings.photo.model, settings.photo.price
    # Where a recording or a script is cut for a presenter video.
    longest = VIDEORETALK.max_output_seconds if planned.row.audio else MAX_PIECE_SECONDS
    expected = sum(typical_speech(speech) if seconds is None else seconds for speech, seconds in planned.speeches)
    if planned.in_pieces or expected > model.max_output_seconds:
        yield Fault(
            line=line,
            column=_speech_column(planned.row),
            value=f"its speech takes about {expected:.0f} s, and the video of a photo is made by one render job",
            limit=f"at most {min(model.max_output_seconds, longest):g} s",
            remedy="Shorten it, or name a presenter video in place of the photo.",
        )
    if price.currency != settings.currency:
        yield Fault(
            line=line,
            column="photo",
            value=f"the price of {model.name} is in {price.currency}, that of the batch in {settings.currency}",
            remedy=f"State the price of {model.name} in {settings.currency} in the Connection.",
        )


def _faults_of_pieces(line: int, column: str) -> Iterator[Fault]:
    try:
        require_extra("media", part="A video of several pieces")
    except ConfigurationError as error:
        yield Fault(line=line, column=column, value=error.message, remedy=error.remedy)


def owned_by_another(row: VideoRow, owner: object) -> Fault:
    """The fault of a row that would replace a video of another batch, which would then be made and paid for again."""
    return Fault(
        line=row.line,
        column="destination",
        value=f"a video of the batch {shown(owner)} is there",
        remedy="Give another name or destination, or set batch to that name if it is the same batch.",
    )
