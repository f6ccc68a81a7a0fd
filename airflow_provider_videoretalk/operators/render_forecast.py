"""How long a render takes, as far as this Airflow knows."""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK


def render_seconds(warn: Callable[..., None]) -> Callable[[float], float]:
    """How long a render takes, by the seconds of its output: as the last ones, else as the vendor's sample."""
    # Loads the client's modules.
    from airflow_provider_videoretalk.polling.render_times import RenderTimes
    from airflow_provider_videoretalk.submission.registry import SubmissionRegistry

    times, records = RenderTimes(), []
    if variable_store.HAS_KEYS:
        try:
            registry = SubmissionRegistry(variable_store.VariableStore())
            records = registry.records(since=time.time() - JOB_SECONDS)
        except DashScopeError as error:
            warn("The last renders cannot be read: %s", error)
    for record in records:
        if record.intent.model == VIDEORETALK.name and record.render_seconds is not None:
            times.note(record.render_seconds, output_seconds=record.billed_seconds)
    return lambda seconds: times.expected(seconds) or seconds * VIDEORETALK.render_factor
