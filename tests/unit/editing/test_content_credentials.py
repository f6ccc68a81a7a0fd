"""Content credentials are read, and found valid, by C2PA's own reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import c2pa
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from media_files import coded, video, wav
from signing_certificates import Signing, key_pem, signing

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.editing.aigc_label import AigcLabel
from airflow_provider_videoretalk.editing.content_credentials import ContentCredentials, SigningKey, SourceType

SIGNER = "CN=Test signer,O=Test,C=DE"


@pytest.fixture(scope="module")
def signed_by() -> Signing:
    return signing()


def credentials(
    signed_by: Signing, *, source_type: SourceType = "compositeWithTrainedAlgorithmicMedia"
) -> ContentCredentials:
    key = SigningKey.parse(private_key=signed_by.private_key, certificates=signed_by.certificates)
    return ContentCredentials(key=key, title="t1.mp4", source_type=source_type, version="0.1.0")


def read(path: Path, content_type: str, signed_by: Signing) -> tuple[str | None, dict[str, Any]]:
    """What C2PA's reader says of a file, if it trusts the authority."""
    settings = {"trust": {"user_anchors": signed_by.authority}, "verify": {"verify_trust": True}}
    with (
        c2pa.Context(settings=c2pa.Settings.from_dict(settings)) as context,
        path.open("rb") as file,
        c2pa.Reader(content_type, file, context=context) as reader,
    ):
        return reader.get_validation_state(), reader.get_active_manifest() or {}


def packets(path: Path) -> list[bytes]:
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux() if packet.dts is not None]


def made(folder: Path, name: str) -> Path:
    path = folder / name
    if name.endswith((".mp4", ".mov", ".avi")):
        return video(path, seconds=1, width=160, height=120, container=name[-3:])
    if name.endswith(".m4a"):
        return coded(path, seconds=1, codec="aac", container="ipod")
    if name.endswith(".mp3"):
        return coded(path, seconds=1)
    path.write_bytes(wav(seconds=0.5))
    return path


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.mp4", "video/mp4"),
        ("a.mov", "video/quicktime"),
        ("a.avi", "video/avi"),
        ("a.m4a", "audio/mp4"),
        ("a.mp3", "audio/mpeg"),
        ("a.wav", "audio/wav"),
    ],
)
def test_trusted_by_c2pas_reader(tmp_path: Path, signed_by: Signing, name: str, content_type: str) -> None:
    source, target = made(tmp_path, name), tmp_path / f"signed-{name}"
    fields = credentials(signed_by).sign(source, target)["content_credentials"]
    state, manifest = read(target, content_type, signed_by)
    assert state == "Trusted"
    assert fields == {
        "manifest": manifest["label"],
        "signer": SIGNER,
        "action": "c2pa.created",
        "source_type": "compositeWithTrainedAlgorithmicMedia",
    }
    assert manifest["title"] == "t1.mp4"
    generator = manifest["claim_generator_info"][0]
    assert (generator["name"], generator["version"]) == ("airflow-provider-videoretalk", "0.1.0")
    (actions,) = (each["data"]["actions"] for each in manifest["assertions"] if each["label"] == "c2pa.actions.v2")
    assert [(each["action"], each["digitalSourceType"]) for each in actions] == [
        (
            "c2pa.created",
            "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
        )
    ]
    assert "thumbnail" not in manifest
    assert packets(target) == packets(source)


def test_a_changed_file_is_not_valid(tmp_path: Path, signed_by: Signing) -> None:
    target = tmp_path / "b.mp4"
    credentials(signed_by).sign(made(tmp_path, "a.mp4"), target)
    content = bytearray(target.read_bytes())
    content[content.index(b"mdat") + 50] ^= 1
    target.write_bytes(content)
    assert read(target, "video/mp4", signed_by)[0] == "Invalid"


