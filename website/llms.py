"""``llms.txt``: the list of the pages with a sentence each, for programs that read the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from website.navigation import ROOT, Entry, entries

PATH = "docs/llms.txt"
_RAW = "https://raw.githubusercontent.com/airflow-provider-videoretalk/airflow-provider-videoretalk/main/"
_BEGIN = """# airflow-provider-videoretalk

> Apache Airflow provider for paid, long-running media jobs on DashScope: text to speech, VideoRetalk lip replacement,
> publishing. Render jobs are billed by the second, so no retry, crash or restart pays for a video
> twice (on Airflow 3.3 and newer).

A render job is the service's, and a task is Airflow's.
"""
_MAX_SENTENCE = 200
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def content() -> str:
    groups = groupby(entries(), key=lambda entry: entry.section or "Begin here")
    return _BEGIN + "".join(f"\n## {section}\n\n" + "".join(map(_line, group)) for section, group in groups)


def _line(entry: Entry) -> str:
    url = _RAW + entry.file.relative_to(ROOT).as_posix()
    return f"- [{entry.title}]({url}): {_sentence(entry.file.read_text(encoding='utf-8'))}\n"


def _sentence(text: str) -> str:
    """The first sentence of a page's first paragraph."""
    paragraph = next(_paragraphs(text), "")
    plain = _LINK.sub(r"\1", " ".join(paragraph.split()))
    sentence = re.split(r"(?<=[.:])\s", plain, maxsplit=1)[0].rstrip(":")
    return sentence if len(sentence) <= _MAX_SENTENCE else f"{sentence[:_MAX_SENTENCE].rpartition(' ')[0]} ..."


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.strip() and not paragraph.startswith(("#", "<!--", "![", "|", ":::", "```", "- ")):
            yield paragraph
