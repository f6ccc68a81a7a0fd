"""Guesses whether a text is a signature or another secret, where no scheme is recognised."""

from __future__ import annotations

import itertools
import re
from urllib.parse import unquote

# Names of parameters that mean a signature, and names that do so only if the value looks random.
_SIGNATURE_NAME = re.compile(
    r"(?:.*[-_])?(?:x?sign|sig|hmac|mac|auth|authorization|credential)(?:[-_].*|key)?|.*(?:signature|secret|password).*"
)
_TOKEN_NAME = re.compile(
    r".*(?:token|auth|ticket|policy|jwt|bearer|session|access|verify|nonce).*|(?:.*[-_])?(?:key|hash|md5|code|st|s|k)\d?"
)
_EXPIRY_NAME = re.compile(r".*(?:expire|expir|deadline).*|exp")
_MIN_SIGNATURE, _MIN_RANDOM, _MIN_OPAQUE = 8, 12, 80

# A digest of 512 bits, in hexadecimal, names an object by its content.
_LONG_DIGEST = re.compile(r"[0-9a-f]{96,128}(?:\.\w{1,5})?", re.IGNORECASE)

_CREDENTIAL_TOKEN = re.compile(r"(?:.*[-_])?(?:security|s3session|session|sts)[-_]?token")


def is_credential_token(name: str) -> bool:
    """Whether a parameter of this name holds temporary credentials, which end at a time that no URL states."""
    return _CREDENTIAL_TOKEN.fullmatch(name) is not None


def is_signature_name(name: str) -> bool:
    """Whether a parameter of this name holds a secret, whatever its value is."""
    return _SIGNATURE_NAME.fullmatch(name) is not None or is_credential_token(name)


def looks_signed(raw: str, *, name: str, value: str) -> bool:
    """Whether a parameter looks like a part of a signature.

    :param raw: the parameter as it is in the URL
    :param name: decoded, in lower case
    :param value: decoded
    """
    if "=" not in raw:
        return len(raw) >= 2 * _MIN_RANDOM and is_random(unquote(raw))
    if is_signature_name(name):
        return len(value) >= _MIN_SIGNATURE
    if _EXPIRY_NAME.fullmatch(name):
        return re.fullmatch(r"\d{10}", value) is not None or is_random(value)
    return _TOKEN_NAME.fullmatch(name) is not None and is_random(value)


def is_random(text: str) -> bool:
    """Whether a text changes between small letters, capitals and digits as often as random ones do."""
    kinds = [
        "digit" if character.isdigit() else "capital" if character.isupper() else "small"
        for character in text
        if character.isascii() and character.isalnum()
    ]
    if len(kinds) < _MIN_RANDOM or len(kinds) < 0.8 * len(text):
        return False
    return sum(one != another for one, another in itertools.pairwise(kinds)) >= len(kinds) / 5


def opaque_segments(path: str) -> list[str]:
    """The segments of a path that are too long and too random to be names."""
    return [
        segment
        for segment in path.split("/")
        if len(segment) >= _MIN_OPAQUE and is_random(segment) and not _LONG_DIGEST.fullmatch(segment)
    ]
