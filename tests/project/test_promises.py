"""Each promise of the operators' page names a test, which exists."""

from __future__ import annotations

import ast
import re

import pytest
from documents import PAGES, ROOT

_BY_NAME = {page.name: page for page in PAGES}
_ROW = re.compile(r"^\| (?P<sentence>.+) \| `(?P<file>tests/[\w/]+\.py)::(?P<test>test_\w+)` \|$", re.MULTILINE)

PROMISES = [found.groups() for found in _ROW.finditer(_BY_NAME["docs/promises.md"].text)]


def test_every_row_is_read() -> None:
    rows = re.findall(r"^\| (?!sentence)", _BY_NAME["docs/promises.md"].text, re.MULTILINE)
    assert len(PROMISES) == len(rows) > 40
    assert len({sentence for sentence, _, _ in PROMISES}) == len(PROMISES)


@pytest.mark.parametrize(("sentence", "file", "test"), PROMISES)
def test_a_promise_is_made_and_held(sentence: str, file: str, test: str) -> None:
    promised = " ".join(_BY_NAME["docs/operators.md"].prose.split())
    assert sentence in promised, "docs/operators.md does not say so"
    defined = [node.name for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)]
    assert test in defined
