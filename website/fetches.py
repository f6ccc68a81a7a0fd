"""What a browser fetches by itself when it shows a page."""

from __future__ import annotations

from html.parser import HTMLParser

_SOURCES = {"script": "src", "img": "src", "iframe": "src", "video": "src", "audio": "src", "source": "src"}
_FETCHED_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload"}


class _Fetches(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in _SOURCES:
            self.urls.append(found.get(_SOURCES[tag]) or "")
        elif tag == "link" and _FETCHED_LINKS & set((found.get("rel") or "").split()):
            self.urls.append(found.get("href") or "")


def fetched_from_elsewhere(html: str) -> str | None:
    """The first URL of another host that a page lets a browser fetch; ``None`` if there is none."""
    parser = _Fetches()
    parser.feed(html)
    return next((url for url in parser.urls if "//" in url.partition("?")[0][:8]), None)
