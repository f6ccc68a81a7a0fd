"""Makes one video of a planned batch: its speech, and its render job."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import XComArg

from airflow_provider_videoretalk.airflow_adapters.location_policy import LocationPolicy
from airflow_provider_videoretalk.batches.pieces import PARTS_FIELD, PIECE_FIELD
from airflow_provider_videoretalk.batches.plan_file import RUN_FIELD, RowReference, RowToMake, plan_name, read_row
from airflow_provider_videoretalk.batches.recipe import (
    SpeechRecipe,
    is_made_again,
    presenter_digest,
)
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.operators.catalog_model import CatalogModelOperator
from airflow_provider_videoretalk.operators.destination_path import open_destination
from airflow_provider_videoretalk.operators.job_submission import record_store_of
from airflow_provider_videoretalk.operators.output_folder import OutputFolder
from airflow_provider_videoretalk.operators.speech_store import SpeechStore
from airflow_provider_videoretalk.operators.template_values import as_bool, as_int, as_mapping
from airflow_provider_videoretalk.operators.video_pieces import VideoPieces
from airflow_provider_videoretalk.optional_dependencies import require_extra
from airflow_provider_videoretalk.outbound.signed_url import safe_text
from airflow_provider_videoretalk.polling.trigger_event import awaited_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.inputs.preflight_report import PreflightReport
    from airflow_provider_videoretalk.inputs.retalk_inputs import RetalkInputs
    from airflow_provider_videoretalk.submission.record import Intent

METADATA_KEY = "videoretalk_metadata"
"""The XCom key of what the video is made of, for ``metadata`` of ``PublishMediaOperator``."""

DESTINATION_KEY = "videoretalk_destination"
"""The XCom key of the URI at which the video is to be published."""

COST_KEY = "videoretalk_cost"
"""The XCom key of what the video did cost, small enough to be read for each row of a batch; or ``{"kept": true}``."""

ERROR_KEY = "videoretalk_error"
"""The XCom key of the error with which the row's task failed, for the manifest."""

