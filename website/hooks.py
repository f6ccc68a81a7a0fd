"""What mkdocs calls while it builds the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from website.fetches import fetched_from_elsewhere
from website.navigation import ROOT, ROOT_PAGES
from website.site_links import site_markdown, slug

# Sphinx's roles in docstrings, as Markdown leaves them.
_ROLE = re.compile(r":(?:class|meth|func|attr|data|mod|exc):<code>~?(?:[\w.]+\.)?(\w+)</code>")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Makes anchors as the repository's view does, since the pages link to them."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slug
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are files at the root of the repository."""
    for path, file in ROOT_PAGES.items():
        files.append(File.generated(config, path, content=(ROOT / file).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    path = page.file.src_uri
    # A page that is a file at the root is read as if it stood there.
    return site_markdown(markdown, path=ROOT_PAGES.get(path, f"docs/{path}"))


def on_page_content(html: str, **_: Any) -> str:
    return _ROLE.sub(r"<code>\1</code>", html).replace("<p>::</p>", "")


def on_post_build(config: MkDocsConfig) -> None:
    """
    :raises PluginError: a page lets a browser fetch something from another host
    """
    for page in sorted(Path(config.site_dir).rglob("*.html")):
        found = fetched_from_elsewhere(page.read_text(encoding="utf-8"))
        if found:
            raise PluginError(f"{page.name} fetches from another host: {found}")
