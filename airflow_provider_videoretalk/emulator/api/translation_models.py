"""The models of translation requests and replies, in DashScope's form and in the OpenAI-compatible one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from airflow_provider_videoretalk.emulator.api.request_models import INTEGRAL, Body
from airflow_provider_videoretalk.emulator.api.response_models import Reply
from airflow_provider_videoretalk.model_catalog.translation import MAX_TOKENS

Real = BeforeValidator(lambda value: float(value) if type(value) is int else value)


class Message(Body):
    role: str
    content: str


class Pair(Body):
    """A term, or a sentence of a translation memory, with its translation."""

    source: str
    target: str


class TranslationOptions(Body):
    """The documented options. The emulator reads ``tm_list`` and ``domains``, but they have no effect."""

    source_lang: str
    target_lang: str
    terms: list[Pair] = Field(default_factory=list)
    tm_list: list[Pair] = Field(default_factory=list)
    domains: str | None = None


class Sampling(Body):
    """The documented parameters of the sampling. Only ``max_tokens`` has an effect."""

    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS), INTEGRAL] = MAX_TOKENS
    seed: Annotated[int, Field(ge=0, le=2**31 - 1), INTEGRAL] | None = None
    temperature: Annotated[float, Field(ge=0, lt=2), Real] = 0.65
    top_p: Annotated[float, Field(gt=0, le=1), Real] = 0.8
    top_k: Annotated[int, Field(ge=0), INTEGRAL] | None = 1
    repetition_penalty: Annotated[float, Field(gt=0), Real] = 1.0


class TranslationParameters(Sampling):
    translation_options: TranslationOptions
    result_format: Literal["text", "message"] = "message"


class TranslationInput(Body):
    messages: list[Message]


class TranslationRequest(Body):
    model: str = Field(min_length=1)
    input: TranslationInput
    parameters: TranslationParameters


class CompatibleRequest(Sampling):
    """The OpenAI-compatible form, which has all fields at the top level."""

    model: str = Field(min_length=1)
    messages: list[Message]
    translation_options: TranslationOptions
    stream: bool = False


class AnswerMessage(Reply):
    role: str
    content: str


class Choice(Reply):
    """``finish_reason`` is ``stop``, or ``length`` at the limit of tokens."""

    finish_reason: str
    message: AnswerMessage


class TranslationOutput(Reply):
    """``choices`` for the result format ``message``, ``text`` for ``text``."""

    text: str | None = None
    finish_reason: str | None = None
    choices: list[Choice] | None = None


class TranslationUsage(Reply):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class TranslationReply(Reply):
    request_id: str
    output: TranslationOutput
    usage: TranslationUsage


class CompatibleChoice(Choice):
    index: int


class CompatibleUsage(Reply):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompatibleReply(Reply):
    """``created`` is in seconds since the epoch."""

    id: str
    object: str
    created: int
    model: str
    choices: list[CompatibleChoice]
    usage: CompatibleUsage
