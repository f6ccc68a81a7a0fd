"""The emulator's replies to generated requests conform to its OpenAPI document."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import requests

from airflow_provider_videoretalk.emulator.api.app import create_app
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

schemathesis = pytest.importorskip("schemathesis", reason="its dependencies exclude those of this Airflow")

from schemathesis.checks import load_all_checks  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

load_all_checks()

HEADERS = {"Authorization": "Bearer sk-walker"}
EXAMPLES = 150


class NoDownloads:
    """Every input is one small file, because generated URLs must not be requested."""

    async def fetch(self, *, folder: Path, **_: Any) -> Path:
        path = folder / "input"
        path.write_bytes(b"input")
        return path

    async def close(self) -> None: ...


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    settings = EmulatorSettings(
        port=0,
        time_scale=1000,
        running=4,
        submits_per_second=1e6,
        transcriptions_per_second=1e6,
        queries_per_second=1e6,
        policies_per_second=1e6,
        translations_per_minute=1e6,
    )
    with Emulator(settings, engine=FakeEngine(), fetcher=NoDownloads()) as running:
        yield running


@pytest.fixture(scope="module")
def document(emulator: Emulator) -> dict[str, Any]:
    return dict(requests.get(f"{emulator.url}/emulator/openapi.json", timeout=10).json())


def document_without_security() -> dict[str, Any]:
    """The document without its security schemes, because every case is sent with a key.

    test_every_operation_needs_a_key tests requests without a key.
    """
    document = copy.deepcopy(create_app().openapi())
    for methods in document["paths"].values():
        for operation in methods.values():
            del operation["security"]
    return document


# From a separate app, because the operations are needed at collection: the fixture form of schemathesis 4.32 does not
# work with pytest 9.2.
schema = schemathesis.openapi.from_dict(document_without_security())


@schema.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_every_operation_conforms(emulator: Emulator, case: schemathesis.Case[Any]) -> None:
    # positive_data_acceptance is off, because a schema cannot express all rules: a cancel needs a queued render job, a
    # list window must not exceed a day, a speech model has its own endpoint, and a URL must have a valid host.
    case.call_and_validate(base_url=emulator.url, headers=HEADERS, excluded_checks=[positive_data_acceptance])


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic sk-walker"])
def test_every_operation_needs_a_key(emulator: Emulator, document: dict[str, Any], authorization: str | None) -> None:
    headers = {"X-DashScope-Async": "enable", **({"Authorization": authorization} if authorization else {})}
    for path, methods in document["paths"].items():
        for method in methods:
            reply = requests.request(method, f"{emulator.url}{path}", headers=headers, json={}, timeout=10)
            assert (reply.status_code, reply.json()["code"]) == (401, "InvalidApiKey"), path


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {
        ("POST", "/api/v1/services/aigc/image2video/video-synthesis"),
        ("GET", "/api/v1/tasks"),
        ("GET", "/api/v1/tasks/{task_id}"),
        ("POST", "/api/v1/tasks/{task_id}/cancel"),
        ("GET", "/api/v1/uploads"),
        ("POST", "/api/v1/services/aigc/image2video/face-detect"),
        ("POST", "/api/v1/services/audio/asr/transcription"),
        ("POST", "/api/v1/services/audio/tts/SpeechSynthesizer"),
        ("POST", "/api/v1/services/audio/tts/customization"),
        ("POST", "/api/v1/services/aigc/multimodal-generation/generation"),
        ("POST", "/api/v1/services/aigc/text-generation/generation"),
    }


def test_submit_is_described_as_documented(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["VideoRetalkRequest"]["properties"]["model"]["enum"] == ["videoretalk"]
    threshold = schemas["VideoRetalkParameters"]["properties"]["query_face_threshold"]
    assert (threshold["minimum"], threshold["maximum"], threshold["default"]) == (120, 200, 170)
    submit = document["paths"]["/api/v1/services/aigc/image2video/video-synthesis"]["post"]
    assert set(submit["responses"]) == {"200", "400", "401", "403", "404", "413", "429"}
