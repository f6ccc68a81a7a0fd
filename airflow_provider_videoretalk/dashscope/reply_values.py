"""Makes values of replies safe for logs, records, XComs and Airflow's database.

Every reply passes :func:`parse_reply` once. The other functions read single fields of it: a value of the wrong type or
range is ``None``, as if the service had not given it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

MAX_TEXT = 8192
"""Characters of a text in a reply. The rest is cut off."""

MAX_DEPTH = 16
"""Levels of nesting in a reply. Deeper values are ``None``."""

MAX_INTEGER = 2**63 - 1
"""The largest integer of Airflow's databases and of most JSON readers. Larger numbers are ``None``.

That holds for floats too: PostgreSQL's JSON gives 1e22 back as an integer, which Airflow cannot send to a worker.
"""

_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=@+~-]{0,127}")

# PostgreSQL stores neither NUL nor half of a surrogate pair. Other control characters could forge lines of a log.
_UNSAFE_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# No render job is older than the service. Clocks differ by less than a day, also where a time zone is wrong.
_EARLIEST = datetime(2020, 1, 1, tzinfo=timezone.utc)
_LATEST_AFTER_NOW = timedelta(days=1)


def parse_reply(content: bytes) -> Any:
    """The JSON value of a body, with these changes:

    - NaN and infinite numbers are ``None``, also numbers beyond 64 bits
    - texts are at most :data:`MAX_TEXT` long, and their unpaired surrogates and control characters are replaced
    - values below :data:`MAX_DEPTH` levels are ``None``

    :raises ValueError: it is no JSON, or is nested so deeply that Python cannot read it
    """
    try:
        value = json.loads(content.decode("utf-8", "replace"), parse_int=_integer, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return _clean(value, depth=0)


def clean_text(text: str, *, max_length: int = MAX_TEXT) -> str:
    """``text`` without the characters that Airflow's stores or logs cannot take, and cut to a length."""
    return _UNSAFE_CHARACTERS.sub(_REPLACEMENT, text[:max_length])


def plain_id(value: object) -> str | None:
    """An id of at most 128 letters, digits and ``._:=@+~-`` that begins with a letter or a digit."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and _PLAIN_ID.fullmatch(value) else None


def required_id(value: object) -> str:
    """
    :raises ValueError: it is no plain id
    """
    found = plain_id(value)
    if found is None:
        raise ValueError("task_id is missing, or is not a plain id")
    return found


def line(value: object, *, max_length: int = 1000) -> str | None:
    """A text of one line; a number counts as its text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return " ".join(clean_text(str(value), max_length=max_length).split()) or None


def web_url(value: object) -> str | None:
    """An http or https URL with a host, without spaces and control characters."""
    if not isinstance(value, str) or len(value) >= MAX_TEXT or _REPLACEMENT in value:
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return value if usable and not any(character.isspace() for character in value) else None


def number(value: object, *, low: float = 0.0, high: float = math.inf) -> float | None:
    """A finite number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and low <= value <= high else None


def count(value: object) -> int | None:
    """An integer from 0 to :data:`MAX_INTEGER`."""
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else None


def possible_time(moment: datetime) -> datetime | None:
    """``moment`` if a job of this service can have it: from 2020 to tomorrow."""
    return moment if _EARLIEST <= moment <= datetime.now(timezone.utc) + _LATEST_AFTER_NOW else None


def epoch_time(value: object, *, unit: timedelta, latest: timedelta = _LATEST_AFTER_NOW) -> datetime | None:
    """A time as a count since the epoch.

    :param unit: of the count
    :param latest: the latest possible time, after now
    """
    elapsed = number(value, high=MAX_INTEGER)
    if elapsed is None:
        return None
    seconds = elapsed * unit.total_seconds()
    if not _EARLIEST.timestamp() <= seconds <= (datetime.now(timezone.utc) + latest).timestamp():
        return None
    return datetime.fromtimestamp(seconds, tz=timezone.utc)


def mapping(value: object) -> Mapping[str, Any]:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def _integer(digits: str) -> int | None:
    # Of a sign and 19 digits. Python refuses to convert thousands of digits, because that takes long.
    return int(digits) if len(digits) <= 20 and abs(int(digits)) <= MAX_INTEGER else None


def _clean(value: Any, *, depth: int) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) and abs(value) <= MAX_INTEGER else None
    if isinstance(value, dict | list) and depth >= MAX_DEPTH:
        return None
    if isinstance(value, dict):
        return {clean_text(name): _clean(each, depth=depth + 1) for name, each in value.items()}
    if isinstance(value, list):
        return [_clean(each, depth=depth + 1) for each in value]
    return value
