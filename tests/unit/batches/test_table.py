"""Tables as people write them: every format gives the same rows, and every fault of every row is named at once."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from xlsx_files import SHEET, of_sheet, replaced, workbook

from airflow_provider_videoretalk.batches.table import VideoTable, read_table
from airflow_provider_videoretalk.batches.table_text import MAX_BYTES, MAX_ROWS
from airflow_provider_videoretalk.batches.xlsx import MAX_MARKS
from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError

VIDEO = "https://clips.example/presenter.mp4"
TEXT_ROW = '<row r="1"><c r="A1" t="str"><v>text</v></c></row>'
COLUMNS = ("name", "text", "language", "voice", "video", "destination")


def no_text(location: str) -> str:
    raise AssertionError(location)


def read(
    table: str | bytes, *, read_text: Any = no_text, model: str = "cosyvoice-v3-flash", **defaults: Any
) -> VideoTable:
    content = table.encode() if isinstance(table, str) else table
    return read_table(content, defaults={"video": VIDEO} | defaults, speech_model=model, read_text=read_text)


def faults(table: str | bytes, **options: Any) -> list[str]:
    return [str(fault) for fault in read(table, **options).faults]


def as_csv(rows: Sequence[Sequence[str]], **options: Any) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, **options).writerows(rows)
    return file.getvalue()


# Scripts with all that a cell can have; what nobody can speak is refused, and spaces around a cell are dropped.
CELLS = st.text(
    st.one_of(
        st.sampled_from('",;\t\n\r äöü早上好\u2028\u3000👋_x0041'), st.characters(exclude_categories=("Cs", "Cc", "Cn"))
    ),
    min_size=1,
    max_size=60,
).filter(lambda text: text.strip() and text == text.strip())
SCRIPTS = st.lists(CELLS, min_size=1, max_size=6)


@given(scripts=SCRIPTS, delimiter=st.sampled_from(",;\t"), quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_what_the_csv_module_writes_is_read_back(scripts: list[str], delimiter: str, quoting: int) -> None:
    rows = [["name", "text"], *([f"clip {number}", script] for number, script in enumerate(scripts))]
    # Before Python 3.13 the csv module does not quote a single carriage return that does not end its lines.
    table = read(as_csv(rows, delimiter=delimiter, quoting=quoting, lineterminator="\r\n"))
    assert [(row.name, row.text) for row in table.rows] == [(name, text) for name, text in rows[1:]]
    assert not table.faults


@given(scripts=SCRIPTS)
def test_what_the_json_module_writes_is_read_back(scripts: list[str]) -> None:
    lines = [json.dumps({"name": f"n{n}", "text": text}, ensure_ascii=n % 2 == 0) for n, text in enumerate(scripts)]
    assert [row.text for row in read("\r\n".join(lines)).rows] == scripts


@given(scripts=st.lists(CELLS.filter(str.isprintable), min_size=1, max_size=4))
def test_a_workbook_is_read_back(scripts: list[str]) -> None:
    rows = [["name", "text"], *([f"clip {number}", script] for number, script in enumerate(scripts))]
    assert [row.text for row in read(workbook(rows)).rows] == scripts


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_marks_umlauts_and_separators(encoding: str, delimiter: str) -> None:
    rows = [
        [" Name ", "TEXT", "Language"],
        ["Grüße", "Schöne Grüße, und\nzwei Zeilen; ja.", "de"],
        ["早", "早上好。", "zh"],
    ]
    table = read(as_csv(rows, delimiter=delimiter).encode(encoding))
    assert [(row.line, row.label, row.text) for row in table.rows] == [
        (2, "Grüße (de)", "Schöne Grüße, und\nzwei Zeilen; ja."),
        (4, "早 (zh)", "早上好。"),
    ]


def test_a_column_of_scripts_needs_no_quotes() -> None:
    table = read("text\nGood morning, and welcome.\n\nGood night; sleep well.\n")
    assert [(row.line, row.name) for row in table.rows] == [
        (2, "Good-morning-and-welcome"),
        (4, "Good-night-sleep-well"),
    ]


def test_a_name_of_the_first_words_is_plain_and_short() -> None:
    (row,) = read(json.dumps({"text": "हिन्दी में: «" + "नमस्ते" * 30 + "»"})).rows
    assert row.name.startswith("हिन्दी-में-नमस्ते")
    assert len(row.name.encode()) <= 60
    assert row.file_name == f"{row.name}.mp4"


def test_defaults_fill_empty_cells() -> None:
    table = read(
        "name,text,language,voice\na,Hello there.,,\nb,Guten Tag.,de,\n", language="en", voice="longanyang", name="x"
    )
    assert [(row.label, row.voice, row.video) for row in table.rows] == [
        ("a (en)", "longanyang", VIDEO),
        ("b (de)", "longanyang", VIDEO),
    ]


def test_every_fault_of_every_row_is_named() -> None:
    table = (
        "name,text,language,voice,video,text_location\n"
        "a/b,,e,,,\n"
        f"ok,Hello.,en,{'v' * 129},,s3://c@b/t.txt\n"
        f"long,{'早' * 400},zh,,,\n"
        f"endless,{'word ' * 20_000},en,,,\n"
        "fine,Hello.,en,,,\n"
        "more,Hello.,en,,,,surplus\n"
        "gone,,en,,,s3://c@b/none.txt\n"
    )

    def read_text(location: str) -> str:
        raise TransportError(f"{location} cannot be read", remedy="Check it.")

    found = faults(table, read_text=read_text)
    assert [fault.partition(":")[0] for fault in found] == [
        "line 2, column name",
        "line 2, column language",
        "line 2, column text",
        "line 3, column voice",
        "line 3, column text",
        "line 4, column text",
        "line 5, column text",
        "line 7",
        "line 8, column text_location",
    ]
    assert "the script has no blank and no mark of punctuation for about 92 s after '早早早" in found[5]
    assert "it takes about 128 minutes to speak, allowed is at most 120 minutes" in found[6]
    assert all(fault.endswith(".") and len(fault) < 300 for fault in found)
    assert [row.name for row in read(table, read_text=read_text).rows] == ["fine"]


def test_a_fault_has_no_signature() -> None:
    def read_text(location: str) -> str:
        raise InputError(f"{location} {'x' * 5_000}", remedy="Check it.")

    (fault,) = faults("text_location\nfoo://h/a.txt?Signature=secret-of-cell\n", read_text=read_text)
    assert fault.startswith("line 2, column text_location: foo://h/a.txt")
    assert "secret-of-cell" not in fault
    assert len(fault) < 500


def test_without_a_presenter() -> None:
    assert faults("text\nHello.", video=None) == [
        "line 2, column video: it is empty, allowed is a location. Name the presenter."
    ]


def test_a_script_at_a_location() -> None:
    (row,) = read("name\ttext_location\na\ts3://c@b/a.txt", read_text=lambda location: f"\nFrom {location}\n").rows
    assert row.text == "From s3://c@b/a.txt"


@pytest.mark.parametrize(
    "name", ["..", ".hidden", "a/b", "a\\b", "a:b", "x.", "a\u200bb", "a\nb", "x" * 121, "%2e", "-a", "a?b"]
)
def test_a_name_that_is_no_file_name(name: str) -> None:
    (fault,) = faults(json.dumps({"name": name, "text": "Hello."}))
    assert fault.startswith("line 1, column name: ")


@pytest.mark.parametrize("language", ["e", "en_", "../x", "x" * 21, "日本語"])
def test_a_language_that_no_model_takes(language: str) -> None:
    assert len(faults(json.dumps({"text": "Hello.", "language": language}))) == 1


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("{'text': 1}", "line 1: "),
        ('{"text": "a"} {"text": "b"}', "line 1: "),
        ('{"text": NaN}', "line 1: "),
        ('{"a":' * 100_000, "line 1: "),
        ('{"text": "a", "text": "b"}', "line 1, column text: the column is there twice"),
        ('{"text": "a", "txet": "b"}', "line 1, column 'txet': the column is unknown"),
        ('{"text": "a", "voice": ["b"]}', "line 1, column voice: ['b'], allowed is a text"),
        ('{"text": "a", "voice": true}', "line 1, column voice: True, allowed is a text"),
        ('{"text": "a\\ud800"}', "line 1, column text: it has the character U+D800"),
        ('{"text": "a\\u0007"}', "line 1, column text: it has the character U+0007"),
    ],
)
def test_lines_that_are_no_rows(line: str, place: str) -> None:
    found = faults(f'{line}\n{{"text": "A good one.", "name": 2026}}')
    assert found[0].startswith(place)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "no rows"),
        (b"\xef\xbb\xbf\r\n\r\n", "no rows"),
        (b"name,text\n", "no rows"),
        (b"name,txet\na,b", "an unknown column 'txet' in line 1, allowed are name, text"),
        (b"text,Text\na,b", "the column text more than once"),
        (b"<html><body>Sign in</body></html>", "an unknown column"),
        (b'[{"text": "a"}]', "JSON array"),
        ("name,text\na,Grüße".encode("latin-1"), "not in UTF-8: the byte 0xfc in line 2"),
        (b"name,text\na,b\x00c", "line 2 has a zero character"),
        (b'name,text\na,"b\n\n', "the row that begins in line 2: unexpected end of data"),
        (b'name,text\nx,y\na,"b"c\n', "the row that begins in line 3"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old format"),
        (b"PK\x03\x04", "cannot be read as XLSX"),
        (b" " * (MAX_BYTES + 1), "allowed are 20971520"),
        (b"text\n" + b"Hello.\n" * (MAX_ROWS + 1), "more than 5000 rows"),
        (b"name,text\na,b\na,c\nx,y\nb,d\nx,z", "('a', '') in the lines 2, 3; ('x', '') in the lines 4, 6"),
        ("name,text\nä,b\na\u0308,c".encode(), "in the lines 2, 3"),
    ],
)
def test_what_is_no_table_is_refused_whole(table: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(table)
    assert message in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("table", "end"),
    [
        ("name," + ",".join(f"word{n}" for n in range(400)) + "\na,b\n", " and 390 more in line 1, allowed are name"),
        ("name,text\n" + "a,Hello.\n" * 400, "8, 9, 10, 11 and 390 more, allowed is each once"),
        ("name,text\n" + "".join(f"a{n % 200},Hello.\n" for n in range(400)), "; and 190 more, allowed is each once"),
    ],
)
def test_a_message_names_the_first_of_many(table: str, end: str) -> None:
    with pytest.raises(InputError) as caught:
        read(table)
    assert end.removeprefix("; ") in str(caught.value)
    assert len(str(caught.value)) < 1_500


@pytest.mark.parametrize(
    ("defaults", "message"),
    [({"text": "Hello."}, "A text has no default"), ({"language": "?"}, "the defaults, column language: '?'")],
)
def test_defaults_that_cannot_be_used(defaults: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("?", "[?]")):
        read("text\nHello.", **defaults)


def test_five_thousand_rows() -> None:
    table = as_csv(
        [COLUMNS, *([f"clip {n}", f"Script {n}, in two\nlines.", "en", "", "", f"{n}.mp4"] for n in range(MAX_ROWS))]
    )
    rows = read(table).rows
    assert (len(rows), rows[-1].line) == (MAX_ROWS, 2 * MAX_ROWS)


def test_cells_of_a_workbook() -> None:
    text = CellRichText("Good ", TextBlock(InlineFont(b=True), "morning."))
    rows = [
        [],
        [None, "name", None, "text"],
        [None, 2026, None, text],
        [],
        [None, 1.5, None, "a\r\nb"],
        [None, 3.0, None, "plain"],
        [None, True, None, "=A1"],
        [None, date(2026, 11, 26), None, "東京"],
    ]
    table = read(workbook(rows))
    assert [(row.line, row.name, row.text) for row in table.rows] == [
        (3, "2026", "Good morning."),
        (5, "1.5", "a\r\nb"),
        (6, "3", "plain"),
        (7, "true", "=A1"),
        (8, "2026-11-26", "東京"),
    ]


def test_phonetic_texts_are_no_part_of_a_cell() -> None:
    text = '<is><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></is>'
    table = read(of_sheet(f'<row><c t="str"><v>text</v></c></row><row><c t="inlineStr">{text}</c></row>'))
    assert [row.text for row in table.rows] == ["東京"]


def test_a_formula_whose_value_is_empty_and_a_format_at_the_last_column() -> None:
    row = '<row r="2"><c r="A2" t="str"><f>B1</f><v></v></c><c r="B2"><f>1+1</f><v>2</v></c><c r="XFD2" s="0"/></row>'
    names = '<row r="1"><c r="A1" t="str"><v>voice</v></c><c r="B1" t="str"><v>text</v></c></row>'
    assert [(row.voice, row.text) for row in read(of_sheet(names + row)).rows] == [(None, "2")]


def test_a_size_that_the_file_says_wrongly_hides_nothing() -> None:
    rows = '<row r="1"><c r="A1" t="str"><v>text</v></c></row><row r="2"><c r="A2" t="str"><v>Hello.</v></c></row>'
    good = of_sheet(rows)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        sheet = archive.read(SHEET).decode().replace("<sheetData>", '<dimension ref="A1"/><sheetData>')
    assert [row.text for row in read(replaced(good, {SHEET: sheet})).rows] == ["Hello."]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (of_sheet('<row r="1"><c r="A1" t="e"><v>#REF!</v></c></row>'), "the error '#REF!' in cell A1"),
        (of_sheet('<row r="1"><c r="A1" t="s"><v>9</v></c></row>'), "IndexError"),
        (of_sheet(f'{TEXT_ROW}<row r="2"><c r="A2"><f>B1</f><v></v></c></row>'), "formula without a value in cell A2"),
        (of_sheet(f'{TEXT_ROW}</sheetData><mergeCells><mergeCell ref="A2:A7"/></mergeCells><sheetData>'), "'A2:A7'"),
        (of_sheet(f'{TEXT_ROW}<row r="999999999999"><c t="str"><v>x</v></c></row>'), "row 999999999999 after row 1"),
        (of_sheet(f'{TEXT_ROW}<row r="1"><c t="str"><v>x</v></c></row>'), "row 1 after row 1"),
        (of_sheet(f"<row>{'<c/>' * MAX_MARKS}</row>"), "tags and attributes or more, allowed are 2000000"),
        (replaced(workbook([]), {SHEET: "<worksheet>"}), "ParseError"),
        (replaced(workbook([]), {SHEET: " " * 101 * 1024 * 1024}), "bytes, allowed are 104857600"),
        (replaced(workbook([]), {"xl/workbook.xml": "<html/>"}), "without a sheet"),
        (workbook([["text"], ["Hello."]])[:-100], "BadZipFile"),
    ],
    # The archives hold the time, and each process that tests makes its own.
    ids=[
        "error",
        "no shared text",
        "no value",
        "merged",
        "far",
        "order",
        "cells",
        "cut XML",
        "unpacks to much",
        "no sheets",
        "cut archive",
    ],
)
def test_workbooks_that_cannot_be_read(content: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(content)
    assert message in str(caught.value)


def test_a_photo_takes_the_place_of_the_presenter_that_is_the_default() -> None:
    table = read("name,text,photo\na,Good morning.,https://clips.example/p.png\nb,Good night.,\n")
    assert [(row.video, row.is_photo) for row in table.rows] == [("https://clips.example/p.png", True), (VIDEO, False)]


def test_a_row_has_a_presenter_or_a_photo() -> None:
    table = "name,text,video,photo\na,Good morning.,https://clips.example/a.mp4,https://clips.example/p.png\n"
    assert faults(table) == [
        "line 2, column photo: there are both video and photo, allowed is one of them. Remove one of them."
    ]
