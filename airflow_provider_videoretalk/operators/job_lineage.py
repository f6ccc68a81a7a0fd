"""What the operators tell Airflow's OpenLineage provider, if it is installed. It calls the methods after a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage


class JobLineage:
    """The lineage of an operator that submits a render job."""

    model: str
    dashscope_conn_id: str
    _finished: Mapping[str, Any] | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """Inputs and cost of the job that this try has returned; ``None`` without one."""
        if self._finished is None:
            return None
        from airflow_provider_videoretalk.airflow_adapters.openlineage_facets import job_lineage

        return job_lineage(self._finished, model=str(self.model), connection_id=self.dashscope_conn_id)


class PublicationLineage:
    """The lineage of an operator that publishes a result."""

    _published: tuple[Mapping[str, Any], Sequence[str]] | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """The render job's inputs and the published objects; ``None`` if this try has published nothing."""
        if self._published is None:
            return None
        from airflow_provider_videoretalk.airflow_adapters.openlineage_facets import publish_lineage

        return publish_lineage(*self._published)
