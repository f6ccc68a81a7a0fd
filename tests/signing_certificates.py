"""A private key and its certificates for tests, as an authority would issue them to sign content credentials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True, kw_only=True)
class Signing:
    """Texts in PEM.

    :param certificates: the key's own, and the authority's
    """

    private_key: str
    certificates: str
    authority: str


def signing(*, key: Any = None, days: int = 30, encryption: Any = None) -> Signing:
    """
    :param key: to certify; a new one of P-256 by default
    :param days: until the certificate expires; it began two days before
    :param encryption: of the private key; none by default
    """
    root = ec.generate_private_key(ec.SECP256R1())
    key = key or ec.generate_private_key(ec.SECP256R1())
    root_identifier = x509.SubjectKeyIdentifier.from_public_key(root.public_key())
    authority = (
        _certificate("Test authority", "Test authority", root.public_key(), days=3650)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(root_identifier, critical=False)
        .sign(root, hashes.SHA256())
    )
    own = (
        _certificate("Test signer", "Test authority", key.public_key(), days=days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_identifier), critical=False)
        .sign(root, hashes.SHA256())
    )
    pem = [one.public_bytes(serialization.Encoding.PEM).decode() for one in (own, authority)]
    return Signing(private_key=key_pem(key, encryption), certificates="".join(pem), authority=pem[1])


def key_pem(key: Any, encryption: Any = None) -> str:
    """The key as OpenSSL writes it by default."""
    encrypted = encryption or serialization.NoEncryption()
    text: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encrypted)
    return text.decode()


def _certificate(subject: str, issuer: str, public_key: Any, *, days: int) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(**true: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: true.get(name, False) for name in names})
