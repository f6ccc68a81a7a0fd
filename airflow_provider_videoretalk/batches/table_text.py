"""Reads a table as records: CSV, TSV, JSON Lines or XLSX. The format is known by the bytes, not by a name."""

from __future__ import annotations

import codecs
import csv
import io
import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_videoretalk.batches.xlsx import read_sheet
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.outbound.signed_url import safe_text

MAX_BYTES = 20 * 1024 * 1024
"""Most bytes of a table."""

MAX_ROWS = 5_000
"""Most rows of a table."""

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DELIMITERS = ("\t", ",", ";")
_SHOWN = 60
_LISTED = 10
_MAX_VALUE = 400


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of a table.

    :param line: of the file, from 1; of a workbook, the row; 0 for the defaults
    :param column: its name; ``""`` for the whole row
    :param value: the given value, in words; its begin is shown, without signatures
    :param limit: what is allowed, in words; ``""`` if ``value`` says it all
    """

    line: int
    column: str
    value: str
    limit: str = ""
    remedy: str

    def __str__(self) -> str:
        value = safe_text(self.value[:_MAX_VALUE])
        place = f"line {self.line}" if self.line else "the defaults"
        place += f", column {self.column}" if self.column else ""
        limit = f", allowed is {self.limit}" if self.limit else ""
        return f"{place}: {value}{limit}. {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row as it was written.

    :param line: where it begins, see :attr:`Fault.line`
    :param values: the cells that are not empty, by column, without spaces around them
    :param faults: what could not be read in it
    """

    line: int
    values: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


def shown(value: object) -> str:
    """The begin of a value, for messages: never a whole script."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def listed(texts: Sequence[str], *, separator: str = ", ") -> str:
    """The first texts, for messages, and how many more there are."""
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return separator.join(texts[:_LISTED]) + more


def read_records(content: bytes, *, columns: Sequence[str]) -> list[Record]:
    """The records of a table, without those that are empty.

    - XLSX: the first sheet. Its first row with a cell has the names of the columns.
    - JSON Lines: an object a line.
    - CSV and TSV, in UTF-8, or in UTF-16 with its mark: the first line has the names of the columns. They are separated
      by tabs, commas or semicolons.

    :param columns: the names that a column may have. Capitals, spaces and hyphens in a name do not count
    :raises InputError: no table, a table that is too large, or columns that are unknown or repeated
    """
    if len(content) > MAX_BYTES:
        raise InputError(
            f"table has {len(content)} bytes, allowed are {MAX_BYTES}",
            remedy="Split the table, or give long scripts as text_location.",
        )
    records = list(_bounded(_records(content, columns)))
    if not records:
        raise InputError(
            f"table has no rows, allowed are 1 to {MAX_ROWS}", remedy="Add a row below the names of the columns."
        )
    return records


def _bounded(records: Iterator[Record]) -> Iterator[Record]:
    count = 0
    for record in records:
        if not record.values and not record.faults:
            continue
        count += 1
        if count > MAX_ROWS:
            raise InputError(f"table has more than {MAX_ROWS} rows, allowed are {MAX_ROWS}", remedy="Split the table.")
        yield record


def _records(content: bytes, columns: Sequence[str]) -> Iterator[Record]:
    if content.startswith(_ZIP):
        return _tabular(((row.number, row.cells) for row in read_sheet(content)), columns)
    if content.startswith(_OLE):
        raise InputError(
            "table is a workbook of an old format, or one with a password", remedy="Save it as XLSX without a password."
        )
    text = _decoded(content)
    if text.lstrip().startswith("["):
        raise InputError("table is a JSON array, allowed is an object a line", remedy="Write it as JSON Lines.")
    if text.lstrip().startswith("{"):
        return _json_lines(text, columns)
    return _tabular(_cells(text, columns), columns)


def _decoded(content: bytes) -> str:
    """
    :raises InputError: no text, or one in another encoding
    """
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if marked else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"table is not in UTF-8: the byte {content[error.start]:#04x} in line {line} cannot be read",
            remedy="Save it as CSV in UTF-8, or as XLSX.",
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"table is no text: line {line} has a zero character", remedy="Give CSV, TSV, JSON or XLSX.")
    # A text that was pasted may have the mark in it as well.
    return text.removeprefix("\ufeff")


def _column_name(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold().replace(" ", "_").replace("-", "_")


def _cells(text: str, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, with the line where it begins.

    :raises InputError: quotes that do not match
    """
    delimiter = max(_DELIMITERS, key=lambda one: _known_columns(text, one, columns))
    # A line ends as the csv module says, and not at a separator of Unicode.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"table cannot be read at the row that begins in line {line}: {error}",
            remedy="Write a cell with quotes or line breaks within quotes, and each quote in it twice.",
        ) from None


