"""What is known of a task before it is submitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from airflow_provider_videoretalk.limits import AUDIO_SECONDS
from airflow_provider_videoretalk.media.estimate import Estimate
from airflow_provider_videoretalk.media.preflight import Field, Report
from airflow_provider_videoretalk.media.probe import Media
from airflow_provider_videoretalk.media.quote import Quote, quote_of

_MOST_SECONDS = AUDIO_SECONDS.high or 0.0


@dataclass(frozen=True, kw_only=True)
class Appraisal:
    """The inputs as they were found, and what is expected to come of them.

    :param records: what each input is, see :class:`~airflow_provider_videoretalk.media.source.Source`
    """

    report: Report
    estimate: Estimate
    records: Mapping[str, str]
    parameters: Mapping[str, Any]

    @property
    def quote(self) -> Quote:
        return quote_of(self.estimate, inputs=self.records)

    @property
    def expected_seconds(self) -> float | None:
        """Seconds of output; ``None`` where no more is known than what can come out at all."""
        return self.estimate.seconds if self.estimate.seconds < _MOST_SECONDS else None

    @property
    def sentences(self) -> Iterator[str]:
        """What would be sent, what was found, and what it would cost, for a person to read."""
        for field, record in self.records.items():
            media = self.report.media.get(cast("Field", field))
            yield f"{field}: {record}" + (f" ({_look(media)})" if media else "")
        yield ", ".join(f"{name}: {value}" for name, value in self.parameters.items())
        for finding in self.report.findings:
            yield f"{'refused' if finding in self.report.refusals else 'warning'}: {finding}"
        for sentence in self.report.unchecked:
            yield f"not checked: {sentence}"
        yield f"estimate: {self.estimate}"

    def to_json(self) -> dict[str, Any]:
        """The same as JSON's types."""
        return {
            "parameters": dict(self.parameters),
            "media": {field: _facts(media) for field, media in self.report.media.items()},
            "findings": [str(finding) for finding in self.report.findings],
            "unchecked": list(self.report.unchecked),
            **self.quote,
        }


def _facts(media: Media) -> dict[str, Any]:
    return {name: value for name, value in vars(media).items() if name != "unchecked" and value is not None}


def _look(media: Media) -> str:
    facts = [media.container, media.codec]
    facts += [f"{media.width}x{media.height}"] if media.width and media.height else []
    facts += [f"{media.fps:g} fps"] if media.fps else []
    facts += [f"{media.seconds:g} s"] if media.seconds is not None else []
    facts += [f"{media.size:,} bytes"] if media.size is not None else []
    return ", ".join(dict.fromkeys(fact for fact in facts if fact))
