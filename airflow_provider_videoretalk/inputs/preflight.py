"""Checks inputs before the submit, by their headers and the limits of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from airflow_provider_videoretalk.dashscope.error_codes import meaning_of
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, DashScopeError, InputError
from airflow_provider_videoretalk.dashscope.media_url import TEMPORARY
from airflow_provider_videoretalk.inputs.url_validity import expiry_before, in_utc, url_warnings
from airflow_provider_videoretalk.media.probe_result import ProbeResult
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE, Limit
from airflow_provider_videoretalk.model_catalog.model import MediaInput, Model
from airflow_provider_videoretalk.outbound.host_access import AccessRule, public_only
from airflow_provider_videoretalk.outbound.read_budget import ReadBudget

if TYPE_CHECKING:
    from airflow_provider_videoretalk.media.location import Location

PreflightMode = Literal["strict", "warn", "off"]
"""What preflight does.

- ``strict``: a finding refuses the job.
- ``warn``: a finding is logged, and the job is submitted.
- ``off``: the inputs are not read.

What could not be checked is logged and never refuses a job.
"""

_UNSUPPORTED, _DAMAGED = "InvalidFile.Format", "InvalidFile.Openerror"

# Frames per second by which a measured rate may differ from a whole number and still count as that number. Clocks of
# milliseconds cannot represent a sixtieth of a second exactly.
_FPS_TOLERANCE = 0.05


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One problem of the inputs.

    :param field: the input's name
    :param value: the actual value, in words
    :param limit: the allowed values, in words; ``""`` if ``value`` states the problem completely
    :param remedy: what the user can do
    :param code: the error code that the service would answer; ``""`` if it would accept the input
    """

    field: str
    value: str
    limit: str = ""
    remedy: str
    code: str

    @property
    def message(self) -> str:
        return f"{self.field}: {self.value}" + (f", allowed is {self.limit}" if self.limit else "")

    def __str__(self) -> str:
        answer = f" (the service would answer {self.code})" if self.code else ""
        return f"{self.message}{answer}. {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class InspectionResult:
    """The inspected inputs.

    :param media: the properties of each input that could be read, by field
    :param findings: the problems
    :param unchecked: one sentence for each check that was not possible, with the reason
    :param url_warnings: one sentence for each doubt about the signature of a URL, also in the mode ``off``
    :param face_findings: the problems of the presenter's face, whatever the mode
    :param refuses_faces: whether these refuse the job
    """

    mode: PreflightMode
    media: Mapping[str, ProbeResult] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[str, ...] = ()
    url_warnings: tuple[str, ...] = ()
    face_findings: tuple[Finding, ...] = ()
    refuses_faces: bool = False

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        return self.findings + self.face_findings

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """The findings that refuse the job."""
        refused = self.findings if self.mode == "strict" else ()
        return refused + (self.face_findings if self.refuses_faces else ())

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences to log: findings that do not refuse the job, checks that were not possible, and doubts."""
        findings = tuple(str(finding) for finding in self.all_findings if finding not in self.refusals)
        return findings + self.unchecked + self.url_warnings

    def check(self) -> None:
        """Returns if nothing refuses the job.

        :raises InputError: with all refusals, and the code of the first one
        """
        if self.refusals:
            raise InputError(
                "; ".join(finding.message for finding in self.refusals),
                code=self.refusals[0].code,
                remedy=" ".join(dict.fromkeys(finding.remedy for finding in self.refusals)),
            )


def inspect_inputs(
    *,
    model: Model,
    locations: Mapping[str, Location],
    mode: PreflightMode = "strict",
    access: AccessRule = public_only,
    until: datetime | None = None,
    budget: ReadBudget | None = None,
) -> InspectionResult:
    """Checks each input against the model's limits.

    :param locations: the media inputs, by field
    :param mode: see :data:`PreflightMode`
    :param access: how the host of a URL may be connected to; by default only at public addresses
    :param until: when the service may still fetch the inputs; ``None`` to not check when URLs expire
    :param budget: for each input, see :func:`~airflow_provider_videoretalk.media.probe.probe`
    :raises ConfigurationError: the connection of a store cannot be used
    """
    urls = {name: location for name, location in locations.items() if isinstance(location, str)}
    doubts = tuple(warning for name, url in urls.items() for warning in url_warnings(name, url, until=until))
    if mode == "off":
        return InspectionResult(mode=mode, url_warnings=doubts)
    # Loads the readers of all formats, which a preflight that is off does not need.
    from airflow_provider_videoretalk.media.probe import probe

    media: dict[str, ProbeResult] = {}
    findings: list[Finding] = []
    unchecked: list[str] = []
    for name, location in locations.items():
        try:
            media[name] = probe(readable(location), field="it", access=access, budget=budget)
        except InputError as error:
            findings.append(_unreadable(name, error))
        except ConfigurationError as error:
            raise ConfigurationError(f"{name}: {error.message}", remedy=error.remedy) from None
        except DashScopeError as error:
            unchecked.append(f"{name}: nothing was checked: {str(error).rstrip('.')}")
        findings += _check_url_expiry(name, location, until)
    for name, probed in media.items():
        findings += check_media(name, probed, model.media_inputs[name])
        unchecked += _unchecked_properties(name, probed)
    return InspectionResult(
        mode=mode, media=media, findings=tuple(findings), unchecked=tuple(unchecked), url_warnings=doubts
    )


def check_media(name: str, probed: ProbeResult, limits: MediaInput) -> Iterator[Finding]:
    """The problems for which the service would refuse a media file.

    :param name: the input's field
    """
    yield from _check_limit(name, limits.size, probed.size)
    if probed.container not in limits.containers:
        yield _finding(name, f"it is a {probed.container} file", _alternatives(limits.containers), _UNSUPPORTED)
        return
    if limits.kind == "video" and probed.kind != "video":
        yield _finding(name, f"the {probed.container} file has no video track", "a video", _DAMAGED)
        return
    if probed.codec is not None and limits.codecs and probed.codec not in limits.codecs:
        yield _finding(name, f"video codec is {probed.codec}", _alternatives(limits.codecs), _UNSUPPORTED)
    yield from _check_limit(name, limits.seconds, probed.seconds)
    yield from _check_limit(name, limits.fps, _whole_if_close(probed.fps))
    yield from _check_sides(name, limits, probed)


def _check_sides(name: str, limits: MediaInput, probed: ProbeResult) -> Iterator[Finding]:
    sides = [side for side in (probed.width, probed.height) if side is not None]
    if limits.side and not all(limits.side.allows(side) for side in sides):
        value = f"{limits.kind} is {probed.width}x{probed.height} px"
        yield _finding(name, value, f"{limits.side.range} for each side", limits.side.code)
    if probed.width and probed.height:
        yield from _check_limit(name, limits.aspect_ratio, max(sides) / min(sides))


def _check_url_expiry(name: str, location: Location, until: datetime | None) -> Iterator[Finding]:
    if until is None or not isinstance(location, str):
        return
    expiry = expiry_before(location, until)
    if expiry is None:
        return
    yield Finding(
        field=name,
        value=f"its URL expires at {in_utc(expiry)}",
        limit=f"{in_utc(until)} or later, because the job may queue until then",
        remedy="Sign the URL for longer, or shorten queue_timeout.",
        code="",
    )


def _check_limit(name: str, limit: Limit | None, value: float | None) -> Iterator[Finding]:
    if limit is None or value is None or limit.allows(round(value, 3)):
        return
    unit = f" {limit.unit}".rstrip()
    allowed = limit.range
    if limit.unit == "bytes" and limit.high:
        allowed = f"at most {limit.high:,.0f} bytes ({limit.high / MEGABYTE:g} MB)"
    found = _finding(name, f"{limit.field} is {format_number(value)}{unit}", allowed, limit.code)
    found = replace(found, remedy=limit.remedy or found.remedy)
    is_above = limit.high is not None and value > limit.high
    yield replace(found, remedy=f"{found.remedy} {limit.way_above}") if is_above and limit.way_above else found


def _finding(name: str, value: str, limit: str, code: str) -> Finding:
    return Finding(field=name, value=value, limit=limit, remedy=meaning_of(code).remedy, code=code)


def _unreadable(name: str, error: InputError) -> Finding:
    status = f" (HTTP {error.status})" if error.status else ""
    return Finding(field=name, value=error.message + status, remedy=error.remedy, code=error.code)


def _unchecked_properties(name: str, probed: ProbeResult) -> Iterator[str]:
    """One sentence for each reason."""
    properties: dict[str, list[str]] = {}
    for note in probed.unchecked:
        prop, _, reason = note.partition(": ")
        properties.setdefault(reason, []).append(prop)
    for reason, names in properties.items():
        yield f"{name}: {', '.join(names)} not checked: {reason}"


def readable(location: Location) -> Location:
    """The location, if this package can read it.

    :raises DashScopeError: only the service can read it
    """
    if isinstance(location, str) and location.strip().startswith(TEMPORARY):
        raise DashScopeError("only the service can read files in its temporary store")
    return location


def _whole_if_close(fps: float | None) -> float | None:
    whole = None if fps is None else round(fps)
    return fps if fps is None or whole is None or abs(fps - whole) >= _FPS_TOLERANCE else whole


def format_number(value: float) -> str:
    """A number with at most three decimal places, without trailing zeros."""
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def _alternatives(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
