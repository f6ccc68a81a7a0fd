"""Plans a batch: which videos have to be made, which are kept, what it costs at most and how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from functools import partial

from airflow_provider_videoretalk.batches.estimate import (
    VideoEstimate,
    estimate_video,
    total_estimate,
)
from airflow_provider_videoretalk.batches.pieces import cost_of, find_pieces, speeches_of
from airflow_provider_videoretalk.batches.plan_faults import find_faults, find_photo_faults, owned_by_another
from airflow_provider_videoretalk.batches.planned_video import (
    BatchSettings,
    PlannedState,
    PlannedVideo,
    Presenter,
    Recording,
    RenderSettings,
)
from airflow_provider_videoretalk.batches.recipe import (
    RecordingRecipe,
    Speech,
    VideoRecipe,
    amount_in,
    is_made_from,
    speech_of,
)
from airflow_provider_videoretalk.batches.table import VideoRow
from airflow_provider_videoretalk.batches.table_text import Fault
from airflow_provider_videoretalk.model_catalog.speech import SPEECH_CURRENCY
from airflow_provider_videoretalk.publishing.atomic_object import Destination
from airflow_provider_videoretalk.publishing.publication import read_metadata

# Stores answer in tens of milliseconds, and a table may have thousands of rows.
_MAX_READERS = 16


def plan_videos(
    rows: Sequence[tuple[VideoRow, Destination]],
    *,
    settings: BatchSettings,
    presenters: Mapping[str, Presenter],
    photos: Mapping[str, Presenter],
    recordings: Mapping[str, Recording],
    speech_store: Callable[[str], Destination],
    piece_store: Callable[[str], Destination],
) -> list[PlannedVideo]:
    """What becomes of each row, in the order of the rows. Reads the metadata files at the destinations.

    :param rows: with the object that each becomes
    :param presenters: the videos, by location
    :param photos: by location
    :param recordings: by location
    :param speech_store: the object of a speech, by its name
    :param piece_store: the object of a piece, by its name
    :raises TransportError: a store cannot be read
    """

    def plan(pair: tuple[VideoRow, Destination]) -> PlannedVideo:
        row, destination = pair
        presenter = (photos if row.is_photo else presenters)[row.video]
        recording = recordings[row.audio] if row.audio else None
        speech = speech_of(
            row,
            model=settings.speech_model,
            options=settings.speech_options,
            recording=recording.digest if recording else None,
        )
        render = settings.render(row)
        recipe = VideoRecipe(
            speech=speech,
            presenter=presenter.digest,
            parameters=render.parameters,
            photo_model=render.model.name if row.is_photo else None,
        )
        parts = recording.parts if recording else ()
        planned = PlannedVideo(row=row, destination=destination, state="make", recipe=recipe, parts=parts)
        metadata = read_metadata(destination)
        if is_made_from(metadata, recipe):
            if not settings.force:
                return replace(planned, state="keep", kept=metadata or {})
            planned = replace(planned, replaces=str((metadata or {}).get("task_id")))
        owner = (metadata or {}).get("batch")
        if settings.batch is not None and owner not in (None, settings.batch):
            return replace(planned, state="refuse", faults=(owned_by_another(row, owner),))
        seconds = partial(_seconds_of, recording=recording, store=speech_store)
        planned = _with_pieces(planned, presenter, seconds, piece_store)
        problems = recording.problems if recording else ()
        return _priced(planned, presenter, settings, problems=problems)

    with ThreadPoolExecutor(_MAX_READERS) as pool:
        return list(pool.map(plan, rows))


def _seconds_of(speech: Speech, *, recording: Recording | None, store: Callable[[str], Destination]) -> float | None:
    """The duration of a speech that was recorded or paid for before; ``None`` if there is none."""
    if isinstance(speech, RecordingRecipe):
        return speech.part.seconds if speech.part else recording.seconds if recording else None
    metadata = read_metadata(store(speech.file_name))
    return amount_in(metadata, "seconds") if metadata and is_made_from(metadata, speech) else None


def _with_pieces(
    planned: PlannedVideo,
    presenter: Presenter,
    seconds: Callable[[Speech], float | None],
    piece_store: Callable[[str], Destination],
) -> PlannedVideo:
    """The video with its speeches, without those of pieces that are made."""
    speeches = speeches_of(planned.recipe.speech, parts=planned.parts)
    in_pieces, paid = len(speeches) > 1 or presenter.in_parts, Decimal(0)
    if in_pieces:
        found = find_pieces(planned.recipe, parts=planned.parts, replaces=planned.replaces, store=piece_store)
        speeches, paid = found.speeches, cost_of(found.kept)
    spoken = tuple((speech, seconds(speech)) for speech in speeches)
    return replace(planned, in_pieces=in_pieces, paid_before=paid, speeches=spoken)


def _priced(
    planned: PlannedVideo,
    presenter: Presenter,
    settings: BatchSettings,
    *,
    problems: Sequence[tuple[str, str]],
) -> PlannedVideo:
    """
    :param problems: of the recording
    """
    estimate = _estimate(planned, presenter, settings.render(planned.row))
    most, limit = estimate.cost.cost, settings.max_cost_per_video
    unusable = (Fault(line=planned.row.line, column="audio", value=value, remedy=remedy) for value, remedy in problems)
    faults = (*unusable, *find_faults(planned, presenter, estimate, limit), *find_photo_faults(planned, settings))
    if limit is not None:
        most = min(most, max(limit - planned.paid_before, Decimal(0)))
    spoken = estimate.speech_cost if settings.currency == SPEECH_CURRENCY else None
    state: PlannedState = "refuse" if faults else "make"
    return replace(
        planned,
        state=state,
        estimate=estimate,
        most_cost=most + (spoken or 0),
        most_video_cost=most,
        faults=faults,
    )


def _estimate(planned: PlannedVideo, presenter: Presenter, render: RenderSettings) -> VideoEstimate:
    # The part of the presenter is as long as the speech of its piece.
    parameters = {**render.parameters, "video_extension": True} if planned.in_pieces else render.parameters
    return total_estimate(
        [
            estimate_video(
                speech,
                model=render.model,
                presenter=presenter.length,
                parameters=parameters,
                speech_seconds=seconds,
                price=render.price,
            )
            for speech, seconds in planned.speeches
        ],
        price=render.price,
    )


def total_cost(planned: Sequence[PlannedVideo]) -> Decimal:
    """The most that all videos to make can cost."""
    return sum((one.most_cost for one in planned if one.state == "make"), Decimal(0))
