from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.model_catalog.translation import (
    Term,
    Translation,
    input_token_bound,
    output_token_bound,
    translate_text,
    translation_price_of,
)


def test_the_request() -> None:
    request = translate_text(
        text="Guten Morgen.",
        source_language="German",
        target_language="English",
        model="qwen-mt-flash",
        terms=[Term(source="Morgen", target="morning")],
        domains="A greeting.",
    )
    assert (request.method, request.path) == ("POST", "services/aigc/text-generation/generation")
    assert request.body == {
        "model": "qwen-mt-flash",
        "input": {"messages": [{"role": "user", "content": "Guten Morgen."}]},
        "parameters": {
            "translation_options": {
                "source_lang": "German",
                "target_lang": "English",
                "terms": [{"source": "Morgen", "target": "morning"}],
                "domains": "A greeting.",
            },
            "result_format": "message",
            "max_tokens": 103,
        },
    }
    # The service ends a synchronous call after 300 s.
    assert (request.read_timeout, request.total_timeout, request.creates) == (310.0, 330.0, False)


def test_the_shortest_request() -> None:
    request = translate_text(text="Hi", target_language="German")
    assert isinstance(request.body, dict)
    assert request.body["model"] == "qwen-mt-plus"
    assert request.body["parameters"]["translation_options"] == {"source_lang": "auto", "target_lang": "German"}


@pytest.mark.parametrize("text", ["", " \n"])
def test_nothing_to_translate(text: str) -> None:
    with pytest.raises(InputError, match=r"^text is empty"):
        translate_text(text=text, target_language="German")


def test_the_longest_text() -> None:
    translate_text(text="a" * 8064, target_language="German")
    with pytest.raises(InputError, match="text has up to 8193 tokens with its 0 terms and its domain, qwen-mt-plus"):
        translate_text(text="a" * 8065, target_language="German")
    with pytest.raises(InputError, match="text has up to 8219 tokens with its 1 terms"):
        translate_text(text="a" * 8064, target_language="German", terms=[Term(source="aaaaa", target="bbbbbb")])


def test_no_token_has_less_than_a_byte() -> None:
    assert input_token_bound("Grüße", domains="四") == 7 + 3 + 128
    assert output_token_bound("四") == 3 * 3 + 64
    assert output_token_bound("a" * 5000) == 8192


def reply(**given: Any) -> dict[str, Any]:
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": "Hallo"}, **given}
    usage = {"input_tokens": 53, "output_tokens": 9, "total_tokens": 62}
    return {"request_id": "r-1", "output": {"choices": [choice]}, "usage": usage}


def test_the_reply() -> None:
    assert Translation.parse(reply()) == Translation(
        text="Hallo", is_whole=True, input_tokens=53, output_tokens=9, request_id="r-1"
    )


def test_the_reply_in_the_other_format() -> None:
    """The service has two formats of results. Which one is its default for these models is not known."""
    found = Translation.parse({"output": {"text": "Hallo", "finish_reason": "stop", "choices": None}})
    assert found == Translation(text="Hallo", is_whole=True, input_tokens=None, output_tokens=None, request_id=None)
    assert not Translation.parse({"output": {"text": "Hal", "finish_reason": "length"}}).is_whole


def test_a_reply_that_was_cut() -> None:
    assert not Translation.parse(reply(finish_reason="length")).is_whole
    # A longer text of a reply is cut where the reply is read.
    assert not Translation.parse(reply(message={"content": "a" * 8192})).is_whole
    assert Translation.parse(reply(message={"content": "a" * 8191})).is_whole


@pytest.mark.parametrize("content", [None, 3, ["Hallo"]])
def test_a_reply_without_a_text(content: Any) -> None:
    with pytest.raises(ValueError, match="no text"):
        Translation.parse(reply(message={"content": content}))


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        ("qwen-mt-plus", "7.2"),
        ("qwen-mt-flash", "2.65"),
        ("qwen-mt-turbo", "2.65"),
        ("qwen-mt-lite", "2.2"),
    ],
)
def test_a_million_tokens_each(model: str, cost: str) -> None:
    price = translation_price_of(model)
    assert price is not None
    assert price.cost(input_tokens=1_000_000, output_tokens=1_000_000) == Decimal(cost)
    assert (price.currency, price.as_of) == ("CNY", date(2026, 11, 27))


def test_the_price_of_a_sentence() -> None:
    price = translation_price_of("qwen-mt-plus")
    assert price is not None
    # 53 * 1.8 + 9 * 5.4 millionths.
    assert price.cost(input_tokens=53, output_tokens=9) == Decimal("0.000144")


def test_a_price_that_is_not_known() -> None:
    assert translation_price_of("qwen-mt-lite-us") is None


def test_the_price_of_a_connection() -> None:
    given = {"per_million_input": "2", "per_million_output": 6, "currency": "USD", "as_of": "2026-12-01"}
    price = translation_price_of("my-mt", {"my-mt": given})
    assert price is not None
    assert price.cost(input_tokens=500_000, output_tokens=500_000) == Decimal("4")
    assert price.currency == "USD"


@pytest.mark.parametrize("given", [{}, {"per_second": "0.08"}, "1.8", {"per_million_input": "-1"}])
def test_a_wrong_price_of_a_connection(given: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^the price of 'qwen-mt-plus' is "):
        translation_price_of("qwen-mt-plus", {"qwen-mt-plus": given})
