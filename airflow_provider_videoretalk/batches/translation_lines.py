"""What is translated together: many lines in one request, and which line of the reply is whose translation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airflow_provider_videoretalk.batches.script_pieces import split_script
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.speech import DEFAULT_MODEL

PACK_BYTES = 2_000
"""About the longest text of a request with several lines. Its reply stays within what is read of a reply."""

PACK_LINES = 40
"""The most lines of a request."""

# Languages that write no blank between sentences.
_WITHOUT_BLANKS = ("zh", "zh_tw", "yue", "ja")


def lines_of(text: str, *, field: str) -> tuple[str, ...]:
    """The lines in which a segment or a paragraph is translated: itself, or its sentences if it is long.

    :raises InputError: a part of it is too long, and has neither a mark nor a blank
    """
    text = " ".join(text.split())
    try:
        return split_script(text, model=DEFAULT_MODEL) if text else ()
    except InputError as error:
        raise InputError(f"{field}: {error.message}", remedy=error.remedy) from None


def join_lines(lines: Iterable[str], *, language: str) -> str:
    """The translation of a segment from those of its lines.

    :param language: a code, such as ``de``
    """
    return ("" if language in _WITHOUT_BLANKS else " ").join(lines)


def pack_lines(lines: Iterable[str]) -> Iterator[list[str]]:
    """The lines of each request, in order. A line that is long stands alone."""
    pack: list[str] = []
    size = 0
    for line in lines:
        length = len(line.encode("utf-8", "surrogatepass"))
        if pack and (size + length > PACK_BYTES or len(pack) == PACK_LINES):
            yield pack
            pack, size = [], 0
        pack.append(line)
        size += length + 1
    if pack:
        yield pack


def lines_of_reply(text: str, *, count: int) -> list[str] | None:
    """The translations of ``count`` lines; ``None`` if the reply has another number of them.

    The reply to a single line may have line breaks.
    """
    lines = [" ".join(line.split()) for line in text.split("\n")]
    lines = [line for line in lines if line]
    if count == 1 and lines:
        return [" ".join(lines)]
    return lines if len(lines) == count else None
