"""Speech whose script a function returns."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk import DAG, task
from pytest_httpserver import HTTPServer
from unit.operators.test_speech import COSYVOICE, answer_with, wav

from airflow_provider_videoretalk.dashscope.errors import InputError


def speech(function: Any, **arguments: Any) -> Any:
    with DAG("dag", schedule=None):
        return task.text_to_speech(**{"task_id": "speech"} | arguments)(function)().operator


def spoken(service: HTTPServer) -> list[dict[str, Any]]:
    return [json.loads(request.data)["input"] for request, _ in service.log if request.path == COSYVOICE]


def test_a_text_is_the_script(service: HTTPServer, context: dict[str, Any]) -> None:
    answer_with(service, wav(3))
    assert speech(lambda: "Hello {{ name }}.").execute(context)["seconds"] == 3.0
    assert spoken(service)[0]["text"] == "Hello {{ name }}."


def test_a_mapping_has_fields(service: HTTPServer, context: dict[str, Any]) -> None:
    answer_with(service, wav(3))
    speech(lambda: {"text": "Hello.", "voice": "longanyang"}, voice="loongabby_v3").execute(context)
    assert (spoken(service)[0]["text"], spoken(service)[0]["voice"]) == ("Hello.", "longanyang")


@pytest.mark.parametrize("returned", [None, "", 3, ["Hello."], {"txt": "Hello."}])
def test_no_script(service: HTTPServer, context: dict[str, Any], returned: object) -> None:
    with pytest.raises(InputError, match=r"^text is "):
        speech(lambda: returned).execute(context)
    assert service.log == []


def test_a_throttled_account_does_not_run_the_function_again(service: HTTPServer, context: dict[str, Any]) -> None:
    scripts = iter(["Hello.", "Good evening."])
    service.expect_oneshot_request(COSYVOICE).respond_with_json(
        {"code": "Throttling.RateQuota"}, status=429, headers={"Retry-After": "60"}
    )
    with pytest.raises(TaskDeferred) as deferred:
        speech(lambda: next(scripts)).execute(context)
    answer_with(service, wav(3))
    stored = json.loads(json.dumps(deferred.value.kwargs)) | {"event": deferred.value.trigger.note}
    resumed = speech(lambda: next(scripts)).resume_execution("execute_again", stored, context)
    assert resumed["seconds"] == 3.0
    assert [request["text"] for request in spoken(service)] == ["Hello.", "Hello."]
