"""The folder of a batch: its videos, the speeches that were paid for, and a folder for each run's plan and manifest."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.batches.plan_file import FOLDER, SPEECHES, plan_name
from airflow_provider_videoretalk.batches.table import VideoRow
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.operators.destination_path import open_destination
from airflow_provider_videoretalk.operators.template_values import as_optional_text, as_text
from airflow_provider_videoretalk.publishing.object_name import object_in_folder

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

SUFFIX = ".mp4"
"""Of every video."""

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
        cls, folder: object, *, storage_conn_id: object = None, allowed_destinations: object = None
    ) -> OutputFolder:
        """
        :param folder: URI of a folder, with a slash at its end
        :raises InputError: it is not allowed, or no folder
        :raises ConfigurationError: its store cannot be opened
        """
        uri = as_text("folder", folder).strip()
        if not uri.endswith("/"):
            raise InputError(
                f"folder is {uri!r}, allowed is the URI of a folder",
                remedy="End it with a slash, as s3://bucket/videos/.",
            )
        conn_id = as_optional_text("storage_conn_id", storage_conn_id)
        path = open_destination(uri, storage_conn_id=conn_id, allowed_destinations=allowed_destinations)
        return cls(path=path, storage_conn_id=conn_id, allowed_destinations=allowed_destinations)

    def run(self, context: Mapping[str, Any]) -> ObjectStoragePath:
        """The folder of the DAG run's plan and manifest."""
        ti = context["ti"]
        return self._inside(FOLDER, plan_name(ti.dag_id, ti.run_id))

    def speech(self, name: str) -> ObjectStoragePath:
        """The object of a speech."""
        return self._inside(SPEECHES, name)

    def video(self, row: VideoRow) -> ObjectStoragePath:
        """The object that a row becomes.

        :raises InputError: its destination is not allowed, or is no name of a video
        :raises ConfigurationError: its store cannot be opened
        """
        destination = row.destination or ""
        name = destination + row.file_name if not destination or destination.endswith("/") else destination
        if not name.endswith(SUFFIX):
            raise InputError(f"destination is {name!r}, allowed is a name that ends with {SUFFIX}", remedy=_REMEDY)
        if "://" in name or name.startswith("/"):
            return open_destination(
                name, storage_conn_id=self.storage_conn_id, allowed_destinations=self.allowed_destinations
            )
        return self._below(unicodedata.normalize("NFC", name))

    def _below(self, name: str) -> ObjectStoragePath:
        parts = name.split("/")
        if parts[0] in (FOLDER, SPEECHES) and len(parts) > 1:
            raise InputError(
                f"destination is {name!r}, allowed is no folder {FOLDER} and {SPEECHES}: plans and speeches are there",
                remedy=_REMEDY,
            )
        for part in parts:
            if not part.strip(". ") or part.startswith(".") or _NOT_IN_PATHS.search(part):
                raise InputError(f"destination is {name!r}, allowed is a plain path below the folder", remedy=_REMEDY)
        return self._inside(*parts)

    def _inside(self, *names: str) -> ObjectStoragePath:
        path: ObjectStoragePath = reduce(object_in_folder, names, self.path)
        return path
