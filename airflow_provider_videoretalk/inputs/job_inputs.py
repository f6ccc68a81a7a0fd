"""The inputs of a render job of any model in the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Submission
from airflow_provider_videoretalk.inputs.cost_estimate import CostEstimate
from airflow_provider_videoretalk.inputs.preflight import Finding, InspectionResult, PreflightMode, inspect_inputs
from airflow_provider_videoretalk.inputs.preflight_report import PreflightReport
from airflow_provider_videoretalk.inputs.source import Source, Upload
from airflow_provider_videoretalk.media.probe_result import ProbeResult
from airflow_provider_videoretalk.model_catalog.model import InputLength, Model
from airflow_provider_videoretalk.model_catalog.price import Price
from airflow_provider_videoretalk.outbound.host_access import AccessRule, public_only
from airflow_provider_videoretalk.outbound.read_budget import ReadBudget


@dataclass(frozen=True, kw_only=True)
class JobInputs:
    """The inputs and parameters of one render job.

    :param sources: the media inputs, by the field of the request's ``input``
    :param parameters: the request's ``parameters``
    :param stated_seconds: durations of inputs that their producer states, by field; used where a file's own duration
        is not known
    """

    model: Model
    sources: Mapping[str, Source]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stated_seconds: Mapping[str, float] = field(default_factory=dict)

    def findings_across(self, media: Mapping[str, ProbeResult]) -> Iterable[Finding]:
        """Findings that concern more than one input; none by default."""
        return ()

    def content_identity(self) -> dict[str, Any]:
        """JSON-safe values that stay the same while the content of the inputs does, however their URLs are signed.

        :raises DashScopeError: they cannot be determined at the moment
        """
        return self._identity({name: source.content_identity() for name, source in self.sources.items()})

    def unsigned_locations(self) -> dict[str, Any]:
        """JSON-safe values that stay the same while the locations of the inputs do. Reads no input."""
        return self._identity({name: source.unsigned_location for name, source in self.sources.items()})

    def inspect(
        self,
        *,
        mode: PreflightMode = "strict",
        access: AccessRule = public_only,
        until: datetime | None = None,
        budget: ReadBudget | None = None,
    ) -> InspectionResult:
        """Checks the inputs against the model's limits. See :func:`~.preflight.inspect_inputs` for the parameters."""
        result = inspect_inputs(
            model=self.model,
            locations={name: source.location for name, source in self.sources.items()},
            mode=mode,
            access=access,
            until=until,
            budget=budget,
        )
        return replace(result, findings=(*result.findings, *self.findings_across(result.media)))

    def preflight(
        self,
        *,
        price: Price,
        mode: PreflightMode = "strict",
        access: AccessRule = public_only,
        until: datetime | None = None,
    ) -> PreflightReport:
        """Checks the inputs and estimates length and cost of the output.

        :param until: when the service may still fetch the inputs
        :raises ConfigurationError: the connection of a store cannot be used
        """
        inspection = self.inspect(mode=mode, access=access, until=until)
        length = self.model.output_length(self._input_lengths(inspection.media), self.parameters)
        return PreflightReport(
            inspection=inspection,
            estimate=CostEstimate(seconds=length.seconds, exact=length.exact, price=price),
            descriptions={name: source.description for name, source in self.sources.items()},
            parameters=self.parameters,
            max_output_seconds=self.model.max_output_seconds,
        )

    def urls(self, *, until: datetime, upload: Upload) -> dict[str, str]:
        """URLs that the service can fetch, by field. They may be secret.

        :param until: when the service may still fetch them
        :raises InputError: an input has no such URL
        :raises DashScopeError: a URL cannot be obtained at the moment
        """
        return {name: source.url(until=until, upload=upload) for name, source in self.sources.items()}

    def request(self, urls: Mapping[str, str]) -> Request[Submission]:
        """The request that submits the job.

        :param urls: the result of :meth:`urls`
        """
        return self.model.submit_request(urls=urls, parameters=self.parameters)

    def _identity(self, inputs: dict[str, str]) -> dict[str, Any]:
        return {"model": self.model.name, "input": inputs, "parameters": dict(self.parameters)}

    def _input_lengths(self, media: Mapping[str, ProbeResult]) -> dict[str, InputLength]:
        lengths = {}
        for name in self.sources:
            probed = media.get(name)
            seconds = probed.seconds if probed and probed.seconds is not None else self.stated_seconds.get(name)
            lengths[name] = InputLength(seconds=seconds, fps=probed.fps if probed else None)
        return lengths
