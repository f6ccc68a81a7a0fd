from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xlsx_files import workbook

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.translation import Term
from airflow_provider_videoretalk.operators.batch_sources import BatchSources
from airflow_provider_videoretalk.operators.glossary import read_glossary, terms_in
from airflow_provider_videoretalk.outbound.host_access import public_only

ACME = Term(source="Acme", target="Akme")
CLOUD = Term(source="cloud", target="Wolke")


def read(given: object, *, language: str = "de", allowed_sources: object = None) -> tuple[Term, ...]:
    sources = BatchSources(allowed_sources=allowed_sources, access=public_only, log=print)
    return read_glossary(given, language=language, sources=sources)


@pytest.mark.parametrize("given", [None, "", " ", "None", {}, []])
def test_no_terms(given: Any) -> None:
    assert read(given) == ()


@pytest.mark.parametrize(
    "given",
    [
        {"Acme": "Akme", "cloud": "Wolke"},
        [{"source": "Acme", "target": "Akme"}, {"source": " cloud", "target": "Wolke\n"}],
        "source,target\nAcme,Akme\ncloud,Wolke\n",
        "source\ttarget\nAcme\tAkme\ncloud\tWolke\n",
        "Source;DE;fr\nAcme;Akme;Acmé\ncloud;Wolke;nuage\nsky;;ciel\n",
        "source,target,de\nAcme,Akme,\ncloud,cloud,Wolke\n",
        '{"source": "Acme", "de": "Akme"}\n{"source": "cloud", "target": "Wolke"}\n',
    ],
)
def test_every_form_of_a_glossary(given: Any) -> None:
    assert read(given) == (ACME, CLOUD)


def test_a_column_for_each_language() -> None:
    table = "source,de,zh-TW\nAcme,Akme,艾克米\n"
    assert read(table, language="zh_tw") == (Term(source="Acme", target="艾克米"),)
    assert read(table, language="fr") == ()


def test_the_first_of_two_translations_counts() -> None:
    assert read("source,target\nAcme,Akme\nAcme,Ackmeh\n") == (ACME,)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffsource,target\nAcme,Akme\ncloud,Wolke\n".encode(),
        workbook([["source", "target"], ["Acme", "Akme"], ["cloud", "Wolke"]]),
    ],
    # A workbook has the time at which it was made.
    ids=["csv", "xlsx"],
)
def test_a_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "glossary"
    path.write_bytes(content)
    assert read(str(path)) == (ACME, CLOUD)
    assert read(path.as_uri()) == (ACME, CLOUD)


def test_a_file_that_is_not_allowed(tmp_path: Path) -> None:
    path = tmp_path / "glossary.csv"
    path.write_text("source,target\nAcme,Akme\n")
    with pytest.raises(InputError, match=r"^glossary is '.*/glossary\.csv', allowed is https://"):
        read(path.as_uri(), allowed_sources=["https://"])
    with pytest.raises(InputError, match=r"^glossary is 's3://bucket/glossary\.csv', allowed is https://"):
        read("s3://bucket/glossary.csv", allowed_sources=["https://"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, r"^glossary is 3"),
        ([("Acme", "Akme")], r"^glossary\[0\] is a tuple, allowed is a mapping"),
        ([{"source": "Acme"}], r"^glossary has the target None"),
        ({"": "Akme"}, r"^glossary has the source ''"),
        ({"Acme": " "}, r"^glossary has the target ' '"),
        ({"Acme": 3}, r"^glossary has the target 3, allowed is a text of 1 to 500 characters"),
        ({"a" * 501: "b"}, r"^glossary has the source 'aaa[^ ]*\.\.\., allowed"),
        ("source,cost\na,b", r"^glossary: table has an unknown column 'cost'"),
        ("source,target\n,b", r"^glossary has the source None"),
        ("source,target\na,b,c", r"^glossary: line 2: 'c' is in no column"),
        ("source,target", r"^glossary: table has no rows"),
        ('[{"source": "a"}]', r"^glossary: table is a JSON array"),
    ],
)
def test_no_glossary(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^(?:{message})"):
        read(given)


def test_the_longest_term() -> None:
    assert read({"a" * 500: "b" * 500}) == (Term(source="a" * 500, target="b" * 500),)


def test_the_terms_of_a_text() -> None:
    assert terms_in("ACME in the sky", [ACME, CLOUD]) == (ACME,)
    assert terms_in("Clouds", [ACME, CLOUD]) == (CLOUD,)
    assert terms_in("", [ACME, CLOUD]) == ()
