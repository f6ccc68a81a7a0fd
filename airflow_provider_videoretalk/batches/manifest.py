"""What became of each row of a batch, as JSON and as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from airflow_provider_videoretalk.batches.csv_file import csv_file
from airflow_provider_videoretalk.batches.plan_file import RUN_FIELD, VERSION, RowToMake, plan_name
from airflow_provider_videoretalk.batches.recipe import amount_in, is_made_again

ManifestState = Literal["published", "kept", "failed", "missing", "refused", "planned"]
"""What became of a row.

- ``published``: its video was made in this run
- ``kept``: its video was there already
- ``failed``: its task failed, and says why
- ``missing``: there is no video, and no task said why
- ``refused``: the row has a fault
- ``planned``: the run was a dry run
"""

WITHOUT_VIDEO: tuple[ManifestState, ...] = ("failed", "missing", "refused")
"""The states of rows whose videos are missing."""

COLUMNS = ("line", "name", "language", "state", "uri", "seconds", "cost", "currency", "code", "problem", "remedy")

_MISSING_REMEDY = "See the row's tasks. If its render job has succeeded, clear its task that publishes, which is free."
_MAX_CURRENCY = 10


def manifest_document(
    plan: Mapping[str, Any],
    *,
    rows: Sequence[RowToMake],
    published: Sequence[Mapping[str, Any] | None],
    errors: Mapping[int, Mapping[str, Any]],
    removed: Sequence[str] = (),
) -> dict[str, Any]:
    """The manifest, as JSON-safe values.

    :param plan: its document
    :param rows: the rows to make, by number
    :param published: the metadata at the destination of each of them
    :param errors: the errors of tasks, by the number of the row
    :param removed: URIs of videos that were removed
    """
    videos = list(_videos(plan, rows, published, errors))
    costs = [video["cost"] for video in videos if video["state"] == "published" and video["cost"] is not None]
    return {
        "version": VERSION,
        **{name: plan[name] for name in ("batch", "dag_id", "run_id", "planned_at", "dry_run", "currency")},
        "counts": dict(Counter(video["state"] for video in videos)),
        "cost": round(sum(costs), 4),
        "removed": list(removed),
        "videos": videos,
    }


def _videos(
    plan: Mapping[str, Any],
    rows: Sequence[RowToMake],
    published: Sequence[Mapping[str, Any] | None],
    errors: Mapping[int, Mapping[str, Any]],
) -> Iterator[dict[str, Any]]:
    run = plan_name(plan["dag_id"], plan["run_id"])
    for planned in plan["videos"]:
        video = dict.fromkeys(COLUMNS) | {name: planned[name] for name in ("line", "name", "language", "uri")}
        number = planned["row"]
        if planned["state"] == "keep":
            video |= {
                "state": "kept",
                "seconds": planned["seconds"],
                "cost": planned["cost"],
                "currency": plan["currency"],
            }
        elif planned["state"] == "refuse":
            video |= {"state": "refused", "code": "InputError", "problem": "; ".join(planned["problems"])}
            video["remedy"] = planned["remedy"]
        elif plan["dry_run"]:
            video |= {"state": "planned", "seconds": planned["seconds"], "cost": planned["most_cost"]}
            video["currency"] = plan["currency"]
        else:
            video |= _made(rows[number], published[number], errors.get(number), run=run)
        yield video


def _made(
    row: RowToMake, metadata: Mapping[str, Any] | None, error: Mapping[str, Any] | None, *, run: str
) -> dict[str, Any]:
    if metadata is not None and is_made_again(metadata, row.recipe, replaces=row.replaces):
        return {
            "state": "published" if metadata.get(RUN_FIELD, run) == run else "kept",
            "seconds": amount_in(metadata, "billed_seconds"),
            "cost": amount_in(metadata, "cost"),
            "currency": str(metadata.get("currency") or "")[:_MAX_CURRENCY] or None,
        }
    if error is None:
        return {"state": "missing", "problem": "there is no video", "remedy": _MISSING_REMEDY}
    return {
        "state": "failed",
        "code": error.get("code"),
        "problem": error.get("message"),
        "remedy": error.get("remedy"),
    }


def as_csv(manifest: Mapping[str, Any]) -> bytes:
    """The rows of a manifest as CSV."""
    return csv_file(COLUMNS, manifest["videos"])
