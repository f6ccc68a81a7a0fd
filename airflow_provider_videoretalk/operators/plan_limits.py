"""Why a planned batch must not be made: faults of its rows, and its limits."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, conf

from airflow_provider_videoretalk.batches.plan import total_cost
from airflow_provider_videoretalk.batches.planned_video import PlannedVideo
from airflow_provider_videoretalk.batches.table_text import Fault

# Faults that the error names. The log and the plan have all.
_NAMED_FAULTS = 30

log = logging.getLogger(__name__)


def check_plan(
    document: Mapping[str, Any],
    planned: Sequence[PlannedVideo],
    faults: Sequence[Fault],
    *,
    max_cost: Decimal | None,
    skip_bad_rows: bool,
    tasks: int,
) -> None:
    """Returns if the videos of a plan may be made. Logs all faults.

    :param document: of the plan
    :param faults: of rows that could not be read
    :param tasks: how many Airflow maps
    :raises AirflowFailException: nothing may be made
    """
    found = sorted([*faults, *(fault for one in planned for fault in one.faults)], key=lambda fault: fault.line)
    for fault in found:
        log.error("%s", fault)
    if found and not skip_bad_rows:
        raise AirflowFailException(_refusal(found, document["counts"]["refuse"]))
    cost, currency = total_cost(planned), document["currency"]
    if max_cost is not None and cost > max_cost:
        bound = "" if document["exact"] else "at most "
        raise AirflowFailException(
            f"the batch costs {bound}{cost:f} {currency}, allowed is at most {max_cost} {currency} (max_cost). "
            "Nothing was submitted. Lower max_cost_per_video, shorten the table, or raise max_cost."
        )
    most = conf.getint("core", "max_map_length", fallback=1024)
    if tasks > most:
        raise AirflowFailException(
            f"{tasks} videos are to be made, Airflow allows {most} mapped tasks in a run. "
            "Nothing was submitted. Raise [core] max_map_length of Airflow's configuration, or split the table."
        )


def _refusal(faults: Sequence[Fault], rows: int) -> str:
    named = "\n".join(map(str, faults[:_NAMED_FAULTS]))
    more = f"\n... and {len(faults) - _NAMED_FAULTS} more, in the task's log" if len(faults) > _NAMED_FAULTS else ""
    return f"{rows} rows have faults, and nothing was submitted. Correct them, or set skip_bad_rows:\n{named}{more}"
