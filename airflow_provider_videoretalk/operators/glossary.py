"""Reads a glossary: the terms that a translation must use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from airflow_provider_videoretalk.batches.table_text import listed, read_records, shown
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.translation import Term
from airflow_provider_videoretalk.model_catalog.translation_languages import LANGUAGES
from airflow_provider_videoretalk.operators.batch_sources import BatchSources
from airflow_provider_videoretalk.operators.template_values import is_empty

_COLUMNS = ("source", "target", *LANGUAGES)
_MAX_TERM = 500


def read_glossary(given: object, *, language: str, sources: BatchSources) -> tuple[Term, ...]:
    """The terms of a glossary, each once.

    :param given: one of these:

        - nothing
        - a mapping of terms to their translations
        - a list of mappings with ``source`` and ``target``
        - the text or the location of a table (CSV, TSV, JSON Lines, XLSX) with the column ``source``, and a column
          ``target`` or one for each language, such as ``de``
    :param language: the code of the target language
    :raises InputError: it is something else, or the location is not allowed or cannot be read
    :raises TransportError: it cannot be read now
    """
    if is_empty(given):
        return ()
    if isinstance(given, Mapping):
        return _terms(given.items())
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return _terms(_pair(number, one) for number, one in enumerate(given))
    return _terms(_pairs_of_table(sources.table(given, field="glossary"), language))


def terms_in(text: str, terms: Iterable[Term]) -> tuple[Term, ...]:
    """The terms that a text has: only these are sent, since each is billed. Capitals do not count."""
    folded = text.casefold()
    return tuple(term for term in terms if term.folded in folded)


def _terms(pairs: Iterable[tuple[object, object]]) -> tuple[Term, ...]:
    terms: dict[str, Term] = {}
    for source, target in pairs:
        for name, value in (("source", source), ("target", target)):
            if not isinstance(value, str) or not value.strip() or len(value) > _MAX_TERM:
                raise InputError(
                    f"glossary has the {name} {shown(value)}, allowed is a text of 1 to {_MAX_TERM} characters",
                    remedy="Correct or remove the term.",
                )
        term = Term(source=" ".join(str(source).split()), target=" ".join(str(target).split()))
        terms.setdefault(term.source, term)
    return tuple(terms.values())


def _pair(number: int, given: object) -> tuple[object, object]:
    if not isinstance(given, Mapping):
        raise InputError(
            f"glossary[{number}] is a {type(given).__name__}, allowed is a mapping",
            remedy='Give {"source": "...", "target": "..."}.',
        )
    return given.get("source"), given.get("target")


def _pairs_of_table(content: bytes, language: str) -> Iterator[tuple[object, object]]:
    """A row without a translation into the language is left out."""
    try:
        records = read_records(content, columns=_COLUMNS)
    except InputError as error:
        raise InputError(f"glossary: {error.message}", remedy=error.remedy) from None
    if faults := [fault for record in records for fault in record.faults]:
        raise InputError(f"glossary: {listed(list(map(str, faults)), separator=' ')}", remedy="Correct these lines.")
    for record in records:
        target = record.values.get(language) or record.values.get("target")
        if target:
            yield record.values.get("source"), target
