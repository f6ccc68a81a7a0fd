"""Makes one video of a planned batch: its speech, and its render job."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import XComArg

from airflow_provider_videoretalk.airflow_adapters.error_note import error_noted
from airflow_provider_videoretalk.batches.pieces import PARTS_FIELD, PIECE_FIELD
from airflow_provider_videoretalk.batches.plan_file import RUN_FIELD, RowReference, RowToMake, plan_name, read_row
from airflow_provider_videoretalk.batches.recipe import (
    RecordingRecipe,
    is_made_again,
)
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.catalog import price_of
from airflow_provider_videoretalk.model_catalog.talking_photo import TALKING_PHOTO_MODELS, with_check
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.operators.batch_sources import BatchSources, check_unchanged
from airflow_provider_videoretalk.operators.catalog_model import CatalogModelOperator
from airflow_provider_videoretalk.operators.destination_path import open_destination
from airflow_provider_videoretalk.operators.job_submission import record_store_of
from airflow_provider_videoretalk.operators.output_folder import OutputFolder
from airflow_provider_videoretalk.operators.photo_check import PhotoCheck
from airflow_provider_videoretalk.operators.recording_parts import RecordingParts
from airflow_provider_videoretalk.operators.row_outputs import (
    COST_KEY,
    DESTINATION_KEY,
    METADATA_KEY,
    cost_noted,
    metadata_of,
)
from airflow_provider_videoretalk.operators.speech_store import SpeechStore
from airflow_provider_videoretalk.operators.template_values import as_bool, as_int, as_mapping
from airflow_provider_videoretalk.operators.video_pieces import VideoPieces
from airflow_provider_videoretalk.optional_dependencies import require_extra
from airflow_provider_videoretalk.polling.trigger_event import awaited_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.inputs.job_inputs import JobInputs
    from airflow_provider_videoretalk.inputs.preflight_report import PreflightReport
    from airflow_provider_videoretalk.inputs.source import Source
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.model_catalog.model import Model
    from airflow_provider_videoretalk.model_catalog.price import Price
    from airflow_provider_videoretalk.submission.record import Intent

# The longest frame, as far as an estimate rounds it.
_FRAME_SECONDS = 0.07

_PLAN_AGAIN = "Clear the task that plans the batch: it prices the video anew. Its speech is kept."


class MakeVideoOperator(CatalogModelOperator):
    """Makes the video of one row that ``PlanVideosOperator`` returned, and returns the result of its render job.

    Map it over the rows::

        plan = PlanVideosOperator(task_id="plan", table="s3://aws_default@scripts/spring.csv", folder=FOLDER)
        MakeVideoOperator.partial(task_id="make", folder=FOLDER, deferrable=True).expand(row=plan.output)

    The speech is made when its render job is about to be submitted, and is kept below ``folder``, where it does not
    expire. A speech of the same script, language, voice and model that is there is not paid for again. A retry or a
    clear finds the render job of the same row, as
    :class:`~airflow_provider_videoretalk.operators.videoretalk.VideoRetalkOperator` does.

    A row with a recording (``audio``) needs no speech. A row with a ``photo`` in place of a presenter video is made as
    :class:`~airflow_provider_videoretalk.operators.talking_photo.TalkingPhotoOperator` makes it, with its check.

    A script or a recording that takes longer than a render job may be is made in pieces, one after another, which are
    kept below ``folder`` and then joined. A retry or a clear makes the pieces that are missing. The result is that of
    the last piece, with the sums of all; ``video_url`` is ``None``, and ``video_location`` is the URI of the joined
    video. It needs the extra ``media``.

    A video whose price is higher than the plan says is not submitted. If the plan is cleared, a row that it does not
    make any more is skipped.

    XCom has, for ``PublishMediaOperator``:

    - ``videoretalk_metadata``: what the video is made of, by which the next plan knows it
    - ``videoretalk_destination``: the URI of the object

    :param row: One element of the plan's return value. (templated)
    :param folder: As of the plan. (templated)
    :param storage_conn_id: As of the plan. (templated)

    All other parameters are those of
    :class:`~airflow_provider_videoretalk.operators.catalog_model.CatalogModelOperator`. ``dry_run`` is the plan's.
    """

    catalog_entry: Model = VIDEORETALK
    # Whether a wait that ends on this worker is one of several.
    _makes_pieces = False
    template_fields: Sequence[str] = ("row", "folder", "storage_conn_id", *CatalogModelOperator.template_fields)

    def __init__(
        self,
        *,
        row: RowReference | XComArg,
        folder: str,
        storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.row = row
        self.folder = folder
        self.storage_conn_id = storage_conn_id

    @property
    def noted_row(self) -> object:
        return self.row

    def execute(self, context: Context) -> Any:
        with error_noted(context, self.row):
            if as_bool("dry_run", self.is_dry_run):
                raise InputError("dry_run is set, allowed is False", remedy="Set dry_run of PlanVideosOperator.")
            self._use_model()
            planned = self._planned(context)
            if planned.kept:
                raise AirflowSkipException("The plan keeps this row's video, or the table does not name it any more.")
            context["ti"].xcom_push(key=METADATA_KEY, value=metadata_of(planned, run=self._run_name))
            context["ti"].xcom_push(key=DESTINATION_KEY, value=planned.uri)
            if planned.in_pieces:
                return self._make_pieces(context)
            return cost_noted(context, super().execute(context))

    def execute_again(self, context: Context, event: dict[str, Any]) -> Any:
        with error_noted(context, self.row):
            self._use_model()
            self._makes_pieces = self._planned(context).in_pieces
            result = super().execute_again(context, event)
            return self._make_pieces(context, result) if self._makes_pieces else cost_noted(context, result)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        with error_noted(context, self.row):
            self._use_model()
            result = super().execute_complete(context, event)
            if self._makes_pieces:
                return result
            if not self._reference.get("in_pieces"):
                return cost_noted(context, result)
            self._planned(context)
            # Of another piece if the plan was cleared meanwhile.
            made = awaited_of(event).cost_estimate.get(PIECE_FIELD) == self._piece_name
            return self._make_pieces(context, result if made else None)

    @property
    def _reference(self) -> Mapping[str, Any]:
        return as_mapping("row", self.row)

    def _use_model(self) -> None:
        """A presenter's photo is rendered by a model of its own."""
        name = self._reference.get("photo_model")
        if name is not None:
            self.catalog_entry = TALKING_PHOTO_MODELS[name]
            self.model = name

    def _make_pieces(self, context: Context, result: Mapping[str, Any] | None = None) -> Any:
        """Makes the pieces that are missing, one after another, and joins all.

        :param result: of the current piece's render job, if that has ended
        """
        require_extra("media", part="A video of several pieces")
        if not self.wait_for_completion:
            raise InputError(
                "wait_for_completion is False, allowed is True for a video of several pieces",
                remedy="Leave it out: each piece begins where the one before it ends.",
            )
        pieces, self._makes_pieces = self._pieces, True
        if result is not None:
            pieces.keep(result)
        while pieces.current is not None:
            self.log.info("Makes %s", pieces.current.label)
            self._forget_inputs()
            pieces.keep(super().execute(context))
        joined = pieces.join()
        metadata = {**metadata_of(self._row_to_make, run=self._run_name), PARTS_FIELD: joined.pop(PARTS_FIELD)}
        context["ti"].xcom_push(key=METADATA_KEY, value=metadata)
        return cost_noted(context, joined)

    def _forget_inputs(self) -> None:
        """What is kept of the piece before."""
        self.__dict__.pop("_job_inputs", None)
        self._admission_note = {}

    @property
    def output_fields(self) -> Collection[str]:
        # Speeches and parts lie in the output folder. The presenter and the recording themselves are checked before.
        return ("audio_url", "video_url") if self._row_to_make.in_pieces else ("audio_url",)

    def identity(self) -> Mapping[str, Any]:
        # Not the speech: it is made after the ledger has been asked.
        if self._row_to_make.in_pieces:
            return {"model": self.model, PIECE_FIELD: self._piece_name}
        return {"model": self.model, "made_of": self._row_to_make.recipe.fields}

    def input_locations(self) -> Mapping[str, Any]:
        return self.identity()

    def prepare(self, intent: Intent) -> Intent:
        """Checks the presenter, and makes the speech if there is none.

        :raises InputError: the presenter or the recording has changed since the plan, or the job must not be submitted
        :raises AirflowSkipException: another run has published the video since the plan
        """
        self._skip_if_published()
        recipe = self._row_to_make.recipe
        check_unchanged("presenter", self._presenter, recipe.presenter)
        if isinstance(recipe.speech, RecordingRecipe):
            check_unchanged("recording", self._recording, recipe.speech.recording)
        if recipe.photo_model:
            # Before the speech is paid for.
            PhotoCheck.of(self, states=self._states, charges=self._check_charges).check(self._presenter)
        prepared = super().prepare(intent)
        if not self._row_to_make.in_pieces:
            return prepared
        return replace(prepared, cost_estimate={**prepared.cost_estimate, PIECE_FIELD: self._piece_name})

    def _skip_if_published(self) -> None:
        # Loads requests.
        from airflow_provider_videoretalk.publishing.publication import read_metadata

        row = self._row_to_make
        found = read_metadata(open_destination(row.uri, storage_conn_id=self._output_folder.storage_conn_id))
        if found is None or not is_made_again(found, row.recipe, replaces=row.replaces):
            return
        # What this run has published is only made again if a person cleared the task.
        if found.get(RUN_FIELD, self._run_name) != self._run_name:
            self._ti.xcom_push(key=COST_KEY, value={"kept": True})
            raise AirflowSkipException("Another run has published the video since the plan. Nothing was paid.")

    @property
    def _run_name(self) -> str:
        return plan_name(self._ti.dag_id, self._ti.run_id)

    def price(self) -> Price:
        # Not that of the inputs, which would make the speech.
        price = price_of(self.model, self.hook.prices, parameters=self._row_to_make.recipe.parameters)
        return with_check(price) if self._row_to_make.recipe.photo_model else price

    def job_inputs(self) -> JobInputs:
        location, seconds = self._speech()
        if self._row_to_make.recipe.photo_model:
            return self._photo_inputs(location, seconds)
        # Loads requests.
        from airflow_provider_videoretalk.inputs.retalk_inputs import RetalkInputs

        parameters, in_pieces = self._row_to_make.recipe.parameters, self._row_to_make.in_pieces
        inputs = RetalkInputs.from_locations(
            video=self._pieces.presenter_part(seconds) if in_pieces else self._presenter.location,
            audio=location,
            video_extension=in_pieces or as_bool("video_extension", parameters.get("video_extension")),
            query_face_threshold=as_int("query_face_threshold", parameters.get("query_face_threshold")),
            audio_seconds=seconds,
        )
        if in_pieces:
            return inputs
        # These have learned their version, which the result names.
        known = {"video_url": self._presenter} | ({"audio_url": self._recording} if self._row_to_make.audio else {})
        return replace(inputs, sources={**inputs.sources, **known})

    def _photo_inputs(self, speech: Location, seconds: float | None) -> JobInputs:
        # Loads requests.
        from airflow_provider_videoretalk.inputs.photo_inputs import photo_inputs
        from airflow_provider_videoretalk.inputs.source import source_of

        source = self._recording if self._row_to_make.audio else source_of("audio_url", speech)
        parameters = self._row_to_make.recipe.parameters
        return photo_inputs(
            model=self.catalog_entry,
            photo=self._presenter,
            speech=source,
            parameters=parameters,
            speech_seconds=seconds,
        )

    def _speech(self) -> tuple[Location, float | None]:
        """Where the speech of the job is, and its duration if it is known. It is paid for only if none is kept."""
        speech, *following = self._pieces.speeches if self._row_to_make.in_pieces else [self._row_to_make.recipe.speech]
        if not isinstance(speech, RecordingRecipe):
            return self._speeches.speech(speech)
        parts = RecordingParts(folder=self._output_folder, source=self._recording, access=self.hook.media_access)
        return parts.speech(speech, following=[part for part in following if isinstance(part, RecordingRecipe)])

    def _check(self, report: PreflightReport) -> None:
        super()._check(report)
        most, estimate = Decimal(self._row_to_make.most_cost), report.estimate
        if self._row_to_make.in_pieces:
            most -= self._pieces.paid - Decimal(self._row_to_make.paid_before)
        # Also a bound counts, except for the last frame of a presenter whose rate cannot be read again.
        seconds = estimate.seconds if estimate.exact else estimate.seconds - _FRAME_SECONDS
        if estimate.price.cost(seconds) > most:
            raise InputError(
                f"the video costs {estimate}, and the plan allows at most {most} {estimate.price.currency}",
                remedy=_PLAN_AGAIN,
            )

    @cached_property
    def _output_folder(self) -> OutputFolder:
        return OutputFolder.open(self.folder, storage_conn_id=self.storage_conn_id)

    def _planned(self, context: Context) -> RowToMake:
        number = as_int("row", self._reference.get("row"))
        self._ti = context["ti"]
        self._states = record_store_of(context, durable=self.durable)
        self._speech_charges = self.charges(context, "speech")
        self._check_charges = self.charges(context, "photo_check")
        self._row_to_make = read_row(self._output_folder.run(context), number)
        if self._row_to_make.planned_before and self.resume.on_clear == "adopt_unfinished":
            # Whoever clears the plan wants what is missing. A video that was made is only not published.
            self.resume = replace(self.resume, on_clear="reuse")
        if self._row_to_make.in_pieces:
            # The record is about one piece, and those that are made are kept.
            self.resume = replace(self.resume, on_clear="reuse", on_changed_input="submit")
        return self._row_to_make

    @cached_property
    def _pieces(self) -> VideoPieces:
        return VideoPieces(
            self._row_to_make, self._output_folder, presenter=self._presenter, access=self.hook.media_access
        )

    @property
    def _piece_name(self) -> str | None:
        return self._pieces.current.name if self._pieces.current else None

    @cached_property
    def _presenter(self) -> Source:
        field = "image_url" if self._row_to_make.recipe.photo_model else "video_url"
        return self._source(field, self._row_to_make.video)

    @cached_property
    def _recording(self) -> Source:
        return self._source("audio_url", self._row_to_make.audio or "")

    def _source(self, field: str, location: str) -> Source:
        access, log = self.hook.media_access, self.log.warning
        return BatchSources(allowed_sources=self.allowed_sources, access=access, log=log).source(field, location)

    @property
    def _speeches(self) -> SpeechStore:
        return SpeechStore(
            folder=self._output_folder,
            hook=self.hook,
            states=self._states,
            lives_for=self.queue_timeout,
            charges=self._speech_charges,
        )
