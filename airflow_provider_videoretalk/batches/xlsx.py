"""Reads the cells of the first visible sheet of an XLSX workbook, as texts. It needs openpyxl, the extra ``xlsx``."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_videoretalk.batches.xlsx_sheet import check_sheet
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.optional_dependencies import require_extra

MAX_UNPACKED_BYTES = 100 * 1024 * 1024
"""Most bytes of all files in the archive, unpacked. ``zipfile`` reads no more of a file than the archive declares."""

MAX_MARKS = 2_000_000
"""Most tags and attributes of all files in the archive. openpyxl holds those of a row in memory."""

MAX_COLUMNS = 64
"""The columns of a sheet in which a table may be."""

_CHUNK_BYTES = 1024 * 1024
_NOT_A_TABLE = "Save the sheet again as XLSX, or as CSV in UTF-8."


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """
    :param number: of the row in the sheet, from 1
    """

    number: int
    cells: list[str]


def read_sheet(content: bytes) -> Iterator[SheetRow]:
    """The rows of the workbook's first visible sheet that have a text. Numbers are written as short as possible.

    :raises ConfigurationError: openpyxl is not installed
    :raises InputError: no workbook, one with a password or too large, or a cell with an error; merged cells, or a
        formula without a value
    """
    require_extra("xlsx", part="table in XLSX")
    try:
        _check_size(content)
        for number, row in enumerate(_rows(content), start=1):
            cells = [_text(cell) for cell in row]
            if any(cells):
                yield SheetRow(number=number, cells=cells)
    except InputError:
        raise
    except Exception as error:
        # A damaged workbook raises whatever the code that meets the damage raises.
        raise InputError(f"table cannot be read as XLSX ({type(error).__name__})", remedy=_NOT_A_TABLE) from error


def _check_size(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(part.file_size for part in archive.infolist())
        marks = _marks_of(archive) if size <= MAX_UNPACKED_BYTES else 0
    if marks > MAX_MARKS:
        raise InputError(
            f"table has {marks} tags and attributes or more, allowed are {MAX_MARKS}",
            remedy="Remove the formats of empty cells, or save the sheet as CSV in UTF-8.",
        )
    if size > MAX_UNPACKED_BYTES:
        raise InputError(
            f"table unpacks to {size} bytes, allowed are {MAX_UNPACKED_BYTES}",
            remedy="Remove sheets and formats, or save the sheet as CSV in UTF-8.",
        )


def _marks_of(archive: zipfile.ZipFile) -> int:
    """The number of tags and attributes, as far as it is allowed."""
    marks = 0
    for name in archive.namelist():
        with archive.open(name) as part:
            while marks <= MAX_MARKS and (chunk := part.read(_CHUNK_BYTES)):
                marks += chunk.count(b"<") + chunk.count(b"=")
    return marks


def _rows(content: bytes) -> Iterator[tuple[Any, ...]]:
    """Cells of all rows from the first, also of empty ones."""
    from openpyxl import load_workbook

    workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    visible = [sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible"]
    if not visible:
        raise InputError("table is a workbook without a sheet", remedy=_NOT_A_TABLE)
    # The size that the file gives of the sheet may be wrong. Without it, all that is there is read.
    visible[0].reset_dimensions()
    with visible[0]._get_source() as source:
        check_sheet(source)
    yield from visible[0].iter_rows(max_col=MAX_COLUMNS)


def _text(cell: Any) -> str:
    from openpyxl.utils.escape import unescape

    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "e":
        raise InputError(
            f"table has the error {value[:20]!r} in cell {cell.coordinate}", remedy="Correct the cell's formula."
        )
    if isinstance(value, str):
        return str(unescape(value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    # A day without a time is a time at midnight.
    return str(value).removesuffix(" 00:00:00") if isinstance(value, datetime) else str(value)
