"""The check of the lips that a publish task makes: the downloaded video is compared with its presenter."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_videoretalk.airflow_adapters.location_policy import LocationPolicy
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, DashScopeError
from airflow_provider_videoretalk.faces.lip_change import LEAST_SHARE, LipChange, compare_lips
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEO_BYTES
from airflow_provider_videoretalk.operators.template_values import as_location, as_optional_text, check_word
from airflow_provider_videoretalk.optional_dependencies import require_extra
from airflow_provider_videoretalk.outbound.signed_url import safe_url
from airflow_provider_videoretalk.publishing.media_edit import EditError, MediaEdit

if TYPE_CHECKING:
    from airflow_provider_videoretalk.inputs.source import Source
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.outbound.host_access import AccessRule

LipCheck = Literal["off", "warn", "refuse"]
"""What a publish task does about lips that did not change.

- ``off``: nothing is compared.
- ``warn``: it is logged, and the video is published.
- ``refuse``: the task fails, and nothing is published.

Lips that could not be compared are logged and never refused.
"""

FIELD = "lips"
"""The field of the metadata file that has the result."""

log = logging.getLogger(__name__)


class UnchangedLipsError(EditError):
    """The lips of a video are those of its presenter. Nothing was published."""


def lip_checks(
    mode: object,
    presenter: Location | None,
    *,
    source: Mapping[str, Any],
    place: str,
    allowed_sources: object,
    access: AccessRule,
) -> list[MediaEdit]:
    """The check as a step before publishing, which changes nothing in the file; none if it is off.

    :param mode: as ``lip_check`` of ``PublishMediaOperator``
    :param source: the return value that is published, or a mapping with ``url``
    :param place: its URL or location
    :param access: how the host of the presenter's URL may be connected to
    :raises InputError: the mode is none of its words, or the presenter is missing or not allowed
    :raises ConfigurationError: the extra ``faces`` is not installed
    """
    word = as_optional_text("lip_check", mode) or "off"
    check_word("lip_check", word, ("off", "warn", "refuse"))
    if word == "off":
        return []
    require_extra("faces", part="lip_check")
    clip = _presenter(presenter, allowed_sources)

    def apply(video: Path, _: Path) -> dict[str, Any]:
        lips = _compare(video, clip, access=access)
        if lips.changed is False and word == "refuse":
            raise _unchanged_error(lips, source, place)
        (log.info if lips.changed else log.warning)("Checked the video: %s", lips)
        return {FIELD: lips.to_json()}

    settings = {"mode": word, "presenter": clip.description}
    return [MediaEdit(name="lip_check", settings=settings, apply=apply, changes_file=False)]


def _presenter(location: Any, allowed_sources: object) -> Source:
    # Loads requests.
    from airflow_provider_videoretalk.inputs.source import source_of

    policy = LocationPolicy(setting="allowed_sources", own=allowed_sources)
    # No store is opened that is not allowed.
    policy.check_remote("presenter", location)
    source = source_of("presenter", as_location("presenter", location))
    policy.check("presenter", source.location)
    return source


def _compare(video: Path, clip: Source, *, access: AccessRule) -> LipChange:
    # Loads aiohttp.
    from airflow_provider_videoretalk.media.local_copy import local_copy

    copy = video.with_name("presenter")
    try:
        most = round(VIDEO_BYTES.high or 0)
        return compare_lips(video, local_copy(clip.location, copy, field="presenter", access=access, most=most))
    except ConfigurationError:
        raise
    except DashScopeError as error:
        return LipChange(frames=0, changed_frames=0, reason=str(error))
    finally:
        copy.unlink(missing_ok=True)


def _unchanged_error(lips: LipChange, source: Mapping[str, Any], place: str) -> UnchangedLipsError:
    job = f"render job {source['task_id']}" if source.get("task_id") else "the video"
    where = safe_url(place) if place.startswith(("http://", "https://")) else place
    until = f" until {source['expires_at']}" if source.get("expires_at") else ""
    return UnchangedLipsError(
        f"{job} was paid, but {lips}, allowed is at least {LEAST_SHARE:.0%}. Its video is at {where}{until}",
        remedy="Nothing was published. Look at the video. Publish it with lip_check='warn', or make it again with a "
        "presenter whose face is seen.",
    )
