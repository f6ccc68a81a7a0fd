"""What a URL's signature leaves open is said before the job is paid for, in every mode of preflight."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from signed_urls import FIRST, SCHEMES, Scheme, code, digest

from airflow_provider_videoretalk.inputs.preflight import PreflightMode
from airflow_provider_videoretalk.inputs.retalk_inputs import RetalkInputs
from airflow_provider_videoretalk.inputs.url_validity import expiry_before, url_warnings
from airflow_provider_videoretalk.model_catalog.price import Price
from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator

END = datetime.fromtimestamp(FIRST, tz=timezone.utc)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_each_scheme_is_refused_or_warned_about_where_it_must(scheme: Scheme) -> None:
    url, _ = scheme.twice
    assert (expiry_before(url, END + HOUR) == END) == (scheme.ends is True)
    assert expiry_before(url, END - HOUR) is None
    late, early = (list(url_warnings("video_url", url, until=END + delta)) for delta in (HOUR, -HOUR))
    assert len(late) == scheme.temporary + (scheme.ends == "earliest")
    assert len(early) == scheme.temporary
    assert all("temporary credentials" in warning for warning in early)
    assert list(url_warnings("video_url", url, until=None)) == []
    assert not any(secret in "".join(late) for secret in (digest("one"), code("one")))


@pytest.mark.parametrize("mode", ["strict", "warn", "off"])
def test_preflight_warns_of_a_given_url(mode: PreflightMode) -> None:
    token = f"https://h.invalid/v.mp4?X-Amz-Security-Token={code('t')}&X-Amz-Signature={digest('s')}"
    token += "&X-Amz-Date=20261130T000000Z&X-Amz-Expires=604800"
    inputs = RetalkInputs.from_locations(video=token, audio=f"https://h.invalid/a.wav?x-acme-sig={digest('s')}")
    price = Price(per_second=Decimal("0.5"), currency="CNY", as_of=END.date())
    report = inputs.preflight(price=price, mode=mode, until=END)
    told = [sentence for sentence in report.inspection.warnings if "signed" in sentence]
    assert told[0].startswith("video_url: its URL is signed with temporary credentials")
    assert told[1].startswith(
        "audio_url: the URL seems signed in a way that this version does not know: a new signature"
    )
    assert told[1].endswith("or an object such as s3://conn@bucket/key.")
    assert {f"warning: {sentence}" for sentence in told} <= set(report.sentences)
    assert report.to_json()["url_warnings"] == told
    assert digest("s") not in "".join(report.sentences)


def test_the_operator_of_any_model_warns_too(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    given = {"images": [{"url": f"https://h/i.png?x-acme-sig={digest('s')}"}], "prompt": "a https://example.com/ page"}
    operator = DashScopeTaskOperator(task_id="t", model="m", path="services/x", input=given)
    intent: Any = SimpleNamespace()
    with caplog.at_level(logging.WARNING):
        assert operator.prepare(intent) is intent
    # Airflow's logger writes to one of the two.
    said = caplog.text + capfd.readouterr().out
    assert said.count("input: https://h/i.png: the URL seems signed in a way") == 1
    assert said.count("seems signed") == 1
    assert digest("s") not in said
