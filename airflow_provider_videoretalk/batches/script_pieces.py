"""Cuts a script that is too long for one render job to pieces, each of which is spoken and rendered by itself."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from airflow_provider_videoretalk.batches.speaking_time import typical_seconds
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.speech import count_characters, family_of, is_ssml

PIECE_SECONDS = 60.0
"""About how long the speech of a piece is."""

MAX_PIECE_SECONDS = 80.0
"""The longest speech of one job by a script's length. A voice that is half as fast again stays within the 120 s that
the service takes."""

MAX_SECONDS = 7_200.0
"""The longest speech of a script."""

# A paragraph is worth a piece whose length is this many seconds further from the mean.
_PARAGRAPH_SECONDS = 10.0

_SHOWN_CHARACTERS = 40
# Ends of sentences. A dot after a short word with a capital, as in "Dr. Smith", is none; nor is one in a number.
_SENTENCE = re.compile(
    r"""(?<![.\s][A-Z][a-z]) (?<![.\s][A-Z][a-z][a-z]) (?<![.\s][A-Z])
        [.!?…]+ ["'”’»)\]]* \s+ (?=\S)
      | [。！？｡] [”’」』）]* \s*
      | \s* \n \s*""",
    re.VERBOSE,
)
_CLAUSE = re.compile(r"[,;:–—] \s+ | [，；：、] \s*", re.VERBOSE)
_WORD = re.compile(r"\s+")


def split_script(script: str, *, model: str, rate: float = 1.0) -> tuple[str, ...]:
    """The pieces of a script; one if it is short enough for one render job.

    A piece ends where a sentence ends, if possible where a paragraph does. A sentence that is too long for a piece is
    cut after a comma, and a clause that is too long between two words. All pieces are about equally long. The same
    script gives the same pieces.

    :param model: of the speech; no piece has more characters than it takes
    :param rate: see :func:`~airflow_provider_videoretalk.batches.speaking_time.speaking_rate`
    :raises InputError: a part of the script is too long for a piece and has neither a mark nor a blank; or the script
        is too long, and is SSML
    """
    if _fits(script, model, most=MAX_PIECE_SECONDS * rate):
        return (script,)
    if is_ssml(script):
        raise InputError(
            f"the script takes about {typical_seconds(script, rate=rate):.0f} s to speak and is SSML, allowed are "
            f"{MAX_PIECE_SECONDS:g} s",
            remedy="Give it as plain text, which is cut to pieces, or split it into several rows.",
        )
    parts = list(_parts(script, model, rate))
    return tuple("".join(parts[start:end]).strip() for start, end in _spans(parts, model, rate))


def _parts(script: str, model: str, rate: float) -> Iterator[str]:
    """What no piece should be cut within, in order. Together they are the script."""
    for sentence in _split_after(script, _SENTENCE):
        if _fits(sentence, model, most=PIECE_SECONDS * rate):
            yield sentence
            continue
        for clause in _split_after(sentence, _CLAUSE):
            fits = _fits(clause, model, most=PIECE_SECONDS * rate)
            yield from [clause] if fits else _words(clause, model, rate)


def _words(clause: str, model: str, rate: float) -> Iterator[str]:
    for word in _split_after(clause, _WORD):
        if not _fits(word, model, most=PIECE_SECONDS * rate):
            seconds = typical_seconds(word, rate=rate)
            raise InputError(
                f"the script has no blank and no mark of punctuation for about {seconds:.0f} s after "
                f"{word.strip()[:_SHOWN_CHARACTERS]!r}, allowed are {PIECE_SECONDS:g} s",
                remedy="Add commas or full stops there: the script is cut at them, since a job renders at most 120 s.",
            )
        yield word


def _split_after(text: str, mark: re.Pattern[str]) -> list[str]:
    ends = [0, *(found.end() for found in mark.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(ends) if start < end]


def _fits(text: str, model: str, *, most: float) -> bool:
    characters = family_of(model).characters
    return typical_seconds(text) <= most and (characters is None or count_characters(text) <= characters)


def _spans(parts: Sequence[str], model: str, rate: float) -> list[tuple[int, int]]:
    """The parts of each piece, so that all pieces are about equally long.

    The sum of the squares of the differences from the mean is least, and an end of a paragraph counts in favour.
    """
    seconds = list(accumulate((typical_seconds(part, rate=rate) for part in parts), initial=0.0))
    characters = list(accumulate(map(count_characters, parts), initial=0))
    limit = family_of(model).characters or math.inf
    mean = seconds[-1] / math.ceil(seconds[-1] / PIECE_SECONDS)
    cost, begin = [0.0], [0]
    for end in range(1, len(parts) + 1):
        bonus = _PARAGRAPH_SECONDS**2 if "\n" in parts[end - 1][-2:] else 0.0
        best = (math.inf, 0)
        for start in range(end - 1, -1, -1):
            length = seconds[end] - seconds[start]
            if start < end - 1 and (length > MAX_PIECE_SECONDS or characters[end] - characters[start] > limit):
                break
            best = min(best, (cost[start] + (length - mean) ** 2 - bonus, start))
        cost.append(best[0])
        begin.append(best[1])
    spans, end = [], len(parts)
    while end:
        spans.append((begin[end], end))
        end = begin[end]
    return spans[::-1]
