"""Names of clips, on pages and of downloaded files. They are cut between characters as a reader sees them."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote

_SEPARATOR = " · "

# Airflow's mark of a rendered field that is longer than it keeps. Some versions put Python's quotes around the text.
_TRUNCATED = re.compile(r"Truncated\. You can change this behaviour in \[core\]max_templated_field_length\. ?")
_ELLIPSIS = re.compile(r"\s*\.\.\.\s*\Z")

_JOINER, _NON_JOINER = "\u200d", "\u200c"
_HANGUL_VOWELS_AND_ENDS = range(0x1160, 0x1200)
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)
_TAGS = range(0xE0020, 0xE0080)

# Characters that one visible character can consist of. A longer one is cut.
_LONGEST = 32

_NOT_IN_FILE_NAMES = re.compile(r'[\\/:*?"<>|]+')


def untruncated(text: str) -> tuple[str, bool]:
    """The text of a rendered field without Airflow's mark, and whether Airflow has cut it."""
    mark = _TRUNCATED.match(text)
    if mark is None:
        return text, False
    beginning = _ELLIPSIS.sub("", text[mark.end() :])
    if beginning[:1] in ("'", '"'):
        try:
            beginning = str(ast.literal_eval(beginning))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            beginning = beginning[1:].rstrip(beginning[0])
    return beginning, True


def one_line(text: str) -> str:
    """The text without line breaks, and without characters that are not seen or change the direction of the page."""
    shown = (
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char
        for char in text
        if unicodedata.category(char) != "Cf" or char in (_JOINER, _NON_JOINER) or ord(char) in _TAGS
    )
    return " ".join("".join(shown).split())


def cut(text: str, *, longest: int) -> str:
    """The beginning of a text in one line, with ``…`` if it is cut.

    :param longest: in characters. A base character is not separated from its accents, nor an emoji or a flag from its
        parts
    """
    line = one_line(text[: longest * _LONGEST])
    if len(line) <= longest and len(text) <= longest * _LONGEST:
        return line
    lowest = max(longest - _LONGEST, 0)
    end = next((at for at in range(min(longest, len(line)), lowest, -1) if not _continues(line, at)), longest)
    return f"{line[:end].rstrip()}…"


def _continues(text: str, at: int) -> bool:
    """Whether the character at a position belongs to the one before it."""
    if at >= len(text):
        return False
    char, before = text[at], text[at - 1]
    if unicodedata.category(char).startswith("M") or _JOINER in (char, before):
        return True
    if ord(char) in _FLAG_LETTERS:
        # Flags are pairs of letters.
        start = at
        while start and ord(text[start - 1]) in _FLAG_LETTERS:
            start -= 1
        return (at - start) % 2 == 1
    return any(ord(char) in parts for parts in (_HANGUL_VOWELS_AND_ENDS, _SKIN_TONES, _TAGS))


def joined(parts: Iterable[str | None]) -> str:
    return _SEPARATOR.join(part for part in parts if part)


def file_name(name: str, *, suffix: str, longest: int = 100) -> str:
    """A plain file name for a download, on any system.

    :param suffix: with its dot
    """
    plain = _NOT_IN_FILE_NAMES.sub(" ", cut(name, longest=longest)).replace("…", "").replace("·", "-")
    return f"{' '.join(plain.split()).strip('. ') or 'video'}{suffix}"


def content_disposition(name: str, *, kind: Literal["inline", "attachment"]) -> str:
    """The header by which a browser names a file.

    :param name: see :func:`file_name`
    """
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    # RFC 6266: browsers take the second name.
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
