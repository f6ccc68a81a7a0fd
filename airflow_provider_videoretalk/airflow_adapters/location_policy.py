"""Where tasks may read and write: Airflow's configuration, narrowed by an operator's own argument."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from airflow.providers.common.compat.sdk import conf

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.outbound.location_prefix import (
    LOCAL_SCHEMES,
    REMOTE,
    LocationPrefixes,
    RemoteLocation,
    scheme_of,
    split_entries,
)
from airflow_provider_videoretalk.outbound.signed_url import safe_url

SECTION = "videoretalk"
"""The section of Airflow's configuration."""

Setting = Literal["allowed_sources", "allowed_destinations"]

# Characters of a refused location that a message shows.
_SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class LocationPolicy:
    """The allowed sources or destinations of one task. A location must be allowed by the configuration **and** by the
    operator, so an operator can only narrow what the configuration allows.

    :param own: the operator's argument, as it is rendered: a list of entries, or a text with commas between them;
        ``None`` to add no limit of its own
    """

    setting: Setting
    own: object = None

    def check(self, field: str, location: object) -> None:
        """Returns if a location may be used. Opens nothing.

        :param location: a URL, the URI of an object, the path of a file, or an ``ObjectStoragePath``
        :raises InputError: it may not
        :raises ConfigurationError: the setting cannot be read
        """
        place = _place(location)
        for prefixes, entries, origin in self._lists():
            if not prefixes.allow(place):
                raise self._refusal(field, place, entries, origin)

    def check_remote(self, field: str, location: object) -> None:
        """Like :meth:`check`; a file is checked when its URI has become a path."""
        if isinstance(location, str) and scheme_of(location) not in LOCAL_SCHEMES:
            self.check(field, location)

    def allows(self, location: object) -> bool:
        """Whether a location may be used. A setting that cannot be read allows nothing."""
        try:
            self.check("", location)
        except (InputError, ConfigurationError):
            return False
        return True

    def _lists(self) -> list[tuple[LocationPrefixes, list[str], str]]:
        """The allowed locations, the entries that name them, and where the entries stand."""
        origin = f"[{SECTION}] {self.setting} of Airflow's configuration"
        try:
            lists = [(conf.get(SECTION, self.setting, fallback=REMOTE), origin)]
        except Exception as error:
            # Airflow's own error, or that of Python's parser.
            raise ConfigurationError(
                f"{origin} cannot be read: {type(error).__name__}", remedy="In airflow.cfg, write % as %%."
            ) from None
        if self.own is not None:
            lists.append((self.own, f"the task's {self.setting}"))
        return [(*self._parse(value, origin), origin) for value, origin in lists]

    def _parse(self, value: object, origin: str) -> tuple[LocationPrefixes, list[str]]:
        try:
            entries = list(split_entries(value))
            return LocationPrefixes.parse(entries), entries
        except ValueError as error:
            raise ConfigurationError(
                f"{origin} cannot be used: {error}",
                remedy="Give entries such as https://host/folder/, s3://conn@bucket/folder/, file:///folder/, remote.",
            ) from None

    def _refusal(self, field: str, place: str | Path, entries: list[str], origin: str) -> InputError:
        allowed = ", ".join("every URL and store" if entry == REMOTE else entry for entry in entries) or "nothing"
        if isinstance(place, Path):
            why, entry = "", f"file://{place.parent}/"
        else:
            why, entry = _why_unclear(place), f"{scheme_of(place)}://..." if scheme_of(place) else "its prefix"
        variable = f"AIRFLOW__{SECTION.upper()}__{self.setting.upper()}"
        change = f"add {entry} to {origin}" + (f" ({variable})" if origin.startswith("[") else " in its DAG file")
        return InputError(
            f"{field} is {_shown(place)}{why}, allowed is {allowed}, by {origin}",
            remedy=f"Use such a location, or {change}.",
        )


def _place(location: Any) -> str | Path:
    """The path of a file; the URL or URI of anything else."""
    if isinstance(location, str):
        return location
    # An ObjectStoragePath may be a PathLike too.
    protocol = getattr(location, "protocol", None)
    if protocol is not None and protocol not in LOCAL_SCHEMES:
        return str(location)
    if protocol is not None:
        return Path(location.path)
    return Path(location) if isinstance(location, PathLike) else str(location)


def _shown(place: str | Path) -> str:
    """A location without what may be secret: the query, user and password of a URL."""
    if isinstance(place, Path):
        return repr(str(place)[:_SHOWN])
    if scheme_of(place) not in ("http", "https"):
        return repr(place[:_SHOWN])
    try:
        return repr(safe_url(place.strip())[:_SHOWN])
    except ValueError:
        return "a URL that cannot be read"


def _why_unclear(place: str) -> str:
    try:
        RemoteLocation.parse(place)
    except UnicodeError:
        return " (its host name is invalid)"
    except ValueError as error:
        return f" ({error})"
    return ""
