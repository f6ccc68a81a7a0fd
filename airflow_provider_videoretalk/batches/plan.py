"""Plans a batch: which videos have to be made, which are kept, what it costs at most and how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from airflow_provider_videoretalk.batches.estimate import VideoEstimate, estimate_video, total_estimate
from airflow_provider_videoretalk.batches.pieces import cost_of, find_pieces, speeches_of
from airflow_provider_videoretalk.batches.recipe import (
    RecordingRecipe,
    Speech,
    VideoRecipe,
    amount_in,
    is_made_from,
    speech_of,
)
from airflow_provider_videoretalk.batches.table import VideoRow
from airflow_provider_videoretalk.batches.table_text import Fault, shown
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.model_catalog.model import InputLength
from airflow_provider_videoretalk.model_catalog.price import Price
from airflow_provider_videoretalk.model_catalog.speech import SPEECH_CURRENCY
from airflow_provider_videoretalk.model_catalog.videoretalk import AUDIO_SECONDS
from airflow_provider_videoretalk.optional_dependencies import require_extra
from airflow_provider_videoretalk.publishing.atomic_object import Destination
from airflow_provider_videoretalk.publishing.publication import read_metadata

PlannedState = Literal["make", "keep", "refuse"]
"""What becomes of a row: its video is made, is there already, or cannot be made."""

# Stores answer in tens of milliseconds, and a table may have thousands of rows.
_MAX_READERS = 16


@dataclass(frozen=True, kw_only=True)
class Presenter:
    """A presenter video that rows of the table name.

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
    :param cuts: see :func:`~airflow_provider_videoretalk.batches.pieces.speeches_of`
    :param problems: why no video can be made of it, each with its remedy
    """

    digest: str = ""
    seconds: float | None = None
    cuts: tuple[float, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """What holds for all rows of a batch.

    :param speech_options: further fields of the speech request's ``input``
    :param parameters: of the render request
    :param price: of a second of video
    :param max_cost_per_video: highest cost of one video; ``None`` for no limit
    :param force: make also the videos that are there already
    :param batch: its name; ``None`` replaces the videos of all batches
    """

    speech_model: str
    speech_options: Mapping[str, Any]
    parameters: Mapping[str, Any]
    price: Price
    max_cost_per_video: Decimal | None = None
    force: bool = False
    batch: str | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedVideo:
    """What becomes of one row.

    :param estimate: of a video to make, else ``None``
    :param most_cost: the most that it can cost, in the currency of the price; with its speech, if that has to be made
        and its price is known in this currency
    :param most_video_cost: the part of it that is not for speech. A video that costs more is not submitted
    :param cuts: of the recording, see :class:`Recording`
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
    cuts: tuple[float, ...] = ()
    in_pieces: bool = False
    paid_before: Decimal = Decimal(0)
    speeches: tuple[tuple[Speech, float | None], ...] = ()
    replaces: str | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


def plan_videos(
    rows: Sequence[tuple[VideoRow, Destination]],
    *,
    settings: BatchSettings,
    presenters: Mapping[str, Presenter],
    recordings: Mapping[str, Recording],
    speech_store: Callable[[str], Destination],
    piece_store: Callable[[str], Destination],
) -> list[PlannedVideo]:
    """What becomes of each row, in the order of the rows. Reads the metadata files at the destinations.

    :param rows: with the object that each becomes
    :param presenters: by location
    :param recordings: by location
    :param speech_store: the object of a speech, by its name
    :param piece_store: the object of a piece, by its name
    :raises TransportError: a store cannot be read
    """

    def plan(pair: tuple[VideoRow, Destination]) -> PlannedVideo:
        row, destination = pair
        presenter = presenters[row.video]
        recording = recordings[row.audio] if row.audio else None
        speech = speech_of(
            row,
            model=settings.speech_model,
            options=settings.speech_options,
            recording=recording.digest if recording else None,
        )
        recipe = VideoRecipe(speech=speech, presenter=presenter.digest, parameters=settings.parameters)
        cuts = recording.cuts if recording else ()
        planned = PlannedVideo(row=row, destination=destination, state="make", recipe=recipe, cuts=cuts)
        metadata = read_metadata(destination)
        if is_made_from(metadata, recipe):
            if not settings.force:
                return replace(planned, state="keep", kept=metadata or {})
            planned = replace(planned, replaces=str((metadata or {}).get("task_id")))
        owner = (metadata or {}).get("batch")
        if settings.batch is not None and owner not in (None, settings.batch):
            return replace(planned, state="refuse", faults=(_owned(row, owner),))
        seconds = partial(_seconds_of, recording=recording, store=speech_store)
        planned = _with_pieces(planned, presenter, seconds, piece_store)
        problems = recording.problems if recording else ()
        return _priced(planned, presenter, settings, problems=problems)

    with ThreadPoolExecutor(_MAX_READERS) as pool:
        return list(pool.map(plan, rows))


