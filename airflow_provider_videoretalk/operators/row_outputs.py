"""What the task of a row tells others through XCom: the publishing task, the manifest and the batch page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_videoretalk.batches.plan_file import RUN_FIELD, RowToMake
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.outbound.signed_url import safe_text

if TYPE_CHECKING:
    from airflow.sdk import Context

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


@contextmanager
def error_noted(context: Context, row: object) -> Iterator[None]:
    """Pushes an error, by which the manifest says why there is no video.

    :param row: the reference to the row
    """
    try:
        yield
    except AirflowSkipException:
        raise
    except Exception as error:
        cause = error if isinstance(error, DashScopeError) else error.__cause__
        known = cause if isinstance(cause, DashScopeError) else None
        noted = {
            "row": row.get("row") if isinstance(row, Mapping) else None,
            "code": (known.code if known else "") or type(known or error).__name__,
            "message": safe_text((known.message if known else str(error))[:_MAX_MESSAGE]),
            "remedy": safe_text((known.remedy if known else "")[:_MAX_MESSAGE]),
        }
        context["ti"].xcom_push(key=ERROR_KEY, value=noted)
        raise


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
