"""XLSX workbooks, and damaged ones."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from openpyxl import Workbook
from openpyxl.utils.escape import escape

SHEET = "xl/worksheets/sheet2.xml"
"""The archive's file with the first visible sheet."""


def workbook(rows: Sequence[Sequence[Any]]) -> bytes:
    """A workbook of three sheets. The first one is hidden, and the second has the rows, from its first cell."""
    book = Workbook()
    book.worksheets[0].append(["hidden"])
    book.worksheets[0].sheet_state = "hidden"
    sheet = book.create_sheet("Clips")
    book.create_sheet("Notes").append(["other"])
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row, start=1):
            cell = sheet.cell(number, column, escape(value) if isinstance(value, str) else value)
            if isinstance(value, str):
                # Also a text that looks like a formula.
                cell.data_type = "s"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def replaced(content: bytes, parts: Mapping[str, str]) -> bytes:
    """A workbook with other files in its archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in {*old.namelist(), *parts}:
            new.writestr(name, parts.get(name) or old.read(name))
    return file.getvalue()


def of_sheet(rows: str) -> bytes:
    """A workbook whose first visible sheet has rows that are given as XML."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return replaced(workbook([]), {SHEET: f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'})
