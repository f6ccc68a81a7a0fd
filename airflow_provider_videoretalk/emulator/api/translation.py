"""Translation with the Qwen-MT models, in DashScope's form and in the OpenAI-compatible one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request

from airflow_provider_videoretalk.emulator.api.components import Components, authorize
from airflow_provider_videoretalk.emulator.api.openapi import operation, refusals
from airflow_provider_videoretalk.emulator.api.paths import COMPATIBLE_PATH, TRANSLATION_PATH
from airflow_provider_videoretalk.emulator.api.request_body import read_json_object
from airflow_provider_videoretalk.emulator.api.request_models import read_body, read_model
from airflow_provider_videoretalk.emulator.api.responses import json_response, request_id
from airflow_provider_videoretalk.emulator.api.speech_rules import family_of
from airflow_provider_videoretalk.emulator.api.translation_models import (
    AnswerMessage,
    Choice,
    CompatibleChoice,
    CompatibleReply,
    CompatibleRequest,
    CompatibleUsage,
    Message,
    TranslationOptions,
    TranslationOutput,
    TranslationReply,
    TranslationRequest,
    TranslationUsage,
)
from airflow_provider_videoretalk.emulator.engine.pseudo_translation import pseudo_translate
from airflow_provider_videoretalk.emulator.service.errors import invalid_parameter, model_not_found, url_error
from airflow_provider_videoretalk.model_catalog.translation import AUTO, MAX_TOKENS
from airflow_provider_videoretalk.model_catalog.translation_languages import languages_of

if TYPE_CHECKING:
    from fastapi.responses import JSONResponse

router = APIRouter()

# The prompt around a text, by the vendor's samples.
PROMPT_TOKENS = 45

# This emulator's own tokens: a character of a script without blanks, up to four of any other word, or a mark.
_TOKEN = re.compile(r"[\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u2E80-\U0003FFFF]|\s?\w{1,4}|\s?[^\w\s]|\s+")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A translation with its tokens. `is_whole` is false if it was cut at the limit of tokens."""

    text: str
    is_whole: bool
    input_tokens: int
    output_tokens: int

    @property
    def finish_reason(self) -> str:
        return "stop" if self.is_whole else "length"

    @property
    def message(self) -> AnswerMessage:
        return AnswerMessage(role="assistant", content=self.text)


@router.post(
    TRANSLATION_PATH,
    response_model=TranslationReply,
    responses=refusals(400, 401, 404, 413, 429, 500),
    openapi_extra=operation(body=TranslationRequest),
)
async def translate(request: Request) -> JSONResponse:
    """Qwen-MT models, in DashScope's form."""
    _, body = await _read_request(request)
    parsed = read_body(TranslationRequest, body, parts=("input", "parameters"))
    options = parsed.parameters.translation_options
    answer = _answer(request, parsed.model, parsed.input.messages, options, most=parsed.parameters.max_tokens)
    if parsed.parameters.result_format == "text":
        output = TranslationOutput(text=answer.text, finish_reason=answer.finish_reason)
    else:
        output = TranslationOutput(choices=[Choice(finish_reason=answer.finish_reason, message=answer.message)])
    usage = TranslationUsage(
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        total_tokens=answer.input_tokens + answer.output_tokens,
    )
    return json_response(TranslationReply(request_id=request_id(request), output=output, usage=usage))


# Not in the OpenAPI document: its refusals have another shape than all others.
@router.post(COMPATIBLE_PATH, response_model=CompatibleReply, include_in_schema=False)
async def complete_chat(request: Request) -> JSONResponse:
    """Qwen-MT models, in the OpenAI-compatible form."""
    components, body = await _read_request(request)
    parsed = read_body(CompatibleRequest, body, parts=())
    if parsed.stream:
        raise _no_stream()
    answer = _answer(request, parsed.model, parsed.messages, parsed.translation_options, most=parsed.max_tokens)
    choice = CompatibleChoice(index=0, finish_reason=answer.finish_reason, message=answer.message)
    usage = CompatibleUsage(
        prompt_tokens=answer.input_tokens,
        completion_tokens=answer.output_tokens,
        total_tokens=answer.input_tokens + answer.output_tokens,
    )
    reply = CompatibleReply(
        id=f"chatcmpl-{request_id(request)}",
        object="chat.completion",
        created=int(components.state.clock()),
        model=parsed.model,
        choices=[choice],
        usage=usage,
    )
    return json_response(reply)


async def _read_request(request: Request) -> tuple[Components, dict[str, object]]:
    """Let a request in and check that its model translates."""
    components, _ = authorize(request, "translation")
    body = await read_json_object(request)
    family = family_of(read_model(body))
    if family is None:
        raise model_not_found()
    if family != "translation":
        raise url_error()
    if request.headers.get("x-dashscope-sse") == "enable":
        raise _no_stream()
    return components, body


def _no_stream() -> Exception:
    return invalid_parameter("This emulator does not stream: leave stream and X-DashScope-SSE out.")


def _answer(request: Request, model: str, messages: list[Message], options: TranslationOptions, *, most: int) -> Answer:
    """The translation of the only message. The message of a wrong role and that of a length are the service's."""
    if any(message.role not in ("user", "assistant") for message in messages):
        raise invalid_parameter("Role must be in [user, assistant].")
    if len(messages) != 1 or messages[0].role != "user":
        raise invalid_parameter("messages must contain exactly one user message")
    text = messages[0].content
    if not text.strip():
        raise invalid_parameter("messages.0.content must not be empty")
    language = _code(options.target_lang, model)
    if options.source_lang != AUTO:
        _code(options.source_lang, model)
    pairs = [*options.terms, *options.tm_list]
    extra = "".join(pair.source + pair.target for pair in pairs) + (options.domains or "")
    input_tokens = len(_TOKEN.findall(text)) + len(_TOKEN.findall(extra)) + PROMPT_TOKENS
    if input_tokens > MAX_TOKENS:
        raise invalid_parameter(f"Range of input length should be [1, {MAX_TOKENS}]")
    terms = {pair.source: pair.target for pair in options.terms if pair.source}
    translated = pseudo_translate(text, language=language, terms=terms)
    if request.scope["state"].get("merge_lines"):
        translated = translated.replace("\n", " ", 1)
    tokens = list(_TOKEN.finditer(translated))
    is_whole = len(tokens) <= most
    output_tokens = min(len(tokens), most)
    billed = {"model": model, "input_tokens": input_tokens, "output_tokens": output_tokens}
    request.scope["state"]["billed"] = billed
    return Answer(
        text=translated if is_whole else translated[: tokens[most - 1].end()],
        is_whole=is_whole,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
    )


def _code(given: str, model: str) -> str:
    """The code of a language, which a request names by its code or its English name; 400 for any other."""
    for code, name in languages_of(model).items():
        if given in (code, name):
            return code
    raise invalid_parameter(f"The language {given[:40]!r} is not supported by {model}.")
