"""Translation over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest
import requests

PATH = "/services/aigc/text-generation/generation"


@pytest.fixture
def client(start: Any, connect: Any) -> Any:
    return connect(start(translations_per_minute=1000))


def translate(client: Any, text: str = "Good morning.", *, model: str = "qwen-mt-plus", **given: Any) -> Any:
    parameters = {
        "translation_options": {"source_lang": "English", "target_lang": "German", **given.pop("options", {})},
        **given.pop("parameters", {}),
    }
    messages = given.pop("messages", [{"role": "user", "content": text}])
    body = {"model": model, "input": {"messages": messages}, "parameters": parameters, **given}
    return client.post(PATH, json=body)


def complete(client: Any, text: str = "Good morning.", **given: Any) -> Any:
    body = {
        "model": "qwen-mt-plus",
        "messages": [{"role": "user", "content": text}],
        "translation_options": {"source_lang": "auto", "target_lang": "German"},
        **given,
    }
    url = f"{client.emulator.url}/compatible-mode/v1/chat/completions"
    return client.session.post(url, json=body, timeout=10)


def text_of(reply: requests.Response) -> str:
    assert reply.status_code == 200, reply.text
    return str(reply.json()["output"]["choices"][0]["message"]["content"])


def test_reply(client: Any) -> None:
    reply = translate(client)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    text = body["output"]["choices"][0]["message"].pop("content")
    assert text.startswith("[de] ")
    usage = body.pop("usage")
    assert body == {
        "request_id": reply.headers["x-request-id"],
        "output": {"choices": [{"finish_reason": "stop", "message": {"role": "assistant"}}]},
    }
    # The vendor's samples have 45 tokens around a text.
    assert usage["input_tokens"] == 45 + 4
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_the_format_text(client: Any) -> None:
    output = translate(client, parameters={"result_format": "text"}).json()["output"]
    assert output == {"text": output["text"], "finish_reason": "stop"}
    assert output["text"].startswith("[de] ")


def test_a_language_by_its_code(client: Any) -> None:
    by_name = translate(client, options={"source_lang": "auto", "target_lang": "Traditional Chinese"})
    by_code = translate(client, options={"source_lang": "en", "target_lang": "zh_tw"})
    assert text_of(by_name) == text_of(by_code)


def test_line_breaks_and_terms(client: Any) -> None:
    terms = [{"source": "Acme", "target": "Akme"}]
    lines = text_of(translate(client, "Acme is here.\nIt is late.", options={"terms": terms})).split("\n")
    assert len(lines) == 2
    assert "Akme" in lines[0]


def test_what_is_billed_grows_with_terms_and_domains(client: Any) -> None:
    def tokens(**options: Any) -> int:
        return int(translate(client, options=options).json()["usage"]["input_tokens"])

    terms = [{"source": "Acme", "target": "Akme"}]
    assert tokens() < tokens(terms=terms) < tokens(terms=terms, tm_list=terms, domains="A greeting in a shop.")


def test_the_limit_of_a_reply(client: Any) -> None:
    reply = translate(client, "Good morning, and welcome to our spring collection.", parameters={"max_tokens": 5})
    body = reply.json()
    assert body["output"]["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["output_tokens"] == 5


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]}, "Role must be in "),
    ({"messages": [{"role": "user", "content": "x"}] * 2}, "exactly one user message"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "exactly one user message"),
    ({"messages": []}, "exactly one user message"),
    ({"messages": [{"role": "user"}]}, "Field required: input.messages.0.content"),
    ({"text": " \n"}, "must not be empty"),
    ({"text": "a b " * 5000}, "Range of input length should be [1, 8192]"),
    ({"options": {"target_lang": "Klingon"}}, "'Klingon' is not supported by qwen-mt-plus"),
    ({"options": {"target_lang": "auto"}}, "'auto' is not supported"),
    ({"options": {"source_lang": "german"}}, "'german' is not supported"),
    ({"options": {"terms": [{"source": "a"}]}}, "Field required: parameters.translation_options.terms.0.target"),
    ({"model": "qwen-mt-lite", "options": {"target_lang": "Welsh"}}, "'Welsh' is not supported by qwen-mt-lite"),
    ({"parameters": {"max_tokens": 8193}}, "parameters.max_tokens"),
    ({"parameters": {"temperature": 2}}, "parameters.temperature"),
    ({"parameters": {"top_p": 0}}, "parameters.top_p"),
    ({"parameters": {"seed": -1}}, "parameters.seed"),
    ({"parameters": {"result_format": "html"}}, "parameters.result_format"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_refusals(client: Any, given: dict[str, Any], message: str) -> None:
    reply = translate(client, **{**given})
    assert (reply.status_code, reply.json()["code"]) == (400, "InvalidParameter")
    assert message in reply.json()["message"]


def test_a_part_that_is_missing(client: Any) -> None:
    for part, code in (("input", "BadRequest.EmptyInput"), ("parameters", "BadRequest.EmptyParameters")):
        body = {"model": "qwen-mt-plus", "input": {"messages": []}, "parameters": {}}
        del body[part]
        assert client.post(PATH, json=body).json()["code"] == code


def test_custom_prompts_are_not_played(client: Any) -> None:
    body = {
        "model": "qwen-mt-plus",
        "input": {"messages": [{"role": "user", "content": "Translate this."}]},
        "parameters": {"result_format": "message"},
    }
    reply = client.post(PATH, json=body)
    assert (reply.status_code, reply.json()["message"]) == (400, "Field required: parameters.translation_options")


def test_models(client: Any) -> None:
    for model in ("qwen-mt-plus", "qwen-mt-flash", "qwen-mt-turbo", "qwen-mt-lite"):
        assert translate(client, model=model).status_code == 200
    assert translate(client, model="qwen-max").json()["code"] == "ModelNotFound"
    assert "url error" in translate(client, model="qwen3-tts-flash").json()["message"]
    speech = {"model": "qwen-mt-plus", "input": {"text": "Hi", "voice": "Cherry"}}
    reply = client.post("/services/aigc/multimodal-generation/generation", json=speech)
    assert "url error" in reply.json()["message"]


def test_no_stream(client: Any) -> None:
    body = {"model": "qwen-mt-plus", "input": {}, "parameters": {}}
    reply = client.post(PATH, json=body, headers={"X-DashScope-SSE": "enable"})
    assert (reply.status_code, reply.json()["code"]) == (400, "InvalidParameter")
    assert complete(client, stream=True).json()["error"]["code"] == "invalid_parameter_error"


def test_sixty_a_minute(start: Any, connect: Any, clock: Any) -> None:
    client = connect(start())
    replies = [translate(client) for _ in range(61)]
    assert [reply.status_code for reply in replies] == [200] * 60 + [429]
    assert replies[-1].json()["code"] == "Throttling.RateQuota"
    other = connect(client.emulator, key="sk-other")
    assert translate(other).status_code == 200
    clock.advance(59.9)
    assert translate(client).status_code == 429
    clock.advance(0.1)
    assert translate(client).status_code == 200


def test_lines_that_are_merged(client: Any) -> None:
    rule = {"operation": "translation", "effect": "merge_lines"}
    requests.post(f"{client.emulator.url}/emulator/faults", json=rule, timeout=10).raise_for_status()
    assert len(text_of(translate(client, "One.\nTwo.\nThree.")).split("\n")) == 2
    assert len(text_of(translate(client, "One.\nTwo.\nThree.")).split("\n")) == 3


def test_merging_is_for_translations_only(client: Any) -> None:
    rule = {"operation": "speech", "effect": "merge_lines"}
    reply = requests.post(f"{client.emulator.url}/emulator/faults", json=rule, timeout=10)
    assert reply.status_code == 400
    assert "merge_lines is for translation only" in reply.json()["message"]


def test_requests_are_logged(client: Any) -> None:
    translate(client)
    complete(client)
    log = requests.get(f"{client.emulator.url}/emulator/requests", timeout=10).json()["requests"]
    assert [(entry["operation"], entry["status"]) for entry in log] == [("translation", 200)] * 2
    billed = {"model": "qwen-mt-plus", "input_tokens": 49, "output_tokens": log[0]["billed"]["output_tokens"]}
    assert [entry["billed"] for entry in log] == [billed] * 2


def test_what_is_billed_is_logged_though_the_reply_is_lost(client: Any) -> None:
    rules = [{"operation": "translation", "effect": effect} for effect in ("drop_after", "drop_before", "throttle")]
    requests.post(f"{client.emulator.url}/emulator/faults", json=rules, timeout=10).raise_for_status()
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            translate(client)
    assert translate(client).status_code == 429
    log = requests.get(f"{client.emulator.url}/emulator/requests", timeout=10).json()["requests"]
    assert [bool(entry["billed"]) for entry in log] == [True, False, False]


def test_the_openai_compatible_form(client: Any, clock: Any) -> None:
    reply = complete(client)
    body = reply.json()
    usage = body.pop("usage")
    assert body == {
        "id": f"chatcmpl-{reply.headers['x-request-id']}",
        "object": "chat.completion",
        "created": int(clock.now),
        "model": "qwen-mt-plus",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text_of(translate(client))},
            }
        ],
    }
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_refusals_of_the_openai_compatible_form(client: Any) -> None:
    reply = complete(client, messages=[{"role": "system", "content": "x"}])
    assert reply.status_code == 400
    assert reply.json()["error"] == {
        "code": "invalid_parameter_error",
        "param": None,
        "message": "Role must be in [user, assistant].",
        "type": "invalid_request_error",
    }
    assert complete(client, model="qwen-mx").json()["error"]["code"] == "model_not_found"
    client.session.headers["Authorization"] = "Bearer wrong"
    assert complete(client).json()["error"]["code"] == "invalid_api_key"
