"""Makes Markdown that is written for the repository's own view fit for the site: its links and its lists."""

from __future__ import annotations

import posixpath
import re

from website.navigation import ROOT_PAGES

REPOSITORY = "https://github.com/airflow-provider-videoretalk/airflow-provider-videoretalk"

_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))|(?<=^)(\[[^\]]+\]: )(\S+)$", re.MULTILINE)
_INDENT = re.compile(r"^ {2,3}(?=\S)", re.MULTILINE)
_PAGE_OF = {file: page for page, file in ROOT_PAGES.items()}


def site_markdown(text: str, *, path: str) -> str:
    """The text of a page as mkdocs needs it.

    A list goes on after two or three blanks in the repository's view, and after four here.

    :param path: of the page's file, from the root of the repository
    """
    parts = _FENCE.split(text)
    folder = posixpath.dirname(path)
    # Every second part is a code block, in which nothing is a link.
    return "".join(part if index % 2 else _prose(part, folder=folder) for index, part in enumerate(parts))


def _prose(text: str, *, folder: str) -> str:
    def replaced(match: re.Match[str]) -> str:
        if match[2]:
            return match[1] + site_link(match[2], folder=folder)
        return site_link(match[0], folder=folder)

    return _INDENT.sub("    ", _LINK.sub(replaced, text))


def site_link(link: str, *, folder: str) -> str:
    """A link as the site needs it: to a page of the site, or to a file in the repository.

    :param folder: of the page's file, from the root of the repository
    """
    if "://" in link or link.startswith(("#", "mailto:")):
        return link
    path, mark, anchor = link.partition("#")
    target = posixpath.normpath(posixpath.join(folder, path))
    if target in _PAGE_OF:
        target = f"docs/{_PAGE_OF[target]}"
    elif not target.startswith("docs/"):
        kind = "blob" if posixpath.splitext(target)[1] else "tree"
        return f"{REPOSITORY}/{kind}/main/{target}{mark}{anchor}"
    return posixpath.relpath(target, folder or "docs") + mark + anchor


def slug(heading: str, separator: str) -> str:
    """The anchor of a heading, as the repository's view makes it."""
    words = re.sub(r"[^\w\- ]", "", heading.lower())
    return words.replace(" ", separator)
