"""Whether the service would take its inputs, found out before they queue: by their headers and the table of limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal

from airflow_provider_videoretalk.dashscope.codes import meaning_of
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, DashScopeError, InputError
from airflow_provider_videoretalk.dashscope.url import TEMPORARY, expiry_of
from airflow_provider_videoretalk.limits import (
    AUDIO_BYTES,
    AUDIO_CONTAINERS,
    AUDIO_SECONDS,
    IMAGE_ASPECT,
    IMAGE_BYTES,
    IMAGE_FORMATS,
    IMAGE_SIDE,
    MEGABYTE,
    VIDEO_BYTES,
    VIDEO_CODECS,
    VIDEO_CONTAINERS,
    VIDEO_FPS,
    VIDEO_SECONDS,
    VIDEO_SIDE,
    Limit,
)
from airflow_provider_videoretalk.media.location import Location
from airflow_provider_videoretalk.media.probe import Media, probe
from airflow_provider_videoretalk.media.ranged import Budget

Preflight = Literal["strict", "warn", "off"]
"""``strict``: what is found refuses the task. ``warn``: it is said, and the task goes on. ``off``: nothing is looked
at. What could not be checked is said and never refuses."""

Field = Literal["video_url", "audio_url", "ref_image_url"]

_FORMAT, _DAMAGED = "InvalidFile.Format", "InvalidFile.Openerror"

# By which the pictures per second of a file may miss a whole number and still mean it: clocks of milliseconds and the
# like can't hold a sixtieth of a second.
_RATE_SLACK = 0.05

# Seconds that speech may be longer than the video and still not be cut in earnest: encoders add silence to fill their
# last frame, MP3 two of 26 ms, AAC two of 23 ms.
_CUT_SLACK = 0.1


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong with the inputs.

    :param field: the parameter
    :param value: what was found, in words
    :param limit: what is allowed, in words; ``""`` where ``value`` says it all
    :param remedy: what a person can do about it
    :param code: what the service would answer; ``""`` where it would take it, and not do what was meant
    """

    field: Field
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
class Report:
    """What a look at the inputs found.

    :param media: what each input is like, as far as it could be looked at
    :param findings: what is wrong
    :param unchecked: sentences on what was not checked, and why
    """

    mode: Preflight
    media: Mapping[Field, Media] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """Findings that must stop the task."""
        return self.findings if self.mode == "strict" else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences to log: findings that do not stop the task, and what was not checked."""
        found = () if self.mode == "strict" else tuple(map(str, self.findings))
        return found + self.unchecked

    def check(self) -> None:
        """Returns where nothing stops the task.

        :raises InputError: with all refusals, and the code of the first one
        """
        if self.refusals:
            raise InputError(
                "; ".join(finding.message for finding in self.refusals),
                code=self.refusals[0].code,
                remedy=" ".join(dict.fromkeys(finding.remedy for finding in self.refusals)),
            )


def check_inputs(
    *,
    video: Location,
    audio: Location,
    ref_image: Location | None = None,
    video_extension: bool = False,
    mode: Preflight = "strict",
    allow_private: bool = False,
    until: datetime | None = None,
    budget: Budget | None = None,
) -> Report:
    """Looks at the inputs of a VideoRetalk task, each within a budget of its own.

    :param mode: see :data:`Preflight`
    :param allow_private: also connect to addresses that are not of the public internet
    :param until: when the service may still fetch them; by default no URL dies too early
    :param budget: see :func:`~airflow_provider_videoretalk.media.probe.probe`
    :raises ConfigurationError: a store's connection can't be used
    """
    if mode == "off":
        return Report(mode=mode)
    given: dict[Field, Location | None] = {"video_url": video, "audio_url": audio, "ref_image_url": ref_image}
    media: dict[Field, Media] = {}
    findings: list[Finding] = []
    unchecked: list[str] = []
    for name, location in given.items():
        if location is None or location == "":
            continue
        try:
            media[name] = probe(_readable(location), field="it", allow_private=allow_private, budget=budget)
        except InputError as error:
            findings.append(_refused(name, error))
        except ConfigurationError:
            raise
        except DashScopeError as error:
            unchecked.append(f"{name}: nothing was checked: {str(error).rstrip('.')}")
        findings += _check_life(name, location, until)
    for name, one in media.items():
        findings += _CHECKS[name](one)
        unchecked += _unchecked(name, one)
    findings += check_lengths(media.get("video_url"), media.get("audio_url"), video_extension=video_extension)
    return Report(mode=mode, media=media, findings=tuple(findings), unchecked=tuple(unchecked))


def check_video(media: Media) -> Iterator[Finding]:
    """What the service would refuse of a video."""
    yield from _within("video_url", VIDEO_BYTES, media.size)
    if media.container not in VIDEO_CONTAINERS:
        yield _foreign("video_url", media, VIDEO_CONTAINERS)
        return
    if media.kind != "video":
        yield _finding("video_url", f"the {media.container} file has no pictures", "a video", _DAMAGED)
        return
    if media.codec is not None and media.codec not in VIDEO_CODECS:
        yield _finding("video_url", f"video codec is {media.codec}", _or(VIDEO_CODECS), _FORMAT)
    yield from _within("video_url", VIDEO_SECONDS, media.seconds)
    yield from _within("video_url", VIDEO_FPS, _snapped(media.fps))
    if not all(VIDEO_SIDE.allows(side) for side in (media.width, media.height) if side is not None):
        sides = f"video is {media.width}x{media.height} px"
        yield _finding("video_url", sides, f"{VIDEO_SIDE.range} for each side", VIDEO_SIDE.code)


def check_audio(media: Media) -> Iterator[Finding]:
    """What the service would refuse of a sound."""
    yield from _within("audio_url", AUDIO_BYTES, media.size)
    if media.container not in AUDIO_CONTAINERS:
        yield _foreign("audio_url", media, AUDIO_CONTAINERS)
        return
    yield from _within("audio_url", AUDIO_SECONDS, media.seconds)


def check_image(media: Media) -> Iterator[Finding]:
    """What the service would refuse of a reference image."""
    yield from _within("ref_image_url", IMAGE_BYTES, media.size)
    if media.container not in IMAGE_FORMATS:
        yield _foreign("ref_image_url", media, IMAGE_FORMATS)
        return
    if media.width and media.height:
        long, short = max(media.width, media.height), min(media.width, media.height)
        yield from _within("ref_image_url", IMAGE_SIDE, long)
        yield from _within("ref_image_url", IMAGE_ASPECT, long / short)


def _check_life(name: Field, location: Location, until: datetime | None) -> Iterator[Finding]:
    end = expiry_of(location) if isinstance(location, str) else None
    if end is None or until is None or end >= until:
        return
    yield Finding(
        field=name,
        value=f"its URL dies at {_iso(end)}",
        limit=f"{_iso(until)} or later, since the task may queue until then",
        remedy="Sign the URL for longer, or shorten queue_timeout.",
        code="",
    )


def check_lengths(video: Media | None, audio: Media | None, *, video_extension: bool) -> Iterator[Finding]:
    """Speech that is longer than the video: without ``video_extension`` the service cuts it, and says nothing."""
    if video is None or audio is None or video.seconds is None or audio.seconds is None or video_extension:
        return
    if audio.seconds - video.seconds > _CUT_SLACK:
        yield Finding(
            field="audio_url",
            value=f"audio duration is {_number(audio.seconds)} s",
            limit=f"{_number(video.seconds)} s, the video's duration, for all of it to be heard",
            remedy="Set video_extension=True, or give a longer video or a shorter speech: what is longer is cut.",
            code="",
        )


_CHECKS = {"video_url": check_video, "audio_url": check_audio, "ref_image_url": check_image}


def _within(name: Field, limit: Limit, value: float | None) -> Iterator[Finding]:
    if value is None or limit.allows(round(value, 3)):
        return
    unit = f" {limit.unit}".rstrip()
    allowed = limit.range
    if limit.unit == "bytes" and limit.high:
        allowed = f"at most {limit.high:,.0f} bytes ({limit.high / MEGABYTE:g} MB)"
    yield _finding(name, f"{limit.field} is {_number(value)}{unit}", allowed, limit.code)


def _finding(name: Field, value: str, limit: str, code: str) -> Finding:
    return Finding(field=name, value=value, limit=limit, remedy=meaning_of(code).remedy, code=code)


def _foreign(name: Field, media: Media, allowed: tuple[str, ...]) -> Finding:
    return _finding(name, f"it is a {media.container} file", _or(allowed), _FORMAT)


def _refused(name: Field, error: InputError) -> Finding:
    status = f" (HTTP {error.status})" if error.status else ""
    return Finding(field=name, value=error.message + status, remedy=error.remedy, code=error.code)


def _unchecked(name: Field, media: Media) -> Iterator[str]:
    """One sentence for each reason."""
    reasons: dict[str, list[str]] = {}
    for note in media.unchecked:
        what, _, why = note.partition(": ")
        reasons.setdefault(why, []).append(what)
    for why, several in reasons.items():
        yield f"{name}: {', '.join(several)} not checked: {why}"


def _readable(location: Location) -> Location:
    """:raises DashScopeError: only the service can read it"""
    if isinstance(location, str) and location.strip().startswith(TEMPORARY):
        raise DashScopeError("only the service can read what lies in its temporary store")
    return location


def _snapped(fps: float | None) -> float | None:
    whole = None if fps is None else round(fps)
    return fps if fps is None or whole is None or abs(fps - whole) >= _RATE_SLACK else whole


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")


def _number(value: float) -> str:
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def _or(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