# Of an error in XCom. All rows together are read at once.
_MAX_MESSAGE = 1_000

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

    A script that takes longer than a render job may be is made in pieces, one after another, which are kept below
    ``folder`` and then joined. A retry or a clear makes the pieces that are missing. The result is that of the last
    piece, with the sums of all; ``video_url`` is ``None``, and ``video_location`` is the URI of the joined video. It
    needs the extra ``media``.

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

    catalog_entry = VIDEORETALK
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

    def execute(self, context: Context) -> Any:
        with self._error_noted(context):
            if as_bool("dry_run", self.is_dry_run, default=False):
                raise InputError("dry_run is set, allowed is False", remedy="Set dry_run of PlanVideosOperator.")
            planned = self._planned(context)
            if planned.kept:
                raise AirflowSkipException("The plan keeps this row's video, or the table does not name it any more.")
            context["ti"].xcom_push(key=METADATA_KEY, value=_metadata(planned, run=self._run_name))
            context["ti"].xcom_push(key=DESTINATION_KEY, value=planned.uri)
            if planned.in_pieces:
                return self._make_pieces(context)
            return _cost_noted(context, super().execute(context))

    def execute_again(self, context: Context, event: dict[str, Any]) -> Any:
        with self._error_noted(context):
            self._makes_pieces = self._planned(context).in_pieces
            result = super().execute_again(context, event)
            return self._make_pieces(context, result) if self._makes_pieces else _cost_noted(context, result)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        with self._error_noted(context):
            result = super().execute_complete(context, event)
            if self._makes_pieces:
                return result
            if not as_mapping("row", self.row).get("in_pieces"):
                return _cost_noted(context, result)
            self._planned(context)
            # Of another piece if the plan was cleared meanwhile.
            made = awaited_of(event).cost_estimate.get(PIECE_FIELD) == self._piece_name
            return self._make_pieces(context, result if made else None)

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
        metadata = {**_metadata(self._row_to_make, run=self._run_name), PARTS_FIELD: joined.pop(PARTS_FIELD)}
        context["ti"].xcom_push(key=METADATA_KEY, value=metadata)
        return _cost_noted(context, joined)

    def _forget_inputs(self) -> None:
        """What is kept of the piece before."""
        self.__dict__.pop("_job_inputs", None)
        self._admission_note = {}

    @property
    def output_fields(self) -> Collection[str]:
        # The part of a presenter lies in the output folder. The presenter itself is checked before.
        return ("audio_url", "video_url") if self._row_to_make.in_pieces else ("audio_url",)

    def identity(self) -> Mapping[str, Any]:
        # Not the speech: it is made after the ledger has been asked.
        made_of = {"model": self.model, "made_of": self._row_to_make.recipe.fields}
        return {**made_of, PIECE_FIELD: self._piece_name} if self._row_to_make.in_pieces else made_of

    def input_locations(self) -> Mapping[str, Any]:
        return self.identity()

    def prepare(self, intent: Intent) -> Intent:
        """Checks the presenter, and makes the speech if there is none.

        :raises InputError: the presenter is another one than the plan saw, or the job must not be submitted
        :raises AirflowSkipException: another run has published the video since the plan
        """
        self._skip_if_published()
        source = self._presenter.content_identity()
        if presenter_digest(source) != self._row_to_make.recipe.presenter:
            raise InputError(
                f"the presenter at {self._presenter.description} has changed since the plan, allowed is the same",
                remedy="Clear the task that plans the batch.",
            )
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

    def job_inputs(self) -> RetalkInputs:
        # Loads requests.
        from airflow_provider_videoretalk.inputs.retalk_inputs import RetalkInputs

        location, seconds = self._speeches.speech(self._speech_recipe)
        parameters, in_pieces = self._row_to_make.recipe.parameters, self._row_to_make.in_pieces
        inputs = RetalkInputs.from_locations(
            video=self._pieces.presenter_part(seconds) if in_pieces else self._presenter.location,
            audio=location,
            video_extension=in_pieces or as_bool("video_extension", parameters.get("video_extension")),
            query_face_threshold=as_int("query_face_threshold", parameters.get("query_face_threshold")),
            audio_seconds=seconds,
        )
        # The other one has learned the presenter's version, which the result names.
        return inputs if in_pieces else replace(inputs, sources={**inputs.sources, "video_url": self._presenter})

    def _check(self, report: PreflightReport) -> None:
        super()._check(report)
        most, estimate = Decimal(self._row_to_make.most_cost), report.estimate
        if self._row_to_make.in_pieces:
            most -= self._pieces.paid - Decimal(self._row_to_make.paid_before)
        # Also a bound counts, except for the last frame of a presenter whose rate cannot be read again.
        seconds = estimate.seconds if estimate.exact else max(estimate.seconds - _FRAME_SECONDS, 0)
        if estimate.price.cost(seconds) > most:
            raise InputError(
                f"the video costs {estimate}, and the plan allows at most {most} {estimate.price.currency}",
                remedy=_PLAN_AGAIN,
            )

    @cached_property
    def _output_folder(self) -> OutputFolder:
        return OutputFolder.open(self.folder, storage_conn_id=self.storage_conn_id)

    def _planned(self, context: Context) -> RowToMake:
        number = as_int("row", as_mapping("row", self.row).get("row"))
        self._ti = context["ti"]
        self._states = record_store_of(context, durable=self.durable)
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

    @property
    def _speech_recipe(self) -> SpeechRecipe:
        in_pieces = self._row_to_make.in_pieces
        return self._pieces.required.speech if in_pieces else self._row_to_make.recipe.speech

    @cached_property
    def _presenter(self) -> Any:
        # Loads requests.
        from airflow_provider_videoretalk.inputs.source import source_of

        source = source_of("video_url", self.location("video_url", self._row_to_make.video))
        LocationPolicy(setting="allowed_sources", own=self.allowed_sources).check("video_url", source.location)
        return source

    @property
    def _speeches(self) -> SpeechStore:
        return SpeechStore(
            folder=self._output_folder, hook=self.hook, states=self._states, lives_for=self.queue_timeout
        )

    @contextmanager
    def _error_noted(self, context: Context) -> Iterator[None]:
        """Pushes an error, by which the manifest says why there is no video."""
        try:
            yield
        except AirflowSkipException:
            raise
        except Exception as error:
            cause = error if isinstance(error, DashScopeError) else error.__cause__
            known = cause if isinstance(cause, DashScopeError) else None
            noted = {
                "row": self.row.get("row") if isinstance(self.row, Mapping) else None,
                "code": (known.code if known else "") or type(known or error).__name__,
                "message": safe_text((known.message if known else str(error))[:_MAX_MESSAGE]),
                "remedy": safe_text((known.remedy if known else "")[:_MAX_MESSAGE]),
            }
            context["ti"].xcom_push(key=ERROR_KEY, value=noted)
            raise


def _cost_noted(context: Context, result: Any) -> Any:
    """The result of the render job. Pushes what it did cost, by which the batch page adds up the costs of all rows."""
    if result.get("video_url") or result.get("video_location"):
        noted = {name: result.get(name) for name in ("billed_seconds", "cost", "currency")}
        context["ti"].xcom_push(key=COST_KEY, value=noted)
    return result


def _metadata(planned: RowToMake, *, run: str) -> dict[str, Any]:
    """The fields of the video's metadata file. The next plan compares them."""
    return {
        RUN_FIELD: run,
        "name": planned.name,
        "label": planned.label,
        "batch": planned.batch,
        **planned.recipe.fields,
    }
