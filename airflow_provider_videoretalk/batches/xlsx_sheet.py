"""What openpyxl does not tell of a sheet: wrong rows, merged cells, and formulas without a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO
from xml.parsers import expat

from airflow_provider_videoretalk.dashscope.errors import InputError

MAX_ROW = 1_048_576
"""The last row of a sheet. openpyxl makes a row of each number up to the last one."""

_SHOWN = 24


def check_sheet(source: BinaryIO) -> None:
    """Returns if a sheet can be read, and each of its cells has the value that a person sees there.

    :param source: its XML
    :raises InputError: its rows are wrong, or it has merged cells or formulas without a value
    :raises ExpatError: no XML
    """
    parser, sheet = expat.ParserCreate(namespace_separator=" "), _Sheet()
    parser.StartElementHandler = sheet.start
    parser.EndElementHandler = sheet.end
    parser.CharacterDataHandler = sheet.text
    parser.ParseFile(source)


class _Sheet:
    """Handles the parser's events."""

    def __init__(self) -> None:
        self._row = 0
        self._cell = ""
        self._is_text = self._has_formula = self._has_value = self._in_value = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if local == "row":
            self._begin_row(int(float(attributes.get("r") or self._row + 1)))
        elif local == "c":
            self._begin_cell(attributes)
        elif local == "f":
            self._has_formula = True
        elif local == "v":
            self._in_value = True
        elif local == "mergeCell":
            raise InputError(
                f"table has merged cells, {attributes.get('ref', '')[:_SHOWN]!r}, of which only the first has a value",
                remedy="Unmerge them, and write the value in each cell.",
            )

    def end(self, name: str) -> None:
        local = name.rpartition(" ")[2]
        if local == "v":
            self._in_value = False
        elif local == "c" and self._has_formula and not self._has_value and not self._is_text:
            raise InputError(
                f"table has a formula without a value in cell {self._cell[:_SHOWN]}",
                remedy="Open it in a spreadsheet program and save it, or write values instead of formulas.",
            )

    def text(self, text: str) -> None:
        self._has_value = self._has_value or self._in_value

    def _begin_row(self, number: int) -> None:
        if not self._row < number <= MAX_ROW:
            raise InputError(
                f"table has row {number} after row {self._row}, allowed are ascending numbers to {MAX_ROW}",
                remedy="Save the sheet again as XLSX, or as CSV in UTF-8.",
            )
        self._row = number

    def _begin_cell(self, attributes: Mapping[str, str]) -> None:
        self._cell = attributes.get("r") or f"of row {self._row}"
        # A formula whose value is an empty text has this type.
        self._is_text = attributes.get("t") == "str"
        self._has_formula = self._has_value = False
