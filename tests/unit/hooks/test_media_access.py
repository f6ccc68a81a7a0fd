"""Media at the own host of a connection are read as the service is asked: by its certificates and its proxy."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme
from connections import connect
from media_files import wav
from range_server import RangeServer
from small_mp4 import mp4

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, DashScopeError, InputError, TransportError
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.media.probe import probe, wav_seconds
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.outbound.download import Download, RetrySettings
from airflow_provider_videoretalk.ui.media_stream import open_first_available
from airflow_provider_videoretalk.ui.playable_media import WebMedium

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")

VIDEO, SPEECH = mp4(b"a gateway's video" * 100, seconds=7.2), wav(seconds=3.125)
NOT_TRUSTED = "the TLS certificate is not trusted"
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def only_the_connection_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetrySettings, "delay", lambda *_, **__: 0)
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "private-ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def tls_server(authority: trustme.CA) -> RangeServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = RangeServer(tls=context)
    server.add("/out.mp4", VIDEO, Content_Type="video/mp4")
    server.add("/speech.wav", SPEECH, Content_Type="audio/wav")
    return server


@pytest.fixture
def gateway(authority: trustme.CA) -> Iterator[RangeServer]:
    """A gateway whose certificate a private CA issued."""
    with tls_server(authority) as running:
        yield running


def access_of(monkeypatch: pytest.MonkeyPatch, host: str, **extra: Any) -> Any:
    connect(monkeypatch, host=host, **extra)
    return DashScopeHook().media_access


def by_download(url: str, access: Any) -> bytes:
    with Download(url, access=access) as download:
        return b"".join(download)


def by_probe(url: str, access: Any) -> Any:
    return VIDEO if probe(url, access=access).size == len(VIDEO) else None


def by_page(url: str, access: Any) -> bytes:
    medium = WebMedium(url=url, content_type="video/mp4")
    with closing(open_first_available([medium], range_header=None, access=access)) as stream:
        return b"".join(stream.chunks)


READERS = pytest.mark.parametrize("read", [by_download, by_probe, by_page])


@READERS
def test_the_own_host_behind_a_private_ca(
    read: Any, gateway: RangeServer, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = gateway.url("/out.mp4")
    with pytest.raises(TransportError, match=NOT_TRUSTED):
        read(url, access_of(monkeypatch, gateway.url("/api/v1")))
    assert not gateway.asked
    assert read(url, access_of(monkeypatch, gateway.url("/api/v1"), verify=bundle)) == VIDEO
    assert read(url, access_of(monkeypatch, gateway.url("/api/v1"), verify="false")) == VIDEO


@READERS
def test_the_connections_ca_is_for_its_own_host(
    read: Any, authority: trustme.CA, gateway: RangeServer, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_server(authority) as elsewhere:
        to_elsewhere = gateway.redirect("/to-elsewhere", elsewhere.url("/out.mp4"))
        to_gateway = elsewhere.redirect("/to-gateway", gateway.url("/out.mp4"))
        for verify in (bundle, "false"):
            access = access_of(monkeypatch, gateway.url("/api/v1"), verify=verify, allow_private=True)
            for url in (elsewhere.url("/out.mp4"), to_elsewhere, to_gateway):
                with pytest.raises(TransportError, match=NOT_TRUSTED):
                    read(url, access)
        assert not elsewhere.asked
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        assert read(to_elsewhere, access_of(monkeypatch, gateway.url("/api/v1"), allow_private=True)) == VIDEO


@READERS
def test_a_private_address_is_no_own_host_by_its_certificate(
    read: Any, authority: trustme.CA, gateway: RangeServer, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_server(authority) as elsewhere, pytest.raises(InputError, match="no public address"):
        read(elsewhere.url("/out.mp4"), access_of(monkeypatch, gateway.url("/api/v1"), verify=bundle))
    assert not elsewhere.asked


@READERS
@pytest.mark.parametrize("content", [b"", b"no PEM"])
def test_an_unusable_bundle_is_said_before_anything_is_sent(
    read: Any, content: bytes, gateway: RangeServer, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(bundle).write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"private-ca\.pem.*extra 'verify' of the connection"):
        read(gateway.url("/out.mp4"), access_of(monkeypatch, gateway.url("/api/v1"), verify=bundle))
    assert not gateway.asked


@READERS
def test_the_connections_proxy_is_for_its_own_host(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with RangeServer() as proxy, RangeServer() as other:
        proxy.add("/out.mp4", VIDEO, Content_Type="video/mp4")
        other.add("/out.mp4", VIDEO, Content_Type="video/mp4")
        access = access_of(monkeypatch, "http://gateway.test/api/v1", proxy=proxy.url(""), allow_private=True)
        assert read("http://gateway.test/out.mp4", access) == VIDEO
        asked = len(proxy.asked)
        assert asked
        assert read(other.url("/out.mp4"), access) == VIDEO
        assert len(proxy.asked) == asked


def test_speech_at_the_own_host(gateway: RangeServer, bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = gateway.url("/speech.wav")
    with pytest.raises(TransportError, match=NOT_TRUSTED):
        wav_seconds(url, access=access_of(monkeypatch, gateway.url("/api/v1")))
    assert wav_seconds(url, access=access_of(monkeypatch, gateway.url("/api/v1"), verify=bundle)) == 3.125


def test_a_result_at_the_own_host_is_published(
    gateway: RangeServer, bundle: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, context: dict[str, Any]
) -> None:
    source = {"task_id": "t1", "status": "SUCCEEDED", "video_url": gateway.url("/out.mp4"), "billed_seconds": 7.2}
    task = PublishMediaOperator(task_id="publish", source=source, destination=f"{tmp_path.as_uri()}/")
    connect(monkeypatch, host=gateway.url("/api/v1"))
    with pytest.raises(TransportError, match=NOT_TRUSTED):
        task.execute(context)
    connect(monkeypatch, host=gateway.url("/api/v1"), verify=bundle)
    task.execute(context)
    assert (tmp_path / "t1.mp4").read_bytes() == VIDEO


def test_inputs_at_the_own_host_are_checked(gateway: RangeServer, bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unchecked() -> str:
        urls = {"video_url": gateway.url("/out.mp4"), "audio_url": gateway.url("/speech.wav")}
        task = VideoRetalkOperator(task_id="retalk", **urls)
        return " ".join(task.preflight_report().inspection.unchecked)

    connect(monkeypatch, host=gateway.url("/api/v1"))
    assert NOT_TRUSTED in unchecked()
    connect(monkeypatch, host=gateway.url("/api/v1"), verify=bundle)
    assert NOT_TRUSTED not in unchecked()


def test_without_a_usable_connection_only_public_addresses(
    gateway: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_DASHSCOPE_DEFAULT", raising=False)
    for access in (DashScopeHook("nowhere").media_access, access_of(monkeypatch, gateway.url("/"), password=None)):
        with pytest.raises(DashScopeError, match="no public address"):
            by_download(gateway.url("/out.mp4"), access)
