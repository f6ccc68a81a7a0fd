"""Signed URLs: which object they name, when they expire, and what of them is secret.

No function here raises an error, whatever text it is given.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from airflow_provider_videoretalk.outbound.signature_expiry import claimed_end, claims_of, time_in
from airflow_provider_videoretalk.outbound.signature_heuristics import (
    is_credential_token,
    is_signature_name,
    looks_signed,
    opaque_segments,
)
from airflow_provider_videoretalk.outbound.signature_schemes import JWT, PATH_SCHEMES, QUERY_SCHEMES, QueryScheme

_HIDDEN = "***"

# Longer texts are not signatures, and would take long to compare with the patterns.
_MAX_LENGTH = 8192

_MAX_SHOWN = 2048

# Airflow masks no shorter text by default.
_MIN_MASKED = 5

# What differs between two tokens for the same object.
_CLAIMS_OF_TIME = frozenset({"iat", "exp", "nbf", "jti", "nonce"})

_TOKEN_SEGMENT = re.compile(rf"(?<=/)({JWT})(?=/.)")
_ONLY_TIME = re.compile(r"[\d:;TZ.+-]*")
_URL_IN_TEXT = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s\"'<>\\^`{|}]+")
_SECRET_IN_TEXT = re.compile(
    r"((?:signature|security-token|hmac|auth_?key|secret|password|[?&](?:sign|sig|token|authorization))=)[^\s&\"'<>]+",
    re.IGNORECASE,
)
# A query whose question mark is encoded, a path parameter, and a login that is not where it belongs.
_SECRET_IN_PATH = re.compile(r"%3f.*(?:=|%3d).*|;[^/]*=[^/]*|[^/:@]+:[^/@]+@", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class _Parameter:
    """One parameter of a query.

    :param raw: as it is in the URL
    """

    raw: str

    @cached_property
    def name(self) -> str:
        return unquote(self.raw.partition("=")[0]).lower()

    @cached_property
    def value(self) -> str:
        return unquote(self.raw.partition("=")[2])

    @property
    def looks_signed(self) -> bool:
        return looks_signed(self.raw, name=self.name, value=self.value)


@dataclass(frozen=True)
class _QuerySignature:
    """A signature in the query.

    :param marks: the parameters by which it was recognised
    :param parameters: these, and all others that belong to it
    """

    scheme: QueryScheme
    marks: frozenset[_Parameter]
    parameters: frozenset[_Parameter]
    ends: tuple[datetime, ...]


@dataclass(frozen=True)
class _PathSignature:
    """A signature in the path, at ``start`` to ``stop``.

    :param replacement: what stands for it in an identity; ``""`` to leave it out
    """

    start: int
    stop: int
    end: datetime | None
    end_is_earliest: bool = False
    replacement: str = ""


class _SignedUrl:
    """A URL, and the signatures that are recognised in it."""

    def __init__(self, url: str) -> None:
        self.parts = _split(url)
        self.parameters = [_Parameter(raw) for raw in self.parts.query.split("&") if raw]
        self.in_query: list[_QuerySignature] = []
        self.in_path: list[_PathSignature] = []
        self.tokens: dict[_Parameter, dict[str, Any]] = {}
        if self.parts.scheme in ("http", "https") and self.parts.netloc and len(url) <= 4 * _MAX_LENGTH:
            self.in_query = list(_find_in_query(self.parts.path, self.parameters))
            self.in_path = list(_find_in_path(self.parts.path))
            self.tokens = {one: claims for one in self.parameters if (claims := _claims(one.value)) is not None}

    @cached_property
    def belonging(self) -> set[_Parameter]:
        """The parameters of the recognised signatures."""
        found = {one for signature in self.in_query for one in signature.parameters}
        return found | {one for one in self.parameters if found and is_credential_token(one.name)}

    @cached_property
    def suspicious(self) -> list[_Parameter]:
        """The parameters that look signed, and belong to no recognised signature."""
        return [
            one for one in self.parameters if one not in self.belonging and one not in self.tokens and one.looks_signed
        ]

    @cached_property
    def hidden_path(self) -> str:
        """The path without the recognised signatures."""
        return self._path(lambda signature: _HIDDEN)

    @cached_property
    def unsigned_path(self) -> str:
        """The path for the URL's identity."""
        return self._path(lambda signature: signature.replacement)

    def _path(self, replacement: Any) -> str:
        path = self.parts.path
        # From the end, so that the places before it stay.
        for signature in reversed(self.in_path):
            new = replacement(signature)
            # A signature that leaves nothing behind takes the slash after it along.
            path = path[: signature.start] + new + path[signature.stop + (0 if new else 1) :]
        return path


