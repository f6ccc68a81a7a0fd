"""Reads when a URL's signature ends, from the values of its parameters. A value that cannot be read has no end."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

_BEIJING_TIME = timezone(timedelta(hours=8))
_STAMP = "%Y%m%dT%H%M%SZ"
_FRACTION = re.compile(r"\.\d+")
_COS_END = re.compile(r"q-(?:sign|key)-time=\d+;(\d+)")
_OLD_COS_END = re.compile(r"(?:^|&)e=(\d+)")
_BCE = re.compile(r"bce-auth-v1/[^/]*/([^/]+)/(\d+)/")


def time_in(found: re.Match[str]) -> datetime | None:
    """The time in a match's named group: ``unix``, ``milliseconds``, ``hexadecimal`` (seconds), ``iso`` or
    ``beijing_minute`` (``YYYYMMDDHHMM`` in UTC+8)."""
    groups = {name: text for name, text in found.groupdict().items() if text}
    try:
        if "unix" in groups:
            return _from_unix(int(groups["unix"]))
        if "milliseconds" in groups:
            return _from_unix(int(groups["milliseconds"]) // 1000)
        if "hexadecimal" in groups:
            return _from_unix(int(groups["hexadecimal"], 16))
        if "iso" in groups:
            return _from_iso(groups["iso"])
        if "beijing_minute" in groups:
            return datetime.strptime(groups["beijing_minute"], "%Y%m%d%H%M").replace(tzinfo=_BEIJING_TIME)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def version_4(query: Mapping[str, str]) -> datetime | None:
    """``X-Amz-Date`` plus ``X-Amz-Expires`` seconds, and the same with another vendor's prefix.

    OSS version 2 has no date: there ``x-oss-expires`` is seconds since the epoch.
    """
    ends = []
    for name in query:
        if not name.endswith("-signature") or not name.startswith("x-"):
            continue
        prefix = name.removesuffix("-signature")
        try:
            seconds = int(query[f"{prefix}-expires"])
            signed = query.get(f"{prefix}-date")
            if signed is not None:
                begin = datetime.strptime(signed, _STAMP).replace(tzinfo=timezone.utc)
                ends.append(begin + timedelta(seconds=seconds))
            else:
                ends.append(_from_unix(seconds))
        except (KeyError, ValueError, OverflowError, OSError):
            continue
    return min(ends, default=None)


def azure_sas(query: Mapping[str, str]) -> datetime | None:
    """``se``, or the earlier ``ske``, at which the key of a user delegation SAS ends."""
    return _earliest(query.get(name, "") for name in ("se", "ske"))


def cloudfront_policy(query: Mapping[str, str]) -> datetime | None:
    """``AWS:EpochTime`` of the policy's condition ``DateLessThan``.

    The policy is Base64, with three other characters.
    """
    policy = _json_of(query.get("policy", "").translate(str.maketrans("-_~", "+=/")))
    try:
        return _from_unix(
            min(
                int(statement["Condition"]["DateLessThan"]["AWS:EpochTime"])
                for statement in (policy["Statement"] if isinstance(policy, dict) else ())
            )
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def tencent_cos(query: Mapping[str, str]) -> datetime | None:
    """The second time of ``q-sign-time`` or ``q-key-time``, whichever is earlier."""
    return _cos_end("&".join(f"{name}={query.get(name, '')}" for name in ("q-sign-time", "q-key-time")))


def tencent_cos_sign(query: Mapping[str, str]) -> datetime | None:
    """``sign`` holds the parameters of the newer form, or Base64 of a digest and of ``a=...&e=<end>&...``."""
    value = query.get("sign", "")
    if value.startswith("q-"):
        return _cos_end(value)
    text = _decoded(value)[20:].decode("latin-1")
    found = _OLD_COS_END.search(text)
    try:
        # 0: valid once, without an end.
        return _from_unix(int(found[1])) if found and int(found[1]) else None
    except (ValueError, OverflowError, OSError):
        return None


def baidu_bos(query: Mapping[str, str]) -> datetime | None:
    """``bce-auth-v1/<key>/<time>/<seconds>/<headers>/<signature>``; -1 seconds are without an end."""
    found = _BCE.match(query.get("authorization", ""))
    try:
        return _from_iso(found[1]) + timedelta(seconds=int(found[2])) if found else None
    except (ValueError, OverflowError):
        return None


def json_web_token(query: Mapping[str, str]) -> datetime | None:
    """The claim ``exp`` of the JWT in ``token`` or ``tempauth``."""
    return claimed_end(claims_of(query.get("token") or query.get("tempauth", "")))


def claims_of(token: str) -> dict[str, Any] | None:
    """The claims of a JWT (RFC 7519); ``None`` if it is none. Its signature is not checked."""
    # SharePoint writes a version before the token.
    parts = token.removeprefix("v1.").split(".")
    claims = next((read for part in reversed(parts[:2]) if isinstance(read := _json_of(part), dict)), None)
    return claims if len(parts) >= 2 else None


def claimed_end(claims: Mapping[str, Any] | None) -> datetime | None:
    """The claim ``exp``."""
    try:
        return _from_unix(int((claims or {})["exp"]))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _cos_end(text: str) -> datetime | None:
    try:
        return _from_unix(min(int(end) for end in _COS_END.findall(text)))
    except (ValueError, OverflowError, OSError):
        return None


def _earliest(texts: Iterable[str]) -> datetime | None:
    ends = []
    for text in texts:
        try:
            ends.append(_from_iso(text))
        except ValueError:
            continue
    return min(ends, default=None)


def _from_unix(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.utc)


def _from_iso(text: str) -> datetime:
    # Python 3.10 reads neither Z nor seven digits of a fraction.
    moment = datetime.fromisoformat(_FRACTION.sub("", text).replace("Z", "+00:00").replace("z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _json_of(text: str) -> Any:
    try:
        value = json.loads(_decoded(text))
        # Too deep to be written is too deep to be read.
        json.dumps(value)
    except (ValueError, RecursionError):
        return None
    return value


def _decoded(text: str) -> bytes:
    """Base64 of either alphabet, with or without its padding; empty if it is none."""
    plain = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return b""
