"""Plans a batch of videos from a table."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_provider_videoretalk.airflow_adapters.error_note import notes_error
from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_rendered_urls, mask_urls
from airflow_provider_videoretalk.batches.plan import plan_videos
from airflow_provider_videoretalk.batches.plan_document import plan_document, report, summary
from airflow_provider_videoretalk.batches.plan_file import (
    numbers_of,
    plan_path,
    read_earlier_rows,
    references,
    remove_document,
    rows_to_make,
    write_document,
    write_rows,
)
from airflow_provider_videoretalk.batches.plan_rows import ROWS_KEY, rows_for_xcom
from airflow_provider_videoretalk.batches.planned_video import BatchSettings, PlannedVideo
from airflow_provider_videoretalk.batches.prune import find_unused
from airflow_provider_videoretalk.batches.speaking_time import speaking_rate
from airflow_provider_videoretalk.batches.table import VideoTable, read_table
from airflow_provider_videoretalk.batches.table_text import Fault
from airflow_provider_videoretalk.links import BatchLink
from airflow_provider_videoretalk.model_catalog.speech import DEFAULT_MODEL
from airflow_provider_videoretalk.model_catalog.videoretalk import DEFAULT_FACE_THRESHOLD
from airflow_provider_videoretalk.operators.batch_settings import batch_settings, photo_settings, video_settings
from airflow_provider_videoretalk.operators.batch_sources import BatchSources
from airflow_provider_videoretalk.operators.output_folder import OutputFolder, place_rows
from airflow_provider_videoretalk.operators.plan_limits import check_plan
from airflow_provider_videoretalk.operators.render_forecast import render_seconds
from airflow_provider_videoretalk.operators.template_values import (
    as_bool,
    as_mapping,
    as_optional_amount,
    as_optional_text,
    as_text,
    check_word,
)
from airflow_provider_videoretalk.publishing.object_name import object_key

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.batches.plan_file import RowReference, RowToMake
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
    from airflow_provider_videoretalk.inputs.face_check import FaceCheck
    from airflow_provider_videoretalk.model_catalog.talking_photo import TalkingPhotoModelName

PLAN_KEY = "videoretalk_plan"
"""The key of the plan's sums in XCom."""

Prune = Literal["off", "list", "remove"]
"""What to do about videos of the batch that the table does not name any more."""

_OTHER_NAME = "Give the row another name or destination: the video would replace it."
# From the beginning of a word, so that a long word without a URL is read once.
# A comma or semicolon may be part of a URL, or end its cell.
_URL, _URL_IN_CELL = (re.compile(rf"""(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]+://[^\s"'<>|{ends}]+""") for ends in ("", ",;"))