def test_after_the_aigc_label(tmp_path: Path, signed_by: Signing) -> None:
    labelled, signed = tmp_path / "labelled.mp4", tmp_path / "signed.mp4"
    AigcLabel(content_producer="producer", produce_id="job-1").write(made(tmp_path, "a.mp4"), labelled)
    credentials(signed_by).sign(labelled, signed)
    assert read(signed, "video/mp4", signed_by)[0] == "Trusted"
    with av.open(signed) as container:
        assert json.loads(container.metadata["AIGC"])["ProduceID"] == "job-1"
    assert packets(signed) == packets(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP384R1()), "es384"),
        (ed25519.Ed25519PrivateKey.generate(), "ed25519"),
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), "ps256"),
    ],
    ids=["P-384", "Ed25519", "RSA"],
)
def test_keys_of_other_kinds(tmp_path: Path, key: Any, algorithm: str) -> None:
    given = signing(key=key)
    made_of = credentials(given, source_type="trainedAlgorithmicMedia")
    made_of.sign(made(tmp_path, "a.wav"), tmp_path / "b.wav")
    assert made_of.key.algorithm == algorithm
    assert read(tmp_path / "b.wav", "audio/wav", given)[0] == "Trusted"


def test_a_key_as_it_may_be_stored(signed_by: Signing) -> None:
    """With line ends that were quoted, with a passphrase, or in OpenSSL's older form."""
    quoted = SigningKey.parse(
        private_key=signed_by.private_key.replace("\n", "\\n"), certificates=signed_by.certificates.replace("\n", "\\n")
    )
    assert quoted.private_key == signed_by.private_key
    encrypted = signing(encryption=serialization.BestAvailableEncryption(b"word"))
    parsed = SigningKey.parse(private_key=encrypted.private_key, certificates=encrypted.certificates, passphrase="word")
    assert parsed.private_key.startswith("-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(ConfigurationError, match="cannot be read: it is no PEM, or has a passphrase"):
        SigningKey.parse(private_key=encrypted.private_key, certificates=encrypted.certificates)


def test_the_settings_hold_no_secret_and_no_renewable_certificate(signed_by: Signing) -> None:
    made_of = credentials(signed_by)
    assert made_of.settings == credentials(signing()).settings
    assert made_of.settings["signer"] == SIGNER
    assert signed_by.private_key.splitlines()[1] not in repr(made_of)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"private_key": "secret words"}, "the private key cannot be read"),
        ({"certificates": "no certificate"}, "the certificates cannot be read"),
        ({"private_key": signing().private_key}, "the first certificate is not that of the private key"),
        (vars(signing(days=-1)), r"the certificate is valid from \d{4}-\d\d-\d\d to"),
        (
            {"private_key": key_pem(dsa.generate_private_key(2048))},
            "the first certificate is not that of the private key",
        ),
        (vars(signing(key=ec.generate_private_key(ec.SECP256K1()))), "of the kind secp256k1, allowed is P-256"),
    ],
    ids=["key", "certificates", "other key", "expired", "DSA", "curve"],
)
def test_keys_that_are_refused(signed_by: Signing, changes: dict[str, str], message: str) -> None:
    given = {"private_key": signed_by.private_key, "certificates": signed_by.certificates} | changes
    with pytest.raises(ConfigurationError, match=message) as caught:
        SigningKey.parse(private_key=given["private_key"], certificates=given["certificates"])
    assert "secret words" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_format_without_a_place_for_it(tmp_path: Path, signed_by: Signing) -> None:
    (tmp_path / "a.ogg").write_bytes(b"OggS" + bytes(100))
    with pytest.raises(InputError, match="content credentials cannot be written to a file of the format ogg"):
        credentials(signed_by).sign(tmp_path / "a.ogg", tmp_path / "b.ogg")


def test_a_certificate_for_another_use(tmp_path: Path) -> None:
    """C2PA refuses what an authority issued for itself."""
    given = signing()
    key = SigningKey.parse(private_key=given.private_key, certificates=given.certificates)
    wrong = SigningKey(**{**vars(key), "certificates": given.authority})
    made_of = ContentCredentials(key=wrong, title="", source_type="trainedAlgorithmicMedia", version="0")
    with pytest.raises(ConfigurationError, match=r"the file cannot be signed|the signed file is not valid"):
        made_of.sign(made(tmp_path, "a.mp4"), tmp_path / "b.mp4")
