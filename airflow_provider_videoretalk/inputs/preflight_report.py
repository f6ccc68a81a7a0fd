"""The result of preflight: the inspected inputs, and the estimate of length and cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_videoretalk.inputs.cost_estimate import CostEstimate
from airflow_provider_videoretalk.inputs.preflight import InspectionResult
from airflow_provider_videoretalk.inputs.priced_result import StoredEstimate, stored_estimate_of
from airflow_provider_videoretalk.media.probe_result import ProbeResult


@dataclass(frozen=True, kw_only=True)
class PreflightReport:
    """The inspected inputs of a render job, with the estimate of its length and cost.

    :param descriptions: of the inputs, see :attr:`~airflow_provider_videoretalk.inputs.source.Source.description`
    :param parameters: of the request
    :param max_output_seconds: the longest output that the model can make
    :param faces: the measures of the presenter's face, as JSON-safe values; none if it was not looked at
    """

    inspection: InspectionResult
    estimate: CostEstimate
    descriptions: Mapping[str, str]
    parameters: Mapping[str, Any]
    max_output_seconds: float
    faces: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stored_estimate(self) -> StoredEstimate:
        return stored_estimate_of(self.estimate, inputs=self.descriptions)

    @property
    def expected_seconds(self) -> float | None:
        """Seconds of output; ``None`` if the estimate is only the model's maximum."""
        return self.estimate.seconds if self.estimate.seconds < self.max_output_seconds else None

    @property
    def sentences(self) -> Iterator[str]:
        """The inputs, the parameters, the findings and the estimate, for people to read."""
        for name, description in self.descriptions.items():
            media = self.inspection.media.get(name)
            yield f"{name}: {description}" + (f" ({_summary(media)})" if media else "")
        if self.parameters:
            yield ", ".join(f"{name}: {value}" for name, value in self.parameters.items())
        for finding in self.inspection.all_findings:
            yield f"{'refused' if finding in self.inspection.refusals else 'warning'}: {finding}"
        for sentence in self.inspection.unchecked:
            yield f"not checked: {sentence}"
        for sentence in self.inspection.url_warnings:
            yield f"warning: {sentence}"
        yield f"estimate: {self.estimate}"

    def to_json(self) -> dict[str, Any]:
        """The report as JSON-safe values."""
        return {
            "parameters": dict(self.parameters),
            "media": {name: _known_properties(media) for name, media in self.inspection.media.items()},
            "findings": [str(finding) for finding in self.inspection.all_findings],
            "unchecked": list(self.inspection.unchecked),
            "url_warnings": list(self.inspection.url_warnings),
            **({"faces": dict(self.faces)} if self.faces else {}),
            **self.stored_estimate,
        }


def _known_properties(media: ProbeResult) -> dict[str, Any]:
    return {name: value for name, value in vars(media).items() if name != "unchecked" and value is not None}


def _summary(media: ProbeResult) -> str:
    parts = [media.container, media.codec]
    parts += [f"{media.width}x{media.height}"] if media.width and media.height else []
    parts += [f"{media.fps:g} fps"] if media.fps else []
    parts += [f"{media.seconds:g} s"] if media.seconds is not None else []
    parts += [f"{media.size:,} bytes"] if media.size is not None else []
    return ", ".join(dict.fromkeys(part for part in parts if part))