class PlanVideosOperator(BaseOperator):
    """Reads a table of videos, and plans which have to be made. Submits nothing, and pays nothing.

    The table has a row for each video. Its columns, all but one of ``text``, ``text_location`` and ``audio`` optional:

    - ``name``: of the video. Defaults to the first words of its script
    - ``text``: the script; or ``text_location``: where it is, as a text in UTF-8
    - ``audio``: location of a recording in place of a speech. The script is then for subtitles only
    - ``language`` and ``voice``: as ``TextToSpeechOperator`` takes them
    - ``video``: location of the presenter; or ``photo``: location of a photo of the presenter, which is made to speak
    - ``destination``: a path below ``folder``, or the URI of an object. Defaults to ``<name>-<language>.mp4``

    A video is kept if its metadata file says that it was made from the same script, language, voice, speech model,
    recording, presenter and parameters. All others are to be made.

    Returns the rows to make, for ``MakeVideoOperator.partial(...).expand(row=plan.output)``. XCom
    ``videoretalk_plan`` has the sums: ``plan_uri``, ``counts``, ``most_cost``, ``currency``, ``ready_at``, ``report``.
    The document at ``plan_uri`` has all rows. XCom ``videoretalk_rows`` has them in short, for the batch page.

    :param table: The table itself, or its location. CSV, TSV, JSON Lines or XLSX, of at most 5,000 rows. (templated)
    :param folder: URI of the folder of the videos, with a slash at its end. (templated)
    :param batch: Name of the batch. Videos of other batches are neither replaced nor removed. Defaults to the DAG's id.
        (templated)
    :param defaults: Values of empty cells, by column. (templated)
    :param speech_model: See ``TextToSpeechOperator``. (templated)
    :param speech_options: Further fields of the speech request's ``input``. (templated)
    :param video_extension: See ``VideoRetalkOperator``. (templated)
    :param query_face_threshold: See ``VideoRetalkOperator``. (templated)
    :param photo_model: See ``model`` of ``TalkingPhotoOperator``. (templated)
    :param face_check: ``refuse`` looks at the face of each presenter, and refuses the rows of one that cannot be
        lip-synced. ``warn`` only logs that. ``off`` (default) reads no frame. Needs the extra ``faces``. (templated)
    :param max_cost: Highest cost of the batch, in the currency of the price. Defaults to no limit. (templated)
    :param max_cost_per_video: Highest cost of one video. A video whose cost is only known when its speech is made is
        counted with this cost at most, and not submitted above it. Defaults to no limit. (templated)
    :param skip_bad_rows: If True, rows with faults are left out. By default a fault refuses the batch. (templated)
    :param force: If True, makes also the videos that are there already. (templated)
    :param prune: ``list`` lists the videos of this batch in ``folder`` that the table does not name. ``remove`` lets
        ``WriteManifestOperator`` remove them at the end of a run with all videos. ``off`` (default) does not look.
        (templated)
    :param dry_run: If True, returns no rows to make. (templated, as ``is_dry_run``)
    :param allowed_sources: Where table, scripts and presenters may be. It narrows ``[videoretalk] allowed_sources`` of
        Airflow's configuration. (templated)
    :param allowed_destinations: Where videos may be published. It narrows ``[videoretalk] allowed_destinations``.
        (templated)
    :param storage_conn_id: The Airflow connection of the stores, if a URI does not name one. (templated)
    :param dashscope_conn_id: The Airflow connection of type ``dashscope``, for its prices. (templated)
    :raises AirflowFailException: rows have faults, or the batch costs too much
    :raises InputError: there is no table, or a parameter is not usable
    :raises TransportError: a store cannot be read
    """

    template_fields: Sequence[str] = (
        "table",
        "folder",
        "batch",
        "defaults",
        "speech_model",
        "speech_options",
        "video_extension",
        "query_face_threshold",
        "photo_model",
        "face_check",
        "max_cost",
        "max_cost_per_video",
        "skip_bad_rows",
        "force",
        "prune",
        "is_dry_run",
        "allowed_sources",
        "allowed_destinations",
        "storage_conn_id",
        "dashscope_conn_id",
    )
    operator_extra_links = (BatchLink(),)

    def __init__(
        self,
        *,
        table: str,
        folder: str,
        batch: str | None = None,
        defaults: Mapping[str, str | None] | None = None,
        speech_model: str = DEFAULT_MODEL,
        speech_options: Mapping[str, Any] | None = None,
        video_extension: bool | str = True,
        query_face_threshold: int | str = DEFAULT_FACE_THRESHOLD,
        photo_model: TalkingPhotoModelName | str = "liveportrait",
        face_check: FaceCheck | str = "off",
        max_cost: float | str | None = None,
        max_cost_per_video: float | str | None = None,
        skip_bad_rows: bool | str = False,
        force: bool | str = False,
        prune: Prune | str = "off",
        dry_run: bool | str = False,
        allowed_sources: Sequence[str] | str | None = None,
        allowed_destinations: Sequence[str] | str | None = None,
        storage_conn_id: str | None = None,
        dashscope_conn_id: str = "dashscope_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.folder = folder
        self.batch = batch
        self.defaults = defaults
        self.speech_model = speech_model
        self.speech_options = speech_options
        self.video_extension = video_extension
        self.query_face_threshold = query_face_threshold
        self.photo_model = photo_model
        self.face_check = face_check
        self.max_cost = max_cost
        self.max_cost_per_video = max_cost_per_video
        self.skip_bad_rows = skip_bad_rows
        self.force = force
        self.prune = prune
        self.is_dry_run = dry_run
        self.allowed_sources = allowed_sources
        self.allowed_destinations = allowed_destinations
        self.storage_conn_id = storage_conn_id
        self.dashscope_conn_id = dashscope_conn_id

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        super()._do_render_template_fields(*args, **kwargs)
        mask_rendered_urls(self)
        text = str(self.table)
        mask_urls([*_URL.findall(text), *_URL_IN_CELL.findall(text)])

    @notes_error
    def execute(self, context: Context) -> list[RowReference]:
        prune = as_text("prune", self.prune)
        check_word("prune", prune, ("off", "list", "remove"))
        max_cost = as_optional_amount("max_cost", self.max_cost)
        self._settings = self._batch_settings(context)
        folder = OutputFolder.open(
            self.folder, storage_conn_id=self.storage_conn_id, allowed_destinations=self.allowed_destinations
        )
        run = folder.run(context)
        # Should this plan fail, the manifest must not take an earlier one of the run for it.
        remove_document(plan_path(run))
        table = read_table(
            self._sources.table(self.table),
            defaults=as_mapping("defaults", self.defaults or {}),
            speech_model=self._settings.speech_model,
            speaking_rate=speaking_rate(self._settings.speech_options),
            read_text=self._sources.script,
        )
        planned, faults, named = self._plan(table, folder)
        bad = bool(faults) or any(one.state == "refuse" for one in planned)
        unused = [] if prune == "off" or bad else self._unused(folder, named, context)
        earlier = read_earlier_rows(run)
        uris = self._uris(planned)
        numbers = numbers_of(planned, uris=uris, earlier=earlier)
        document = self._document(planned, numbers, faults, unused, prune=prune, context=context)
        rows = rows_to_make(planned, batch=document["batch"], uris=uris, numbers=numbers, earlier=earlier)
        document["rows"] = len(rows)
        self._write(run, document, planned, rows, context)
        found = references(rows)
        check_plan(
            document,
            planned,
            faults,
            max_cost=max_cost,
            skip_bad_rows=as_bool("skip_bad_rows", self.skip_bad_rows, default=False),
            tasks=len(found),
        )
        return [] if document["dry_run"] else found

    @cached_property
    def _hook(self) -> DashScopeHook:
        # Loads requests.
        from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

        return DashScopeHook(self.dashscope_conn_id)

    @cached_property
    def _sources(self) -> BatchSources:
        face_check = as_optional_text("face_check", self.face_check) or "off"
        check_word("face_check", face_check, ("off", "warn", "refuse"))
        return BatchSources(
            allowed_sources=self.allowed_sources,
            access=self._hook.media_access,
            log=self.log.warning,
            face_check=face_check,
        )

    def _batch_settings(self, context: Context) -> BatchSettings:
        prices = self._hook.prices
        video = video_settings(
            video_extension=self.video_extension, query_face_threshold=self.query_face_threshold, prices=prices
        )
        return batch_settings(
            batch=self._batch(context),
            speech_model=self.speech_model,
            speech_options=self.speech_options,
            video=video,
            photo=photo_settings(photo_model=self.photo_model, prices=prices),
            max_cost_per_video=self.max_cost_per_video,
            force=self.force,
        )

    def _plan(self, table: VideoTable, folder: OutputFolder) -> tuple[list[PlannedVideo], list[Fault], set[str]]:
        """The rows that could be read, as planned, the faults of the others, and the keys of all objects in use."""
        placed, faults = place_rows(table, folder)
        presenters = self._sources.presenters(row.video for row, _ in placed if not row.is_photo)
        photos = self._sources.photos(
            (row.video for row, _ in placed if row.is_photo), model=self._settings.photo.model
        )
        clips = {one.key for one in (*presenters.values(), *photos.values()) if one.key is not None}
        used = {row.line for row, path in placed if object_key(path) in clips}
        value = "it is a presenter of the table"
        faults += [Fault(line=line, column="destination", value=value, remedy=_OTHER_NAME) for line in sorted(used)]
        planned = plan_videos(
            [(row, path) for row, path in placed if row.line not in used],
            settings=self._settings,
            presenters=presenters,
            photos=photos,
            recordings=self._sources.recordings((row.audio for row, _ in placed if row.audio), folder=folder),
            speech_store=folder.speech,
            piece_store=folder.piece,
        )
        return planned, faults, clips | {object_key(path) for _, path in placed}

    def _unused(self, folder: OutputFolder, named: Collection[str], context: Context) -> list[str]:
        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of

        return [uri_of(path) for path in find_unused(folder.path, batch=self._batch(context), named=named)]

    def _batch(self, context: Context) -> str:
        return as_optional_text("batch", self.batch) or str(context["ti"].dag_id)

    def _document(
        self,
        planned: Sequence[PlannedVideo],
        numbers: Sequence[int | None],
        faults: Sequence[Fault],
        unused: Sequence[str],
        *,
        prune: str,
        context: Context,
    ) -> dict[str, Any]:
        ti = context["ti"]
        return plan_document(
            planned,
            uris=self._uris(planned),
            numbers=numbers,
            faults=faults,
            unused=unused,
            render_seconds=render_seconds(self.log.warning),
            now=datetime.now(timezone.utc),
            batch=self._batch(context),
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            dry_run=as_bool("dry_run", self.is_dry_run),
            prune=prune,
            currency=self._settings.currency,
        )

    def _uris(self, planned: Sequence[PlannedVideo]) -> list[str]:
        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of

        return [uri_of(one.destination) for one in planned]

    def _write(
        self,
        run: Any,
        document: Mapping[str, Any],
        planned: Sequence[PlannedVideo],
        rows: Sequence[RowToMake],
        context: Context,
    ) -> None:
        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of

        write_rows(run, rows)
        write_document(plan_path(run), document)
        sums = {name: value for name, value in document.items() if name not in ("videos", "unused")}
        sums |= {"plan_uri": uri_of(plan_path(run)), "report": report(document)}
        context["ti"].xcom_push(key=PLAN_KEY, value=sums)
        context["ti"].xcom_push(key=ROWS_KEY, value=rows_for_xcom(document, planned, plan_uri=sums["plan_uri"]))
        self.log.info("The plan is at %s: %s", sums["plan_uri"], summary(document))
        for uri in document["unused"]:
            self.log.info("The table does not name %s", uri)