def _known_columns(text: str, delimiter: str, columns: Sequence[str]) -> int:
    try:
        first = next((row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)), [])
    except csv.Error:
        return 0
    return sum(_column_name(name) in columns for name in first)


def _tabular(rows: Iterator[tuple[int, list[str]]], columns: Sequence[str]) -> Iterator[Record]:
    header: list[str] | None = None
    for line, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _header(line, cells, columns)
            continue
        yield _record(line, header, cells)


def _header(line: int, cells: Sequence[str], columns: Sequence[str]) -> list[str]:
    """
    :raises InputError: a column is unknown or repeated
    """
    names = [_column_name(cell) for cell in cells]
    unknown = [cell for cell, name in zip(cells, names, strict=True) if name and name not in columns]
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if unknown or repeated:
        found = [f"an unknown column {shown(cell.strip())}" for cell in unknown]
        found += [f"the column {name} more than once" for name in repeated]
        raise InputError(
            f"table has {listed(found)} in line {line}, allowed are {', '.join(columns)}, each once",
            remedy="The first line has the names of the columns. Correct or remove them.",
        )
    return names


def _record(line: int, header: Sequence[str], cells: Sequence[str]) -> Record:
    surplus = [cell for at, cell in enumerate(cells) if cell.strip() and (at >= len(header) or not header[at])]
    values = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name and cell.strip()}
    faults = [
        Fault(
            line=line,
            column="",
            value=f"{shown(cell.strip())} is in no column",
            limit=f"{sum(map(bool, header))} cells",
            remedy="Write a cell with the separator in it within quotes.",
        )
        for cell in surplus[:1]
    ]
    return Record(line=line, values=values, faults=tuple(faults))


def _json_lines(text: str, columns: Sequence[str]) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _json_record(number, line, columns)


def _json_record(number: int, line: str, columns: Sequence[str]) -> Record:
    try:
        pairs = json.loads(line, object_pairs_hook=_Pairs, parse_constant=_no_constant)
        if not isinstance(pairs, _Pairs):
            raise ValueError
    except (ValueError, RecursionError):
        unreadable = Fault(
            line=number,
            column="",
            value=f"{shown(line.strip())} cannot be read",
            limit="a JSON object",
            remedy='Write {"name": "...", "text": "..."} in one line.',
        )
        return Record(line=number, faults=(unreadable,))
    values: dict[str, str] = {}
    faults = []
    for key, value in pairs:
        name = _column_name(key)
        fault = _json_fault(number, key, value, known=name in columns, repeated=name in values)
        if fault:
            faults.append(fault)
        elif value is not None and str(value).strip():
            values[name] = str(value).strip()
    return Record(line=number, values=values, faults=tuple(faults))


class _Pairs(list[tuple[str, Any]]):
    """The fields of a JSON object, with those that are repeated."""


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _json_fault(line: int, key: str, value: object, *, known: bool, repeated: bool) -> Fault | None:
    if not known:
        return Fault(line=line, column=shown(key), value="the column is unknown", remedy="Correct or remove it.")
    if repeated:
        return Fault(line=line, column=key, value="the column is there twice", remedy="Remove one.")
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        return Fault(line=line, column=key, value=shown(value), limit="a text", remedy="Write it within quotes.")
    return None
