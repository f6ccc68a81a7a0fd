"""How long a render takes, as far as this Airflow knows."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS
from airflow_provider_videoretalk.model_catalog.catalog import MODELS

if TYPE_CHECKING:
    from airflow_provider_videoretalk.submission.record import Record


def render_seconds(warn: Callable[..., None]) -> Callable[[float, str], float]:
    """How long a render takes, by the seconds of its output and its model: as the last ones, else as the vendor's
    sample."""
    # Loads the client's modules.
    from airflow_provider_videoretalk.polling.render_times import RenderTimes
    from airflow_provider_videoretalk.submission.registry import SubmissionRegistry

    times: defaultdict[str, RenderTimes] = defaultdict(RenderTimes)
    records: list[Record] = []
    if variable_store.HAS_KEYS:
        try:
            registry = SubmissionRegistry(variable_store.VariableStore())
            records = registry.records(since=time.time() - JOB_SECONDS)
        except DashScopeError as error:
            warn("The last renders cannot be read: %s", error)
    for record in records:
        if record.render_seconds is not None:
            times[record.intent.model].note(record.render_seconds, output_seconds=record.billed_seconds)
    return lambda seconds, model: times[model].expected(seconds) or seconds * MODELS[model].render_factor
