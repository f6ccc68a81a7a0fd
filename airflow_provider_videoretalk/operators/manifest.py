"""Writes what became of a batch of videos, and fails if videos are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import BaseOperator

from airflow_provider_videoretalk.airflow_adapters.error_note import ERROR_KEY, notes_error
from airflow_provider_videoretalk.batches.manifest import WITHOUT_VIDEO, as_csv, manifest_document
from airflow_provider_videoretalk.batches.plan_file import plan_path, read_document, read_rows, write_document
from airflow_provider_videoretalk.batches.prune import remove_video
from airflow_provider_videoretalk.dashscope.errors import InputError, StateReadError
from airflow_provider_videoretalk.links import BatchLink
from airflow_provider_videoretalk.operators.destination_path import open_destination
from airflow_provider_videoretalk.operators.output_folder import OutputFolder
from airflow_provider_videoretalk.operators.template_values import as_int
from airflow_provider_videoretalk.publishing.object_store import store_errors_named, write_object
from airflow_provider_videoretalk.publishing.publication import read_metadata

if TYPE_CHECKING:
    from airflow.sdk import Context

MANIFEST_KEY = "videoretalk_manifest"
"""The key of the manifest's sums in XCom."""

_NAMED = 10
_MAX_READERS = 16


class WriteManifestOperator(BaseOperator):
    """Writes the manifest of a batch, whatever became of its videos. Make it the last task of the DAG.

    The manifest is beside the plan, as ``manifest.json`` and ``manifest.csv``. It has a row for each row of the table:
    ``line``, ``name``, ``language``, ``state``, ``uri``, ``seconds``, ``cost``, ``currency``, ``code``, ``problem``,
    ``remedy``. The states are :data:`~airflow_provider_videoretalk.batches.manifest.ManifestState`. Whether there is a
    video is read from the store.

    XCom ``videoretalk_manifest`` has the sums: ``manifest_uri``, ``csv_uri``, ``counts``, ``cost``, ``currency``.

    If no video is missing and ``prune`` of the plan is ``remove``, the videos that the table does not name are removed.

    :param folder: As of the plan. (templated)
    :param make_task_id: Id of the mapped ``MakeVideoOperator``, whose errors the manifest has.
    :param review_task_id: Id of the mapped ``ReviewVideoOperator``, if there is one: the manifest says what was sent
        back.
    :param tolerate: How many videos may be missing. The task fails if more are. (templated)
    :param storage_conn_id: As of the plan. (templated)
    :raises AirflowFailException: videos are missing, or there is no plan
    :raises TransportError: the store failed
    """

    template_fields: Sequence[str] = ("folder", "tolerate", "storage_conn_id")
    operator_extra_links = (BatchLink(),)

    def __init__(
        self,
        *,
        folder: str,
        make_task_id: str,
        review_task_id: str | None = None,
        tolerate: int | str = 0,
        storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"trigger_rule": "all_done", **kwargs})
        self.folder = folder
        self.make_task_id = make_task_id
        self.review_task_id = review_task_id
        self.tolerate = tolerate
        self.storage_conn_id = storage_conn_id

    @notes_error
    def execute(self, context: Context) -> dict[str, Any]:
        folder = OutputFolder.open(self.folder, storage_conn_id=self.storage_conn_id)
        run = folder.run(context)
        try:
            plan = read_document(plan_path(run))
        except StateReadError as error:
            raise AirflowFailException(
                f"There is no plan: see the task that plans the batch. {error.message}"
            ) from None
        manifest = self._manifest(plan, run, context)
        missing = [video for video in manifest["videos"] if video["state"] in WITHOUT_VIDEO]
        if plan["prune"] == "remove" and not missing and not plan["dry_run"]:
            manifest["removed"] = self._remove(plan, folder)
        sums = self._write(run, manifest)
        context["ti"].xcom_push(key=MANIFEST_KEY, value=sums)
        # Not before: whatever it is, the manifest says what became of the videos.
        tolerate = self._tolerated()
        if len(missing) > tolerate and not plan["dry_run"]:
            raise AirflowFailException(_named(missing, len(manifest["videos"]), tolerate, sums["manifest_uri"]))
        return sums

    def _tolerated(self) -> int:
        tolerate = as_int("tolerate", self.tolerate, default=0)
        if tolerate < 0:
            raise InputError(f"tolerate is {tolerate}, allowed is 0 or more", remedy="Set it to a number of videos.")
        return tolerate

    def _manifest(self, plan: Mapping[str, Any], run: Any, context: Context) -> dict[str, Any]:
        rows = read_rows(run, plan["rows"])

        def published(uri: str) -> Mapping[str, Any] | None:
            # A URI of the plan names its connection.
            return read_metadata(open_destination(uri))

        with ThreadPoolExecutor(_MAX_READERS) as pool:
            found = [] if plan["dry_run"] else list(pool.map(published, (row.uri for row in rows)))
        return manifest_document(plan, rows=rows, published=found, errors=self._errors(context))

    def _errors(self, context: Context) -> dict[int, Mapping[str, Any]]:
        found: list[Any] = []
        for task_id in filter(None, (self.make_task_id, self.review_task_id)):
            pulled = context["ti"].xcom_pull(task_ids=task_id, key=ERROR_KEY)
            # Without mapped tasks there is none, and of a single one its value.
            found += pulled if isinstance(pulled, Sequence) else [pulled]
        errors = [error for error in found if isinstance(error, Mapping)]
        return {error["row"]: error for error in errors if isinstance(error.get("row"), int)}

    def _remove(self, plan: Mapping[str, Any], folder: OutputFolder) -> list[str]:
        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of

        # Whoever can write the plan must not choose what is removed elsewhere. Its URIs name their connection.
        allowed = [uri_of(folder.path)]
        paths = [open_destination(uri, allowed_destinations=allowed) for uri in plan["unused"]]
        removed = []
        for uri, path in zip(plan["unused"], paths, strict=True):
            if remove_video(path, batch=plan["batch"], planned_at=plan["planned_at"]):
                removed.append(uri)
                self.log.info("Removed %s, which the table does not name", uri)
            else:
                self.log.info("Left %s, which is no video of this batch, or is newer than the plan", uri)
        return removed

    def _write(self, run: Any, manifest: Mapping[str, Any]) -> dict[str, Any]:
        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of

        write_document(run / "manifest.json", manifest)
        table = run / "manifest.csv"
        with store_errors_named(table):
            write_object(table, as_csv(manifest), content_type="text/csv; charset=utf-8")
        sums = {name: value for name, value in manifest.items() if name not in ("videos", "removed")}
        sums |= {"manifest_uri": uri_of(run / "manifest.json"), "csv_uri": uri_of(table)}
        self.log.info("The manifest is at %s: %s", sums["csv_uri"], sums["counts"])
        return sums


def _named(missing: Sequence[Mapping[str, Any]], rows: int, tolerate: int, uri: str) -> str:
    names = [
        f"{video['name'] or 'line ' + str(video['line'])} ({video['code'] or video['state']})" for video in missing
    ]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"{len(missing)} of {rows} videos are missing, allowed are {tolerate} (tolerate): "
        f"{', '.join(names[:_NAMED])}{more}. The manifest has the cause and the remedy of each: {uri}. "
        "Another run makes these only."
    )