@lru_cache(maxsize=64)
def _read(url: str) -> _SignedUrl:
    return _SignedUrl(url)


def without_signature(url: str) -> str:
    """The URL without its signature: the same for each new signature of the same object.

    Parameters that select content stay, such as ``versionId``, ``response-content-type`` or ``x-oss-process``. They are
    sorted by name. A URL in which no signature is recognised is returned as it is. Of a JWT only the times are left
    out, since its other claims may name the object.
    """
    while (shorter := _without_outer_signature(url)) != url:
        url = shorter
    return url


def without_signatures(value: Any) -> Any:
    """Applies :func:`without_signature` to each URL in a JSON value."""
    if isinstance(value, Mapping):
        return {name: without_signatures(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_signatures(one) for one in value]
    return without_signature(value) if isinstance(value, str) and "://" in value else value


def expiry_of(url: str) -> datetime | None:
    """When a signed URL expires, as it says itself; ``None`` if it does not say.

    It may be valid for longer if :func:`expiry_is_earliest`, and for less if :func:`uses_temporary_credentials`.
    """
    signed = _read(url)
    ends = [end for signature in signed.in_query for end in signature.ends]
    ends += [signature.end for signature in signed.in_path if signature.end is not None]
    ends += [end for claims in signed.tokens.values() if (end := claimed_end(claims)) is not None]
    return min(ends, default=None)


def expiry_is_earliest(url: str) -> bool:
    """Whether :func:`expiry_of` is a time to which the CDN adds a period that the URL does not state."""
    signed = _read(url)
    found = [signature.scheme.end_is_earliest for signature in signed.in_query if signature.ends]
    found += [signature.end_is_earliest for signature in signed.in_path if signature.end is not None]
    return bool(found) and all(found) and not signed.tokens


def uses_temporary_credentials(url: str) -> bool:
    """Whether the URL expires with credentials, at a time that it does not state."""
    signed = _read(url)
    return any(is_credential_token(one.name) and one.value for one in signed.parameters) or any(
        signature.scheme.temporary and not signature.ends for signature in signed.in_query
    )


def has_unknown_signature(url: str) -> bool:
    """Whether the URL seems to be signed in a way that is not in the table. A new signature is another identity."""
    signed = _read(url)
    return bool(signed.suspicious or opaque_segments(signed.hidden_path))


def has_signed_url(text: str) -> bool:
    """Whether a text has a URL with a signature or a token, be it of a known kind or not."""
    found = (_read(match[0]) for match in _URL_IN_TEXT.finditer(text))
    return any(one.belonging or one.tokens or one.suspicious or one.in_path for one in found)


def safe_url(url: str) -> str:
    """A URL for logs and records, without what may be secret.

    User, password, query, fragment and path parameters are left out. Signatures in the path are ``***``, and so is what
    follows after 2,048 characters.
    """
    signed = _read(url)
    path = signed.hidden_path
    path = path if len(path) <= _MAX_SHOWN else path[:_MAX_SHOWN] + _HIDDEN
    path = _SECRET_IN_PATH.sub("", path)
    for segment in opaque_segments(path):
        path = path.replace(segment, _HIDDEN)
    host = signed.parts.netloc.rpartition("@")[2]
    return signed.parts._replace(netloc=host, path=path, query="", fragment="").geturl()


def safe_text(text: str) -> str:
    """A text of others, with :func:`safe_url` for each URL in it, and without values that are named as signatures."""

    def safe(found: re.Match[str]) -> str:
        url = found[0].rstrip(".,;:!?)]")
        return safe_url(url) + found[0][len(url) :]

    return _SECRET_IN_TEXT.sub(rf"\g<1>{_HIDDEN}", _URL_IN_TEXT.sub(safe, text))


def secrets_of(url: str) -> list[str]:
    """The texts to mask in a log: password, signed query, signatures and tokens; empty if nothing is secret."""
    signed = _read(url)
    _, _, password = signed.parts.netloc.rpartition("@")[0].partition(":")
    path = signed.parts.path
    values = [password, unquote(password), *opaque_segments(signed.hidden_path)]
    values += [path[signature.start : signature.stop] for signature in signed.in_path]
    if signed.belonging or signed.tokens or signed.suspicious:
        values.append(signed.parts.query)
    secret = {one for signature in signed.in_query for one in signature.marks}.union(signed.tokens, signed.suspicious)
    secret |= {one for one in signed.parameters if is_signature_name(one.name)}
    for parameter in signed.parameters:
        if parameter in secret and not _ONLY_TIME.fullmatch(parameter.value):
            values += [parameter.raw.partition("=")[2], parameter.value]
    return [value for value in dict.fromkeys(values) if len(value) >= _MIN_MASKED]


def _without_outer_signature(url: str) -> str:
    signed = _read(url)
    if not (signed.in_query or signed.in_path or signed.tokens):
        return url
    kept = sorted((one for one in signed.parameters if one not in signed.belonging), key=lambda one: one.name)
    query = "&".join(
        f"{one.raw.partition('=')[0]}={_claims_identity(signed.tokens[one])}" if one in signed.tokens else one.raw
        for one in kept
    )
    return signed.parts._replace(path=signed.unsigned_path, query=query).geturl()


def _find_in_query(path: str, parameters: list[_Parameter]) -> Iterator[_QuerySignature]:
    query = {one.name: one.value for one in parameters}
    for scheme in QUERY_SCHEMES:
        found = [_matching(parameters, name, value) for name, value in scheme.needs]
        if not all(found) or (scheme.path is not None and not scheme.path.fullmatch(path)):
            continue
        marks = frozenset(one for matches in found for one in matches)
        ends = [time_in(match) for matches in found for match in matches.values()]
        ends += [scheme.end(query)] if scheme.end is not None else []
        known_ends = tuple(end for end in ends if end is not None)
        if known_ends or not scheme.only_with_end:
            belonging = frozenset(one for one in parameters if re.fullmatch(scheme.belongs, one.name))
            yield _QuerySignature(scheme, marks, marks | belonging, known_ends)


def _matching(parameters: list[_Parameter], name: str, value: str) -> dict[_Parameter, re.Match[str]]:
    """The parameters whose name and value match both patterns, with the matches of the values."""
    found = {}
    for parameter in parameters:
        if len(parameter.value) <= _MAX_LENGTH and re.fullmatch(name, parameter.name):
            match = re.fullmatch(value, parameter.value, re.IGNORECASE | re.DOTALL)
            if match:
                found[parameter] = match
    return found


def _find_in_path(path: str) -> Iterator[_PathSignature]:
    """The first signature in a path, else each JWT in it, in their order."""
    if len(path) > _MAX_LENGTH:
        return
    for scheme in PATH_SCHEMES:
        found = scheme.pattern.search(path)
        # What stands in the place of a time must be one.
        if found and (time_in(found) is not None or len(found.groupdict()) == 1):
            yield _PathSignature(*found.span("cut"), time_in(found), end_is_earliest=scheme.end_is_earliest)
            return
    for found in _TOKEN_SEGMENT.finditer(path):
        claims = _claims(found[1])
        if claims is not None:
            yield _PathSignature(*found.span(1), claimed_end(claims), replacement=_claims_identity(claims))


def _claims(text: str) -> dict[str, Any] | None:
    return claims_of(text) if len(text) <= _MAX_LENGTH and re.fullmatch(JWT, text) else None


def _claims_identity(claims: Mapping[str, Any]) -> str:
    lasting = {name: value for name, value in claims.items() if name not in _CLAIMS_OF_TIME}
    return f"claims.{hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()}"


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        # Such as a bracket in the host. Any part of it may be secret.
        scheme = url.partition("://")[0]
        return SplitResult(scheme if scheme.isalnum() and len(scheme) <= 10 else "", _HIDDEN, "", "", "")
