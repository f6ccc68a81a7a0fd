"""Content credentials of AI-made media: a C2PA manifest in the file, signed with the user's key.

The manifest says how the content came to be (``c2pa.created``), by IPTC's vocabulary of digital source types. Needs the
extra ``c2pa``. No network is used, unless the key names a time-stamp authority.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.editing.marked_format import markable_format
from airflow_provider_videoretalk.optional_dependencies import require_extra

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

SourceType = Literal["compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia"]
"""How the content came to be: made by AI with parts of a recording, as a lip replacement, or by AI alone, as speech."""

C2PA_FORMATS: Mapping[str, str] = {"mp4": "MP4", "mov": "MOV", "m4a": "M4A", "mp3": "MP3", "wav": "WAV", "avi": "AVI"}
"""The formats that a manifest is written to, with their names."""

GENERATOR = "airflow-provider-videoretalk"

_MARK = "content credentials"
_CONTENT_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "avi": "video/avi",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
}
_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_ACTION = "c2pa.created"
# Neither pictures of the video nor requests to other servers.
_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"ocsp_fetch": False, "remote_manifest_fetch": False},
}
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A private key and its certificates. Make it by :meth:`parse`.

    :param private_key: PKCS #8 in PEM, without a passphrase
    :param certificates: in PEM: the key's own first, then those that lead to the root
    :param algorithm: C2PA's name, such as ``es256``
    :param signer: the subject of the key's certificate (RFC 4514)
    :param timestamp_url: of a time-stamp authority (RFC 3161). Without one, nobody else attests the signature's time
    """

    private_key: str = field(repr=False)
    certificates: str
    algorithm: str
    signer: str
    timestamp_url: str | None = None

    @classmethod
    def parse(
        cls, *, private_key: str, certificates: str, timestamp_url: str | None = None, passphrase: str | None = None
    ) -> SigningKey:
        """
        :param private_key: in PEM, of an elliptic curve, Ed25519 or RSA
        :raises ConfigurationError: a value cannot be read, the key is not the certificate's, or that is not valid now.
            Messages hold nothing of the key
        """
        require_extra("c2pa", part=_MARK)
        # Heavy.
        from cryptography.hazmat.primitives import serialization
        from cryptography.x509 import load_pem_x509_certificates

        try:
            secret = passphrase.encode() if passphrase else None
            key = serialization.load_pem_private_key(_lines(private_key).encode(), secret)
        except (ValueError, TypeError) as error:
            raise _unusable("the private key cannot be read: it is no PEM, or has a passphrase", error) from None
        try:
            found = load_pem_x509_certificates(_lines(certificates).encode())
        except ValueError as error:
            raise _unusable("the certificates cannot be read: they are no PEM", error) from None
        _check_certificate(found[0], key)
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(
            private_key=plain.decode(),
            certificates="".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in found),
            algorithm=_algorithm(key),
            signer=found[0].subject.rfc4514_string(),
            timestamp_url=timestamp_url,
        )


@dataclass(frozen=True, kw_only=True)
class ContentCredentials:
    """What a manifest says.

    :param title: of the content, such as its file name
    :param source_type: how the content came to be
    :param version: of this package
    """

    key: SigningKey
    title: str
    source_type: SourceType
    version: str

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides what a manifest says, without the key: a renewed certificate of the same subject is no
        reason to sign again."""
        return {"signer": self.key.signer, "source_type": self.source_type, "timestamp_url": self.key.timestamp_url}

    def sign(self, source: Path, target: Path) -> dict[str, Any]:
        """Writes ``source`` with a signed manifest to ``target``. It is the last edit: it covers the whole file.

        :returns: ``content_credentials``: the id of the ``manifest``, the ``signer``, the ``action`` and the
            ``source_type``
        :raises InputError: the file's format has no place for a manifest
        :raises ConfigurationError: c2pa-python is not installed, or does not accept the certificate
        """
        found = markable_format(source, mark=_MARK, formats=C2PA_FORMATS)
        require_extra("c2pa", part=_MARK)
        # Loads a native library of 40 MB.
        import c2pa

        try:
            self._sign(c2pa, source, target, content_type=_CONTENT_TYPES[found])
            manifest = _manifest_id(c2pa, target, content_type=_CONTENT_TYPES[found])
        except c2pa.C2paError.Io:
            # The disk, and not the key.
            raise
        except c2pa.C2paError as error:
            raise _unusable(f"the file cannot be signed: {str(error)[:300]}") from error
        return {
            "content_credentials": {
                "manifest": manifest,
                "signer": self.key.signer,
                "action": _ACTION,
                "source_type": self.source_type,
            }
        }

    def _sign(self, c2pa: Any, source: Path, target: Path, *, content_type: str) -> None:
        info = c2pa.C2paSignerInfo(
            self.key.algorithm, self.key.certificates.encode(), self.key.private_key.encode(), self.key.timestamp_url
        )
        with (
            c2pa.Context(settings=c2pa.Settings.from_dict(_SETTINGS)) as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(json.dumps(self._definition(content_type)), context=context) as builder,
            source.open("rb") as read,
            target.open("x+b") as written,
        ):
            builder.sign(signer, content_type, read, written)

    def _definition(self, content_type: str) -> dict[str, Any]:
        action = {"action": _ACTION, "digitalSourceType": f"{_VOCABULARY}{self.source_type}"}
        return {
            "claim_generator_info": [{"name": GENERATOR, "version": self.version}],
            "title": self.title,
            "format": content_type,
            "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
        }


def _manifest_id(c2pa: Any, path: Path, *, content_type: str) -> str:
    """The id of the manifest, which C2PA's reader must find valid.

    :raises ConfigurationError: it does not
    """
    with (
        c2pa.Context(settings=c2pa.Settings.from_dict(_SETTINGS)) as context,
        path.open("rb") as file,
        c2pa.Reader(content_type, file, context=context) as reader,
    ):
        state = reader.get_validation_state()
        if state not in ("Valid", "Trusted"):
            raise _unusable(f"the signed file is not valid: {state}")
        return str(reader.get_active_manifest()["label"])


def _lines(pem: str) -> str:
    """A PEM whose line ends were written as ``\\n``, as in JSON that was quoted twice."""
    return pem.replace("\\n", "\n").strip() + "\n"


def _algorithm(key: Any) -> str:
    """
    :raises ConfigurationError: C2PA has none for this kind of key
    """
    # Heavy.
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    name = key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else type(key).__name__
    if name not in _CURVES:
        raise _unusable(f"the private key is of the kind {name}, allowed is P-256, P-384, P-521, Ed25519 or RSA")
    return _CURVES[name]


def _check_certificate(certificate: Certificate, key: Any) -> None:
    """
    :raises ConfigurationError: it is another key's, or not valid now
    """
    if certificate.public_key() != key.public_key():
        raise _unusable("the first certificate is not that of the private key")
    now = datetime.now(timezone.utc)
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= now <= last:
        raise _unusable(f"the certificate is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}")


def _unusable(reason: str, error: Exception | None = None) -> ConfigurationError:
    # The text of a parser's error may hold a part of the key.
    name = f" ({type(error).__name__})" if error else ""
    return ConfigurationError(
        f"{_MARK} cannot be written: {reason}{name}",
        remedy="Check private_key and certificates of the connection: see docs/marking.md.",
    )
