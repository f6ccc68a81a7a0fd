"""What the task of a row tells others through XCom: the publishing task, the manifest and the batch page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.batches.plan_file import RUN_FIELD, RowToMake

if TYPE_CHECKING:
    from airflow.sdk import Context

METADATA_KEY = "videoretalk_metadata"
"""The XCom key of what the video is made of, for ``metadata`` of ``PublishMediaOperator``."""

DESTINATION_KEY = "videoretalk_destination"
"""The XCom key of the URI at which the video is to be published."""

COST_KEY = "videoretalk_cost"
"""The XCom key of what the video did cost, small enough to be read for each row of a batch; or ``{"kept": true}``."""


def cost_noted(context: Context, result: Any) -> Any:
    """The result of the render job. Pushes what it did cost, by which the batch page adds up the costs of all rows."""
    if result.get("video_url") or result.get("video_location"):
        noted = {name: result.get(name) for name in ("billed_seconds", "cost", "currency")}
        context["ti"].xcom_push(key=COST_KEY, value=noted)
    return result


def metadata_of(planned: RowToMake, *, run: str) -> dict[str, Any]:
    """The fields of the video's metadata file. The next plan compares them."""
    return {
        RUN_FIELD: run,
        "name": planned.name,
        "label": planned.label,
        "batch": planned.batch,
        **planned.recipe.fields,
    }
