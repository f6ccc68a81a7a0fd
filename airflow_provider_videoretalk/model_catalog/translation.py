"""Translation by the Qwen-MT models, in DashScope's own form of the request.

The vendor has an OpenAI-compatible form as well. DashScope's is used because it stands below the connection's base URL,
as everything else does, so that it works behind a gateway with a prefix, and because its errors have the usual shape.
The rules are those of the vendor's pages on Qwen-MT, editions of October 2026.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, TypedDict

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.dashscope.reply_values import MAX_TEXT, count, mapping, plain_id
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.model_catalog.token_price import TokenPrice

PATH = "services/aigc/text-generation/generation"

DEFAULT_MODEL = "qwen-mt-plus"

AUTO = "auto"
"""The source language by which the service detects it."""

MAX_TOKENS = 8_192
"""The most tokens of a request, and of a reply."""

# CNY for a million tokens of input and of output: the list prices in Beijing, by stored copies of the vendor's pages
# (plus, flash, turbo) and by third parties' tables of them (lite).
_PRICES = {
    "qwen-mt-plus": ("1.8", "5.4"),
    "qwen-mt-flash": ("0.7", "1.95"),
    "qwen-mt-turbo": ("0.7", "1.95"),
    "qwen-mt-lite": ("0.6", "1.6"),
}
_PRICED_ON = date(2026, 11, 27)

# The service wraps a text in a prompt. That of the vendor's samples has 45 tokens.
_PROMPT_TOKENS = 128
_TERM_TOKENS = 16

# The service ends a synchronous call after 300 seconds.
_READ_TIMEOUT = 310.0
_TOTAL_TIMEOUT = 330.0


class TranslatedSegment(TypedDict, total=False):
    """A segment of a translated transcript, as JSON-safe values.

    :param start: in seconds, as in the source
    :param end: in seconds, as in the source
    :param text: the translation
    :param source_text: what was translated
    :param estimated_seconds: how long the translation will take to speak at ``rate``
    :param room: seconds until the next segment begins, or until this one ends if that is later
    :param fits: whether the estimate is within the room
    :param rate: for the speech of this segment; 1 is the usual speed
    :param speaker: as in the source; missing if it is not there
    """

    start: float
    end: float
    text: str
    source_text: str
    estimated_seconds: float
    room: float
    fits: bool
    rate: float
    speaker: Any


class TranslationResult(TypedDict):
    """The return value of ``TranslateOperator``, as JSON-safe values.

    :param source_language: a code of the vendor's table, or ``auto``
    :param target_language: a code of the vendor's table
    :param model: that translated
    :param text: the whole translation, a segment or a paragraph in each line
    :param segments: empty if the source was a text
    :param estimated_seconds: how long all of it will take to speak
    :param too_long: how many segments do not fit
    :param input_tokens: as billed for all tries; ``None`` if a reply did not say
    :param output_tokens: likewise
    :param cost: in ``currency``, by the tokens; ``None`` if tokens or price are not known
    :param currency: such as ``CNY``
    :param request_ids: of all requests, for the vendor's support
    """

    source_language: str
    target_language: str
    model: str
    text: str
    segments: list[TranslatedSegment]
    estimated_seconds: float
    too_long: int
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    currency: str | None
    request_ids: list[str]


@dataclass(frozen=True, kw_only=True)
class Term:
    """A word or phrase, and how it must be translated."""

    source: str
    target: str

    @cached_property
    def folded(self) -> str:
        """The source, by which it is found in a text whatever its capitals."""
        return self.source.casefold()


@dataclass(frozen=True, kw_only=True)
class Translation:
    """The reply to a translation.

    :param is_whole: whether the translation ended by itself, and not at a limit
    """

    text: str
    is_whole: bool
    input_tokens: int | None
    output_tokens: int | None
    request_id: str | None

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> Translation:
        output = payload["output"]
        text, ending = output.get("text"), output.get("finish_reason")
        if output.get("choices"):
            choice = output["choices"][0]
            text, ending = choice["message"]["content"], choice.get("finish_reason")
        if not isinstance(text, str):
            raise ValueError("the translation is no text")
        usage = mapping(payload.get("usage"))
        return cls(
            text=text,
            # A longer text of a reply is cut off where the reply is read.
            is_whole=ending != "length" and len(text) < MAX_TEXT,
            input_tokens=count(usage.get("input_tokens")),
            output_tokens=count(usage.get("output_tokens")),
            request_id=plain_id(payload.get("request_id")),
        )


def translate_text(
    *,
    text: str,
    target_language: str,
    source_language: str = AUTO,
    model: str = DEFAULT_MODEL,
    terms: Sequence[Term] = (),
    domains: str | None = None,
) -> Request[Translation]:
    """The request that translates ``text``. Its reply has :func:`output_token_bound` tokens at most.

    :param target_language: the English name of a language; ``source_language`` likewise, or :data:`AUTO`
    :param domains: what the text is about and its style, in English
    :raises InputError: the text is empty, or may be longer than the model takes
    """
    if not text.strip():
        raise InputError("text is empty, allowed is a text that is not empty", remedy="Give the words to translate.")
    most = input_token_bound(text, terms=terms, domains=domains)
    if most > MAX_TOKENS:
        raise InputError(
            f"text has up to {most} tokens with its {len(terms)} terms and its domain, {model} allows {MAX_TOKENS}",
            remedy="Split the text, or give fewer terms.",
        )
    options: dict[str, Any] = {"source_lang": source_language, "target_lang": target_language}
    options |= {"terms": [{"source": term.source, "target": term.target} for term in terms]} if terms else {}
    options |= {"domains": domains} if domains else {}
    return Request(
        method="POST",
        path=PATH,
        body={
            "model": model,
            "input": {"messages": [{"role": "user", "content": text}]},
            "parameters": {
                "translation_options": options,
                "result_format": "message",
                "max_tokens": output_token_bound(text),
            },
        },
        parse=Translation.parse,
        read_timeout=_READ_TIMEOUT,
        total_timeout=_TOTAL_TIMEOUT,
    )


def input_token_bound(text: str, *, terms: Sequence[Term] = (), domains: str | None = None) -> int:
    """The most tokens that a request can have: no token has less than a byte."""
    of_terms = sum(_bytes(term.source) + _bytes(term.target) + _TERM_TOKENS for term in terms)
    return _bytes(text) + of_terms + _bytes(domains or "") + _PROMPT_TOKENS


def output_token_bound(text: str) -> int:
    """The most tokens that the translation of ``text`` is allowed to have, and that are billed.

    Three for each byte: a language whose letters have several tokens each stays below it.
    """
    return min(MAX_TOKENS, 3 * _bytes(text) + 64)


def translation_price_of(model: str, prices: Mapping[str, Any] | None = None) -> TokenPrice | None:
    """The price of a model's tokens; ``None`` if it is not known.

    :param prices: prices that replace those of the catalog, as a connection states them: ``{"qwen-mt-plus":
        {"per_million_input": "1.8", "per_million_output": "5.4", "currency": "CNY", "as_of": "2026-11-27"}}``
    :raises ConfigurationError: the entry of ``prices`` is not valid
    """
    given = (prices or {}).get(model)
    if given is not None:
        try:
            return TokenPrice.parse(given)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"the price of {model!r} is {given!r}, which is not valid ({type(error).__name__}: {error})",
                remedy="Give per_million_input, per_million_output, currency (such as CNY) and as_of (a date).",
            ) from None
    if model not in _PRICES:
        return None
    of_input, of_output = map(Decimal, _PRICES[model])
    return TokenPrice(per_million_input=of_input, per_million_output=of_output, currency="CNY", as_of=_PRICED_ON)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
