"""Signs and verifies result URLs and upload policies, by OSS signature version 1."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow_provider_videoretalk.emulator.service.errors import OssError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Signer:
    """One access key of the object store; every emulator creates its own."""

    def __init__(self) -> None:
        self.access_key_id = f"LTAI{secrets.token_hex(10)}"
        self._secret = secrets.token_bytes(30)

    def sign(self, text: str) -> str:
        return base64.b64encode(hmac.new(self._secret, text.encode(), hashlib.sha1).digest()).decode()

    def matches(self, text: str, signature: str) -> bool:
        return hmac.compare_digest(self.sign(text).encode(), signature.encode())

    def url(self, *, origin: str, key: str, expires: int) -> str:
        """A URL of one result, valid until `expires` (seconds since the epoch)."""
        query = {
            "Expires": str(expires),
            "OSSAccessKeyId": self.access_key_id,
            "Signature": self.sign(_string_to_sign(key, str(expires))),
        }
        return f"{origin}/results/{quote(key)}?{urlencode(query)}"

    def verify_url(self, *, key: str, query: Mapping[str, str], now: float) -> None:
        """Raise OSS's 403 for a URL that is unsigned, signed by another key, altered or expired."""
        expires, signature = query.get("Expires"), query.get("Signature")
        if expires is None or signature is None:
            raise OssError(403, "AccessDenied", "You have no right to access this object because of bucket acl.")
        if query.get("OSSAccessKeyId") != self.access_key_id:
            raise OssError(
                403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records."
            )
        if not self.matches(_string_to_sign(key, expires), signature):
            raise OssError(403, "SignatureDoesNotMatch", "The signature calculated by the server differs from yours.")
        if now >= int(expires):
            raise OssError(
                403,
                "AccessDenied",
                "Request has expired.",
                details={"Expires": _iso(int(expires)), "ServerTime": _iso(now)},
            )

    def policy(self, *, prefix: str, expires: float, max_bytes: int) -> str:
        """An upload policy: base64 of JSON. The conditions of the service's own policy are not known."""
        document = {
            "expiration": _iso(expires),
            "conditions": [
                ["content-length-range", 0, max_bytes],
                ["starts-with", "$key", f"{prefix}/"],
                {"x-oss-object-acl": "private"},
                {"x-oss-forbid-overwrite": "true"},
            ],
        }
        return base64.b64encode(json.dumps(document).encode()).decode()

    def read_policy(self, *, policy: str, signature: str) -> dict[str, Any]:
        """The document of a policy; 403 if this signer did not sign it."""
        if not self.matches(policy, signature):
            raise OssError(403, "SignatureDoesNotMatch", "The signature calculated by the server differs from yours.")
        document: dict[str, Any] = json.loads(base64.b64decode(policy))
        return document


def _string_to_sign(key: str, expires: str) -> str:
    return f"GET\n\n\n{expires}\n/{key}"


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def policy_expiration(document: Mapping[str, Any]) -> float:
    """When a policy expires, in seconds since the epoch."""
    return datetime.fromisoformat(str(document["expiration"]).replace("Z", "+00:00")).timestamp()
