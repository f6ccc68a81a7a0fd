"""A new model is one entry in the catalog and one thin operator, as CONTRIBUTING.md describes it.

The toy model does not exist. A stub server answers for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from connections import connect
from media_files import image, wav
from pytest_httpserver import HTTPServer
from range_server import RangeServer

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.inputs.job_inputs import JobInputs
from airflow_provider_videoretalk.inputs.source import source_of
from airflow_provider_videoretalk.model_catalog import catalog
from airflow_provider_videoretalk.model_catalog.limit import Limit
from airflow_provider_videoretalk.model_catalog.model import InputLength, MediaInput, Model, OutputLength
from airflow_provider_videoretalk.model_catalog.price import Price
from airflow_provider_videoretalk.operators.catalog_model import CatalogModelOperator
from airflow_provider_videoretalk.operators.template_values import as_location

# model_catalog/toy.py

IMAGE_SIDE = Limit(field="image side", high=4096, unit="px", code="InvalidFile.ImageSize")
AUDIO_SECONDS = Limit(field="audio duration", low=1, high=180, unit="s", code="InvalidFile.Duration")
MAX_OUTPUT_SECONDS = 180.0


def output_length(inputs: Mapping[str, InputLength], parameters: Mapping[str, Any]) -> OutputLength:
    """The output is as long as the audio."""
    seconds = inputs["audio_url"].seconds
    return OutputLength(seconds=MAX_OUTPUT_SECONDS if seconds is None else seconds, exact=seconds is not None)


TOY = Model(
    name="toy",
    path="services/aigc/image2video/toy-synthesis",
    price=Price(per_second=Decimal("0.02"), currency="CNY", as_of=date(2026, 11, 22)),
    render_factor=5.0,
    media_inputs={
        "image_url": MediaInput(kind="image", containers=("jpeg", "png"), side=IMAGE_SIDE),
        "audio_url": MediaInput(kind="audio", containers=("wav", "mp3"), seconds=AUDIO_SECONDS),
    },
    output_length=output_length,
    max_output_seconds=MAX_OUTPUT_SECONDS,
    result_url_field="animation_url",
    billed_seconds_field="seconds",
)

# operators/toy.py


class ToyOperator(CatalogModelOperator):
    """Animates an image.

    :param image_url: The image. (templated)
    :param audio_url: The speech. (templated)
    """

    catalog_entry = TOY
    template_fields = ("image_url", "audio_url", *CatalogModelOperator.template_fields)

    def __init__(self, *, image_url: str, audio_url: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.image_url = image_url
        self.audio_url = audio_url

    def job_inputs(self) -> JobInputs:
        given = {"image_url": self.image_url, "audio_url": self.audio_url}
        sources = {field: source_of(field, as_location(field, location)) for field, location in given.items()}
        return JobInputs(model=TOY, sources=sources)


SUBMIT = f"/api/v1/{TOY.path}"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalog.MODELS, TOY.name, TOY)


@pytest.fixture
def media() -> Iterator[RangeServer]:
    with RangeServer() as server:
        server.add("/face.png", image("png", width=300, height=300))
        server.add("/speech.wav", wav(seconds=3))
        yield server


@pytest.fixture
def account(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    connect(monkeypatch, host=service.url_for("/api/v1"), allow_private=True, queries_per_second=1000)
    submitted = {"request_id": "r", "output": {"task_id": "t1", "task_status": "PENDING"}}
    service.expect_request(SUBMIT, method="POST").respond_with_json(submitted)
    output = {"task_id": "t1", "task_status": "SUCCEEDED", "animation_url": "http://r/1.mp4"}
    reply = {"request_id": "q", "output": output, "usage": {"seconds": 2.5}}
    service.expect_request("/api/v1/tasks/t1").respond_with_json(reply)
    return service


def operator(media: RangeServer, **arguments: Any) -> ToyOperator:
    given = {"image_url": media.url("/face.png"), "audio_url": media.url("/speech.wav"), "deferrable": False}
    return ToyOperator(task_id="toy", **given | arguments)


def submits(service: HTTPServer) -> list[dict[str, Any]]:
    return [json.loads(request.data) for request, _ in service.log if request.path == SUBMIT]


def test_it_is_submitted_and_priced(account: HTTPServer, media: RangeServer, context: dict[str, Any]) -> None:
    result: Any = operator(media, max_cost="0.06").execute(context)
    inputs = {"image_url": media.url("/face.png"), "audio_url": media.url("/speech.wav")}
    assert submits(account) == [{"model": "toy", "input": inputs, "parameters": {}}]
    assert (result["task_id"], result["video_url"], result["inputs"]) == ("t1", "http://r/1.mp4", inputs)
    assert (result["estimated_seconds"], result["estimated_cost"], result["exact"]) == (3.0, 0.06, True)
    assert (result["billed_seconds"], result["cost"], result["currency"]) == (2.5, 0.05, "CNY")


def test_the_connection_can_state_its_price(
    account: HTTPServer, media: RangeServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = {"toy": {"per_second": "1", "currency": "USD", "as_of": "2027-01-01"}}
    connect(monkeypatch, host=account.url_for("/api/v1"), allow_private=True, prices=prices)
    result: Any = operator(media).execute(context)
    assert (result["estimated_cost"], result["cost"], result["currency"]) == (3.0, 2.5, "USD")


def test_its_limits_refuse_before_the_submit(account: HTTPServer, media: RangeServer, context: dict[str, Any]) -> None:
    media.add("/speech.wav", wav(seconds=0.5))
    media.add("/face.png", image("png", width=5000, height=100))
    with pytest.raises(InputError) as refused:
        operator(media).execute(context)
    assert "image_url: image is 5000x100 px, allowed is at most 4096 px for each side" in refused.value.message
    assert "audio_url: audio duration is 0.5 s, allowed is 1 to 180 s" in refused.value.message
    assert submits(account) == []


def test_its_cost_refuses_before_the_submit(account: HTTPServer, media: RangeServer, context: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"costs 3 s of output, 0\.06 CNY .*, allowed is at most 0\.05 CNY"):
        operator(media, max_cost=0.05).execute(context)
    with pytest.raises(InputError, match=r"costs at most 180 s of output, at most 3\.6 CNY"):
        operator(media, preflight="off", max_cost=0.05).execute(context)
    assert submits(account) == []


def test_a_dry_run(account: HTTPServer, media: RangeServer, context: dict[str, Any]) -> None:
    with pytest.raises(AirflowSkipException):
        operator(media, dry_run=True).execute(context)
    assert account.log == []
    assert context["ti"].pushed["dashscope_dry_run"]["estimated_cost"] == 0.06


def test_the_catalog_finds_it() -> None:
    assert catalog.find_model("toy") is TOY
    assert catalog.price_of("toy") is TOY.price
    assert catalog.find_model("no-such-model") is None


@pytest.mark.parametrize("url", [None, "", 7, ["http://r/1.mp4"]])
def test_a_reply_without_the_url(url: object) -> None:
    assert TOY.result_url({"animation_url": url, "video_url": "http://r/2.mp4"}) is None
    assert replace(TOY, result_url_field="video_url").result_url({"video_url": "http://r/2.mp4"}) == "http://r/2.mp4"


@pytest.mark.parametrize("seconds", [None, "2.5", True, float("nan"), float("inf"), [2.5]])
def test_a_reply_without_billed_seconds(seconds: object) -> None:
    assert TOY.billed_seconds({"seconds": seconds, "video_duration": 9}) is None
    assert TOY.billed_seconds({"seconds": 2}) == 2.0
