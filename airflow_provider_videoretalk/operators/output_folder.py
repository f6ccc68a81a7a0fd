"""The folder of a batch: its videos, the speeches that were paid for, and a folder for each run's plan and manifest."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.batches.pieces import PIECES
from airflow_provider_videoretalk.batches.plan_file import FOLDER, SPEECHES, plan_name
from airflow_provider_videoretalk.batches.table import VideoRow, VideoTable, refuse_repeated
from airflow_provider_videoretalk.batches.table_text import Fault, shown
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.operators.destination_path import open_destination
from airflow_provider_videoretalk.operators.template_values import as_optional_text, as_text
from airflow_provider_videoretalk.outbound.signed_url import safe_text
from airflow_provider_videoretalk.publishing.atomic_object import Destination, is_local
from airflow_provider_videoretalk.publishing.object_name import object_in_folder, object_key

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

SUFFIX = ".mp4"
"""Of every video."""

MAX_PART_BYTES, MAX_PATH_BYTES = 250, 1_000
"""Most bytes in UTF-8 of a part of a destination, and of all of it. A metadata file has a suffix besides."""

_REMEDY = "Leave it empty, or name it as spring/welcome.mp4."
_NOT_IN_PATHS = re.compile(r'[\\:*?"<>|#%{}\[\]]')


@dataclass(frozen=True, kw_only=True)
class OutputFolder:
    """
    :param path: of the folder, in a store that can be opened
    :param storage_conn_id: the connection of the stores, if a URI names none
    :param allowed_destinations: of the operator
    """

    path: Any
    storage_conn_id: str | None = None
    allowed_destinations: object = None

    @classmethod
    def open(
        cls,
        folder: object,
        *,
        storage_conn_id: object = None,
        allowed_destinations: object = None,
        field: str = "folder",
    ) -> OutputFolder:
        """
        :param folder: URI of a folder, with a slash at its end
        :param field: that names it, for messages
        :raises InputError: it is not allowed, or no folder
        :raises ConfigurationError: its store cannot be opened
        """
        uri = as_text(field, folder).strip()
        if not uri.endswith("/"):
            raise InputError(
                f"{field} is {uri!r}, allowed is the URI of a folder",
                remedy="End it with a slash, as s3://bucket/videos/.",
            )
        conn_id = as_optional_text("storage_conn_id", storage_conn_id)
        path = open_destination(uri, storage_conn_id=conn_id, allowed_destinations=allowed_destinations, field=field)
        return cls(path=path, storage_conn_id=conn_id, allowed_destinations=allowed_destinations)

    def run(self, context: Mapping[str, Any]) -> ObjectStoragePath:
        """The folder of the DAG run's plan and manifest."""
        ti = context["ti"]
        return self._inside(FOLDER, plan_name(ti.dag_id, ti.run_id))

    def speech(self, name: str) -> ObjectStoragePath:
        """The object of a speech."""
        return self._inside(SPEECHES, name)

    def piece(self, name: str) -> ObjectStoragePath:
        """The object of a piece of a video."""
        return self._inside(PIECES, name)

    def video(self, row: VideoRow) -> ObjectStoragePath:
        """The object that a row becomes.

        :raises InputError: its destination is not allowed, or is no name of a video
        :raises ConfigurationError: its store cannot be opened
        """
        destination = row.destination or ""
        name = destination + row.file_name if not destination or destination.endswith("/") else destination
        if not name.endswith(SUFFIX):
            raise _refusal(name, f"a name that ends with {SUFFIX}")
        if "://" in name or name.startswith("/"):
            path = self._elsewhere(name)
        else:
            path = self._below(unicodedata.normalize("NFC", name))
        self._check(name, path)
        return path

    def _elsewhere(self, name: str) -> ObjectStoragePath:
        if name.lower().startswith(("http://", "https://")):
            # A video that was paid for could not be published there.
            raise _refusal(name, "an object in a store, or a file")
        return open_destination(
            name, storage_conn_id=self.storage_conn_id, allowed_destinations=self.allowed_destinations
        )

    def _below(self, name: str) -> ObjectStoragePath:
        parts = name.split("/")
        for part in parts:
            if not part.strip(". ") or part.startswith(".") or _NOT_IN_PATHS.search(part):
                raise _refusal(name, "a plain path below the folder")
        return self._inside(*parts)

    def _check(self, name: str, path: ObjectStoragePath) -> None:
        """
        :raises InputError: no video could be published there, or plans and speeches are there
        """
        key, folder = object_key(path), object_key(self.path)
        if key.removeprefix(f"{folder}/").partition("/")[0] in (FOLDER, SPEECHES, PIECES):
            raise _refusal(name, f"no folder {FOLDER}, {SPEECHES} and {PIECES}: plans, speeches and pieces are there")
        *folders, _ = parts = path.path.split("/")
        if max(len(part.encode()) for part in parts) > MAX_PART_BYTES or len(path.path.encode()) > MAX_PATH_BYTES:
            raise _refusal(name, f"at most {MAX_PART_BYTES} bytes in each part, and {MAX_PATH_BYTES} in all")
        if any(part.endswith(SUFFIX) for part in folders) or (is_local(path) and Path(path.path).is_dir()):
            raise _refusal(name, "no folder with the name of a video")

    def _inside(self, *names: str) -> ObjectStoragePath:
        path: ObjectStoragePath = reduce(object_in_folder, names, self.path)
        return path


def _refusal(name: str, allowed: str) -> InputError:
    return InputError(f"destination is {shown(safe_text(name))}, allowed is {allowed}", remedy=_REMEDY)


def place_rows(table: VideoTable, folder: OutputFolder) -> tuple[list[tuple[VideoRow, Destination]], list[Fault]]:
    """The rows with the objects that they become, and the faults of all others.

    :raises InputError: an object is there twice
    """
    faults = list(table.faults)
    placed: list[tuple[VideoRow, Destination]] = []
    for row in table.rows:
        try:
            placed.append((row, folder.video(row)))
        except (InputError, ConfigurationError) as error:
            value = error.message.removeprefix("destination is ")
            faults.append(Fault(line=row.line, column="destination", value=value, remedy=error.remedy))
    refuse_repeated("destination", [(row.line, object_key(path)) for row, path in placed])
    return placed, faults
