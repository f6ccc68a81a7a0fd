"""The models' replies, each of a shape of its own, and prices that depend on the resolution."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.dashscope.request import Reply
from airflow_provider_videoretalk.model_catalog.catalog import price_of
from airflow_provider_videoretalk.model_catalog.price import Price
from airflow_provider_videoretalk.model_catalog.talking_photo import LIVEPORTRAIT, WAN_S2V, detect_face

URL = "https://h.example/a.png"


def answered(model: str, output: Any) -> Any:
    reply = Reply(status=200, headers={}, content=json.dumps({"output": output}).encode())
    return detect_face(model=model, image_url=URL).read(reply)


@pytest.mark.parametrize(
    ("model", "output", "passed", "reason"),
    [
        ("wan2.2-s2v-detect", {"check_pass": True, "humanoid": True}, True, "the service gave no reason"),
        ("wan2.2-s2v-detect", {"check_pass": False, "humanoid": True, "message": "m"}, False, "m"),
        ("liveportrait-detect", {"pass": True}, True, "the service gave no reason"),
        ("liveportrait-detect", {"pass": False, "message": "No face."}, False, "No face."),
    ],
)
def test_the_verdict_of_each_model(model: str, output: Any, passed: bool, reason: str) -> None:
    detection = answered(model, output)
    assert (detection.passed, detection.reason) == (passed, reason)


@pytest.mark.parametrize("output", [{}, {"pass": "true"}, {"check_pass": True}, None, [], "x"])
def test_an_answer_without_a_verdict_is_no_verdict(output: Any) -> None:
    with pytest.raises(TransportError):
        answered("liveportrait-detect", output)


def test_the_request_of_a_check() -> None:
    request = detect_face(model="liveportrait-detect", image_url="oss://dashscope-instant/a.png")
    assert (request.method, request.path, request.creates) == ("POST", "services/aigc/image2video/face-detect", False)
    assert request.headers == {"X-DashScope-OssResourceResolve": "enable"}
    assert request.body == {
        "model": "liveportrait-detect",
        "input": {"image_url": "oss://dashscope-instant/a.png"},
    }


def test_where_the_result_is() -> None:
    assert WAN_S2V.result_url({"results": {"video_url": URL}}) == URL
    assert LIVEPORTRAIT.result_url({"video_url": URL}) is None


def test_the_price_of_each_resolution() -> None:
    assert [str(price_of("wan2.2-s2v", parameters={"resolution": each}).cost(10)) for each in ("480P", "720P")] == [
        "5.0000",
        "9.0000",
    ]
    own = {"wan2.2-s2v": {"per_second": "1", "currency": "USD", "as_of": "2027-01-01"}}
    assert str(price_of("wan2.2-s2v", own, parameters={"resolution": "480P"}).per_second) == "1"


def test_a_price_for_each_job_is_stored_and_added() -> None:
    price = Price(per_second=Decimal("0.02"), currency="CNY", as_of=date(2026, 11, 25), per_job=Decimal("0.004"))
    assert Price.parse(json.loads(json.dumps(price.to_json()))) == price
    assert str(price.cost(10)) == "0.2040"
    assert str(price.cost(0)) == "0.0040"
    plain = Price(per_second=Decimal("0.02"), currency="CNY", as_of=date(2026, 11, 25))
    assert plain.to_json() == {"per_second": "0.02", "currency": "CNY", "as_of": "2026-11-25"}
