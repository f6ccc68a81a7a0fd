"""The rows of a plan in XCom. The batch page reads them there, since it opens no store for its list."""

from __future__ import annotations

import json
import os.path
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_videoretalk.batches.planned_video import PlannedVideo
from airflow_provider_videoretalk.outbound.signed_url import safe_text

ROWS_KEY = "videoretalk_rows"
"""The key of the rows in XCom."""

VERSION = 1

COLUMNS = ("line", "name", "language", "script", "state", "row", "seconds", "cost", "ready_after", "uri", "problem")
"""What the rows have, in this order. XCom has no names in each row, so that 5,000 rows take some hundred kilobytes.

- ``script``: its first characters
- ``state``: a :data:`~airflow_provider_videoretalk.batches.planned_video.PlannedState`
- ``row``: its number among the rows to make, which is its map index; else ``None``
- ``cost``: the most that it may cost, or what a kept one did cost
- ``ready_after``: seconds from the plan to the end of its render
- ``uri``: the part after ``uri_prefix``
"""

MAX_LENGTH = 4 * 1024 * 1024
"""Most characters of the rows as JSON."""

_MAX_SCRIPT, _MAX_URI, _MAX_PROBLEM = 24, 300, 300
# Of a table whose rows are all wrong, a person corrects the first ones.
_MAX_PROBLEMS = 300


def rows_for_xcom(document: Mapping[str, Any], planned: Iterable[PlannedVideo], *, plan_uri: str) -> dict[str, Any]:
    """The rows of a plan, as JSON-safe values of at most :data:`MAX_LENGTH` characters.

    :param document: of the plan
    :param planned: the rows of the table that could be read
    :param plan_uri: of the document
    """
    scripts = {one.row.line: " ".join(one.row.text[: 4 * _MAX_SCRIPT].split())[:_MAX_SCRIPT] for one in planned}
    prefix = _common_folder([video["uri"] for video in document["videos"] if video["uri"]])
    rows = [_row(document, video, script=scripts.get(video["line"]), prefix=prefix) for video in document["videos"]]
    _drop(rows, "problem", beyond=_MAX_PROBLEMS)
    content = {
        "version": VERSION,
        **{name: document[name] for name in ("batch", "planned_at", "dry_run", "currency", "exact")},
        "plan_uri": plan_uri,
        "uri_prefix": prefix,
        "columns": list(COLUMNS),
        "rows": rows,
    }
    for column in ("script", "uri"):
        if len(json.dumps(content)) > MAX_LENGTH:
            _drop(rows, column, beyond=0)
    return content


def _common_folder(uris: Sequence[str]) -> str:
    # os.path.commonpath would merge the slashes of a URI.
    folder, slash, _ = os.path.commonprefix(uris).rpartition("/")  # noqa: RUF071
    return folder + slash


def _row(document: Mapping[str, Any], video: Mapping[str, Any], *, script: str | None, prefix: str) -> list[Any]:
    ready = video["ready_at"]
    planned_at = datetime.fromisoformat(document["planned_at"])
    uri = (video["uri"] or "").removeprefix(prefix)
    values = {
        **{name: video[name] for name in ("line", "name", "language", "state", "row", "seconds")},
        "script": script,
        "cost": video["most_cost"] if video["state"] == "make" else video["cost"],
        "ready_after": round((datetime.fromisoformat(ready) - planned_at).total_seconds()) if ready else None,
        # The part of an address leads nowhere.
        "uri": uri if 0 < len(uri) <= _MAX_URI else None,
        # A fault quotes what the cell has.
        "problem": safe_text("; ".join(video["problems"]))[:_MAX_PROBLEM] or None,
    }
    return [values[column] for column in COLUMNS]


def _drop(rows: Sequence[list[Any]], column: str, *, beyond: int) -> None:
    """Removes the values of a column but for the first ones."""
    at, seen = COLUMNS.index(column), 0
    for row in rows:
        if row[at] is not None:
            seen += 1
            row[at] = row[at] if seen <= beyond else None
