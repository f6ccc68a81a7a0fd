"""Lineage for Airflow's OpenLineage provider, which alone loads this module, and which needs Airflow 3.1 or newer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attr
from airflow.providers.common.compat.openlineage.facet import Dataset, RunFacet
from airflow.providers.openlineage.extractors import OperatorLineage

from airflow_provider_videoretalk.airflow_adapters.dataset_names import dataset_name

RENDER_JOB = "videoretalk_renderJob"
"""The key of the run facet."""


@attr.define(kw_only=True)
class RenderJobRunFacet(RunFacet):
    """A render job and what it cost; ``None`` for what is not known. The names follow OpenLineage's spelling.

    :param jobId: the service's id
    :param billedSeconds: of output
    :param cost: in ``currency``, by the known price
    """

    jobId: str  # noqa: N815 - OpenLineage's spelling
    model: str | None = None
    connectionId: str | None = None  # noqa: N815
    billedSeconds: float | None = None  # noqa: N815
    cost: float | None = None
    currency: str | None = None
    queueSeconds: float | None = None  # noqa: N815
    renderSeconds: float | None = None  # noqa: N815


def job_lineage(result: Mapping[str, Any], *, model: str, connection_id: str) -> OperatorLineage:
    """The lineage of a render job: its inputs, and a run facet with its cost. Its result is temporary, so no output.

    :param result: a :class:`~airflow_provider_videoretalk.inputs.priced_result.PricedResult`
    """
    facet = RenderJobRunFacet(
        jobId=str(result["task_id"]),
        model=model,
        connectionId=connection_id,
        billedSeconds=result.get("billed_seconds"),
        cost=result.get("cost"),
        currency=result.get("currency"),
        queueSeconds=result.get("queue_seconds"),
        renderSeconds=result.get("render_seconds"),
    )
    return OperatorLineage(inputs=_input_datasets(result), run_facets={RENDER_JOB: facet})


def publish_lineage(source: Mapping[str, Any], uris: Iterable[str]) -> OperatorLineage:
    """The lineage of a publication: from the inputs of the render job to the published objects.

    :param source: what was published; the return value of the render job's task
    """
    return OperatorLineage(inputs=_input_datasets(source), outputs=_datasets(uris))


def _input_datasets(result: Mapping[str, Any]) -> list[Dataset]:
    inputs = result.get("inputs")
    locations = inputs.values() if isinstance(inputs, Mapping) else [result.get("video_location")]
    return _datasets(location for location in locations if isinstance(location, str))


def _datasets(locations: Iterable[str]) -> list[Dataset]:
    names = dict.fromkeys(name for location in locations if (name := dataset_name(location)) is not None)
    return [Dataset(namespace=namespace, name=name) for namespace, name in names]
