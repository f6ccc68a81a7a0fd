"""Publishing with marks of AI-made media."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import av
import c2pa
import pytest
from airflow.sdk import DAG
from connections import connect
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from media_files import video, wav
from object_store import ObjectStore, attached
from pytest_httpserver import HTTPServer
from signing_certificates import Signing, signing

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.operators import media_marks
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.provider_info import get_provider_info

PRODUCER = "001191330101MA27WPYJ18x0001"
PRODUCER_OPTION = "AIRFLOW__VIDEORETALK__AIGC_CONTENT_PRODUCER"
CREDENTIALS_OPTION = "AIRFLOW__VIDEORETALK__CONTENT_CREDENTIALS_CONN_ID"

pytestmark = pytest.mark.usefixtures("sources_on_this_machine")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return video(tmp_path_factory.mktemp("made") / "a.mp4", seconds=2, width=160, height=120).read_bytes()


@pytest.fixture(scope="module")
def signed_by() -> Signing:
    return signing()


@pytest.fixture
def result(httpserver: HTTPServer, content: bytes) -> dict[str, Any]:
    httpserver.expect_request("/out.mp4").respond_with_data(content, content_type="video/mp4")
    url = httpserver.url_for("/out.mp4")
    return {"task_id": "t1", "request_id": "r1", "video_url": url, "billed_seconds": 2.0}


@pytest.fixture
def speech(httpserver: HTTPServer) -> dict[str, Any]:
    httpserver.expect_request("/speech.wav").respond_with_data(wav(), content_type="audio/wav")
    return {"request_id": "r1", "audio_url": httpserver.url_for("/speech.wav"), "format": "wav", "seconds": 2.0}


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, signed_by: Signing) -> Signing:
    connect(
        monkeypatch,
        host=None,
        password=None,
        name="signing",
        private_key=signed_by.private_key,
        certificates=signed_by.certificates,
    )
    return signed_by


def publish(source: Any, folder: Path, context: dict[str, Any], **options: Any) -> dict[str, Any]:
    options = {"destination": f"{folder.as_uri()}/"} | options
    task = PublishMediaOperator(task_id="publish", source=source, **options)
    with DAG("dag"):
        task.render_template_fields({"params": {"producer": PRODUCER}})
    returned: dict[str, Any] = task.execute(context)
    return returned


def validation(path: Path, content_type: str, key: Signing) -> str | None:
    settings = {"trust": {"user_anchors": key.authority}, "verify": {"verify_trust": True}}
    with (
        c2pa.Context(settings=c2pa.Settings.from_dict(settings)) as context,
        path.open("rb") as file,
        c2pa.Reader(content_type, file, context=context) as reader,
    ):
        return reader.get_validation_state()


def test_both_marks(
    tmp_path: Path, result: dict[str, Any], content: bytes, context: dict[str, Any], key: Signing
) -> None:
    returned = publish(
        result,
        tmp_path,
        context,
        aigc_label={"content_producer": "{{ params.producer }}", "label": "1"},
        content_credentials="signing",
    )
    path = tmp_path / "t1.mp4"
    assert validation(path, "video/mp4", key) == "Trusted"
    with av.open(path) as container:
        assert json.loads(container.metadata["AIGC"]) == returned["aigc"]
    assert (returned["aigc"]["ContentProducer"], returned["aigc"]["ProduceID"]) == (PRODUCER, "t1")
    assert returned["content_credentials"]["signer"] == "CN=Test signer,O=Test,C=DE"
    assert returned["content_credentials"]["source_type"] == "compositeWithTrainedAlgorithmicMedia"
    assert returned["edits"]["names"] == ["aigc_label", "content_credentials"]
    assert returned["edits"]["original"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert returned["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    metadata = json.loads((tmp_path / "t1.mp4.json").read_text())
    assert metadata == {name: value for name, value in returned.items() if name != "metadata_uri"}


def test_speech(tmp_path: Path, speech: dict[str, Any], context: dict[str, Any], key: Signing) -> None:
    returned = publish(
        speech, tmp_path, context, aigc_label={"content_producer": PRODUCER}, content_credentials="signing"
    )
    assert validation(tmp_path / "r1.wav", "audio/wav", key) == "Trusted"
    assert returned["content_credentials"]["source_type"] == "trainedAlgorithmicMedia"
    assert b"AIGC" in (tmp_path / "r1.wav").read_bytes()
    assert returned["aigc"]["ProduceID"] == "r1"


@pytest.mark.parametrize(
    "source",
    [{"url": "/speech.wav", "request_id": "r1"}, {"audio_url": "/speech", "format": "wav", "request_id": "r1"}],
)
def test_sound_is_told_by_its_field_or_its_name(
    tmp_path: Path, httpserver: HTTPServer, context: dict[str, Any], key: Signing, source: dict[str, Any]
) -> None:
    httpserver.expect_request(re.compile("/speech.*")).respond_with_data(wav(), content_type="audio/wav")
    given = {name: httpserver.url_for(value) if "url" in name else value for name, value in source.items()}
    returned = publish(given, tmp_path, context, content_credentials="signing")
    assert returned["content_credentials"]["source_type"] == "trainedAlgorithmicMedia"


def test_a_key_with_a_passphrase(
    tmp_path: Path,
    result: dict[str, Any],
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    masked: list[str] = []
    monkeypatch.setattr(media_marks, "mask_secret", masked.extend)
    locked = signing(encryption=BestAvailableEncryption(b"open sesame"))
    extra = {"private_key": locked.private_key, "certificates": locked.certificates}
    connect(monkeypatch, host=None, password=None, name="signing", **extra, private_key_passphrase="open sesame")
    publish(result, tmp_path, context, content_credentials="signing")
    assert validation(tmp_path / "t1.mp4", "video/mp4", locked) == "Trusted"
    assert "open sesame" in masked


@pytest.mark.parametrize("url", ["http://tsa.example/", "https://tsa.example/", None])
def test_the_key_has_the_url_of_a_clock(monkeypatch: pytest.MonkeyPatch, signed_by: Signing, url: str | None) -> None:
    extra = {"private_key": signed_by.private_key, "certificates": signed_by.certificates}
    connect(monkeypatch, host=None, password=None, name="signing", **extra, timestamp_url=url)
    assert media_marks._signing_key("signing").timestamp_url == url


def test_a_store_gets_the_marked_file(result: dict[str, Any], context: dict[str, Any], key: Signing) -> None:
    store = ObjectStore()
    with attached(mine=store):
        returned = publish(result, Path("/"), context, destination="s3://mine@b/en.mp4", content_credentials="signing")
    assert hashlib.sha256(store.objects["b/en.mp4"]).hexdigest() == returned["sha256"]
    assert b"c2pa" in store.objects["b/en.mp4"]


def test_no_mark_by_default(tmp_path: Path, result: dict[str, Any], content: bytes, context: dict[str, Any]) -> None:
    returned = publish(result, tmp_path, context)
    assert (tmp_path / "t1.mp4").read_bytes() == content
    assert not {"aigc", "content_credentials", "edits"} & set(returned)


def test_the_same_marks_are_kept_and_others_replace(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any], key: Signing
) -> None:
    same: dict[str, Any] = {"if_exists": "skip_same", "content_credentials": "signing"}
    first = publish(result, tmp_path, context, **same)
    assert publish(result, tmp_path, context, **same) == first
    assert len(httpserver.log) == 1
    labelled = publish(result, tmp_path, context, aigc_label={"content_producer": PRODUCER}, **same)
    assert labelled["edits"]["names"] == ["aigc_label", "content_credentials"]
    bare = publish(result, tmp_path, context, if_exists="skip_same")
    assert "edits" not in bare


def test_the_configuration_marks_all(
    tmp_path: Path,
    result: dict[str, Any],
    context: dict[str, Any],
    key: Signing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PRODUCER_OPTION, "by-default")
    monkeypatch.setenv(CREDENTIALS_OPTION, "signing")
    returned = publish(result, tmp_path, context)
    assert returned["aigc"]["ContentProducer"] == "by-default"
    assert validation(tmp_path / "t1.mp4", "video/mp4", key) == "Trusted"
    for off in (False, "False"):
        returned = publish(result, tmp_path, context, aigc_label=off, content_credentials=off)
        assert "edits" not in returned
    assert {"aigc_content_producer", "content_credentials_conn_id"} < set(
        get_provider_info()["config"]["videoretalk"]["options"]
    )


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ({"audio_url": "http://127.0.0.1:9/a", "format": "pcm", "request_id": "r"}, "pcm"),
        ({"audio_url": "http://127.0.0.1:9/a.opus", "format": "opus", "request_id": "r"}, "ogg"),
        ({"audio_url": "http://127.0.0.1:9/a", "format": "opus", "request_id": "r"}, "ogg"),
        ({"video_url": "http://127.0.0.1:9/a.png", "task_id": "t"}, "png"),
        ({"url": "http://127.0.0.1:9/a.json", "task_id": "t"}, "json"),
    ],
)
def test_a_format_without_a_place_is_refused_before_the_download(
    tmp_path: Path, context: dict[str, Any], key: Signing, source: dict[str, Any], found: str
) -> None:
    for options in ({"aigc_label": {"content_producer": PRODUCER}}, {"content_credentials": "signing"}):
        with pytest.raises(InputError, match=f"cannot be written to a file of the format {found}, allowed is MP4"):
            publish(source, tmp_path, context, **options)
    assert not list(tmp_path.iterdir())


def test_the_configuration_does_not_stop_what_cannot_be_marked(
    tmp_path: Path,
    httpserver: HTTPServer,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(PRODUCER_OPTION, "by-default")
    httpserver.expect_request("/a.json").respond_with_data(b"{}")
    publish(httpserver.url_for("/a.json"), tmp_path, context)
    assert (tmp_path / "a.json").read_bytes() == b"{}"
    assert "Published without the AIGC label" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aigc_label": {"producer": "x"}}, "^aigc_label has the field 'producer'"),
        ({"aigc_label": {"label": "1"}}, "^aigc_label's content_producer is ''"),
        ({"aigc_label": PRODUCER}, "^aigc_label is a str, allowed is a mapping"),
        (
            {"content_credentials": "missing"},
            "content_credentials names the connection 'missing', which does not exist",
        ),
        ({"content_credentials": {"conn_id": "x"}}, "^content_credentials is {'conn_id': 'x'}, allowed is a text"),
    ],
)
def test_arguments_that_are_refused_before_the_download(
    tmp_path: Path, httpserver: HTTPServer, result: dict[str, Any], context: dict[str, Any], options: Any, message: str
) -> None:
    with pytest.raises((InputError, ConfigurationError), match=f"^(?:{message})"):
        publish(result, tmp_path, context, **options)
    assert not httpserver.log
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"certificates": None}, "the connection 'signing' lacks the extra private_key or certificates"),
        ({"private_key": None}, "the connection 'signing' lacks the extra private_key or certificates"),
        ({"private_key": 7}, "the connection 'signing' lacks the extra private_key or certificates"),
        ({"private_key": "secret words"}, "content credentials cannot be written: the private key cannot be read"),
        (
            {"timestamp_url": "file:///etc/hostname"},
            "timestamp_url of the connection 'signing' is no http or https URL",
        ),
    ],
)
def test_connections_that_are_refused(
    tmp_path: Path,
    result: dict[str, Any],
    context: dict[str, Any],
    signed_by: Signing,
    changes: dict[str, Any],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extra = {"private_key": signed_by.private_key, "certificates": signed_by.certificates} | changes
    connect(monkeypatch, host=None, password=None, name="signing", **extra)
    with pytest.raises(ConfigurationError, match=f"^(?:{message})") as caught:
        publish(result, tmp_path, context, content_credentials="signing")
    assert "secret words" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_key_is_masked_and_nowhere_else(
    tmp_path: Path,
    result: dict[str, Any],
    context: dict[str, Any],
    key: Signing,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    masked: list[str] = []
    monkeypatch.setattr(media_marks, "mask_secret", masked.extend)
    caplog.set_level("DEBUG")
    returned = publish(result, tmp_path, context, content_credentials="signing")
    first, line, *_ = key.private_key.splitlines()
    assert {key.private_key, line} <= set(masked)
    # The first line is that of every key.
    assert (first, first in masked) == ("-----BEGIN PRIVATE KEY-----", False)
    assert line not in caplog.text + json.dumps(returned) + (tmp_path / "t1.mp4.json").read_text()
    assert line.encode() not in (tmp_path / "t1.mp4").read_bytes()


def test_a_label_in_a_wav_needs_no_extra(
    tmp_path: Path,
    httpserver: HTTPServer,
    result: dict[str, Any],
    speech: dict[str, Any],
    context: dict[str, Any],
    monkeypatch: Any,
) -> None:
    """In a video it does, which is said before the download."""
    monkeypatch.setattr("airflow_provider_videoretalk.optional_dependencies.is_installed", lambda _: False)
    label = {"content_producer": PRODUCER}
    httpserver.expect_request("/speech").respond_with_data(wav(), content_type="audio/wav")
    nameless = speech | {"request_id": "r2", "audio_url": httpserver.url_for("/speech")}
    for sound in (speech, nameless):
        assert publish(sound, tmp_path, context, aigc_label=label)["aigc"]["ContentProducer"] == PRODUCER
    requests = len(httpserver.log)
    with pytest.raises(ConfigurationError, match=r"^the AIGC label needs "):
        publish(result, tmp_path, context, aigc_label=label)
    assert len(httpserver.log) == requests
