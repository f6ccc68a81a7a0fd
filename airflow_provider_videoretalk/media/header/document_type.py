"""Detects documents that were saved in place of media, such as a server's error page."""

from __future__ import annotations

import codecs
import re

DOCUMENTS = {
    "html": "an HTML page",
    "xml": "an XML document",
    "json": "a JSON document",
    "text": "a text file",
    "pdf": "a PDF document",
    "zip": "a ZIP archive",
    "gzip": "a gzip archive",
    "empty": "an empty file",
}
"""The types of files that no player opens, in words."""

# Byte order marks, and the encodings that they announce.
_ENCODINGS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

# Players open the addresses that a playlist lists. Playlists are detected only to be named in the error message.
_PLAYLISTS = ("#EXTM3U", "ffconcat", "[playlist]", "[Reference]", "v=0")
_PLAYLIST_ELEMENTS = frozenset({"mpd", "smil", "asx", "playlist", "smoothstreamingmedia"})
_HTML_ELEMENTS = frozenset({"html", "head", "body", "title", "script", "meta", "div", "p", "h1", "center"})

_PROLOG = re.compile(r"(?:\s|<\?[^>]*>|<!--.*?-->|<!DOCTYPE[^>]*>)*", re.DOTALL | re.IGNORECASE)
_ELEMENT = re.compile(r"<(?:\w+:)?(\w+)")
_ERROR_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_JSON = re.compile(r"[{\[]\s*(?:[\"{}\[\]\d-]|true|false|null|$)")
_CONTROL_CHARACTERS = frozenset(map(chr, range(32))) - frozenset("\t\n\v\f\r\x1b")


def detect_document_type(head: bytes) -> str | None:
    """The type of a document, by its first bytes.

    :return: ``playlist``, ``html``, ``xml``, ``json`` or ``text``; ``None`` for bytes that are not text
    """
    content = _decode(head).strip()
    if not content or not _CONTROL_CHARACTERS.isdisjoint(content):
        return None
    if content.startswith(_PLAYLISTS):
        return "playlist"
    if content.startswith("<"):
        return _detect_markup_type(content)
    return "json" if _JSON.match(content) else "text"


def store_error_code(head: bytes) -> str | None:
    """The code in a store's error document, such as ``AccessDenied``; ``None`` for other bytes."""
    found = _ERROR_CODE.search(_decode(head))
    return found[1] if found else None


def _detect_markup_type(content: str) -> str:
    prolog = _PROLOG.match(content)
    before = prolog[0] if prolog else ""
    element = _ELEMENT.match(content, len(before))
    name = element[1].lower() if element else ""
    if name in _PLAYLIST_ELEMENTS:
        return "playlist"
    return "html" if name in _HTML_ELEMENTS or "<!doctype html" in before.lower() else "xml"


def _decode(head: bytes) -> str:
    """The text, as far as it is complete; ``""`` for bytes that are not text."""
    mark, encoding = next((pair for pair in _ENCODINGS.items() if head.startswith(pair[0])), (b"", "utf-8"))
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(head[len(mark) :])
    except UnicodeDecodeError:
        # A page in an older encoding: only its markup matters.
        return head.decode("latin-1") if head.lstrip().startswith(b"<") else ""