def _seconds_of(speech: Speech, *, recording: Recording | None, store: Callable[[str], Destination]) -> float | None:
    """The duration of a speech that was recorded or paid for before; ``None`` if there is none."""
    if isinstance(speech, RecordingRecipe):
        start, end = speech.part or (0.0, recording.seconds if recording else None)
        return end - start if end is not None else None
    metadata = read_metadata(store(speech.file_name))
    return amount_in(metadata, "seconds") if metadata and is_made_from(metadata, speech) else None


def _with_pieces(
    planned: PlannedVideo,
    presenter: Presenter,
    seconds: Callable[[Speech], float | None],
    piece_store: Callable[[str], Destination],
) -> PlannedVideo:
    """The video with its speeches, without those of pieces that are made."""
    speeches = speeches_of(planned.recipe.speech, cuts=planned.cuts)
    in_pieces, paid = len(speeches) > 1 or presenter.in_parts, Decimal(0)
    if in_pieces:
        kept, _ = find_pieces(planned.recipe, cuts=planned.cuts, replaces=planned.replaces, store=piece_store)
        speeches, paid = speeches[len(kept) :], cost_of(kept)
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
    # The part of the presenter is as long as the speech of its piece.
    parameters = {**settings.parameters, "video_extension": True} if planned.in_pieces else settings.parameters
    estimate = total_estimate(
        [
            estimate_video(
                speech,
                presenter=presenter.length,
                parameters=parameters,
                speech_seconds=seconds,
                price=settings.price,
            )
            for speech, seconds in planned.speeches
        ],
        price=settings.price,
    )
    most, limit = estimate.cost.cost, settings.max_cost_per_video
    unusable = (Fault(line=planned.row.line, column="audio", value=value, remedy=remedy) for value, remedy in problems)
    faults = (*unusable, *_faults(planned, presenter, estimate, limit))
    if limit is not None:
        most = min(most, max(limit - planned.paid_before, Decimal(0)))
    spoken = estimate.speech_cost if settings.price.currency == SPEECH_CURRENCY else None
    state: PlannedState = "refuse" if faults else "make"
    return replace(
        planned,
        state=state,
        estimate=estimate,
        most_cost=most + (spoken or 0),
        most_video_cost=most,
        faults=faults,
    )


def _faults(
    planned: PlannedVideo, presenter: Presenter, estimate: VideoEstimate, limit: Decimal | None
) -> Iterator[Fault]:
    line, column = planned.row.line, "audio" if planned.row.audio else "text"
    for problem, remedy in presenter.problems:
        yield Fault(line=line, column="video", value=problem, remedy=remedy)
    if planned.in_pieces:
        yield from _faults_of_pieces(line, column)
    for seconds in (seconds for _, seconds in planned.speeches if seconds is not None):
        if not AUDIO_SECONDS.allows(seconds):
            yield Fault(
                line=line,
                column=column,
                value=f"its speech takes {seconds:g} s",
                limit=AUDIO_SECONDS.range,
                remedy="Lengthen the script." if seconds < (AUDIO_SECONDS.low or 0) else "Shorten the script.",
            )
    if limit is not None and estimate.cost.exact and estimate.cost.cost + planned.paid_before > limit:
        yield Fault(
            line=line,
            column=column,
            value=f"the video costs {estimate.cost}",
            limit=f"at most {limit} (max_cost_per_video)",
            remedy="Shorten the script, or raise the limit.",
        )


def _faults_of_pieces(line: int, column: str) -> Iterator[Fault]:
    try:
        require_extra("media", part="A video of several pieces")
    except ConfigurationError as error:
        yield Fault(line=line, column=column, value=error.message, remedy=error.remedy)


def _owned(row: VideoRow, owner: object) -> Fault:
    """The fault of a row that would replace a video of another batch, which would then be made and paid for again."""
    return Fault(
        line=row.line,
        column="destination",
        value=f"a video of the batch {shown(owner)} is there",
        remedy="Give another name or destination, or set batch to that name if it is the same batch.",
    )


def total_cost(planned: Sequence[PlannedVideo]) -> Decimal:
    """The most that all videos to make can cost."""
    return sum((one.most_cost for one in planned if one.state == "make"), Decimal(0))
