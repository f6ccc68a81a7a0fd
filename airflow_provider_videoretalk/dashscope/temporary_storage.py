"""Uploads a file to DashScope's temporary storage, which gives it an ``oss://`` URL for the service.

The vendor intends it for development. A file is kept for 48 hours, belongs to one model and one account, and can be
neither listed nor deleted.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.errors import InputError, RequestError
from airflow_provider_videoretalk.dashscope.multipart_upload import Content, MultipartUpload
from airflow_provider_videoretalk.dashscope.reply_values import number, plain_id, web_url
from airflow_provider_videoretalk.dashscope.request import Reply, Request

_FORM_FIELDS = {
    "OSSAccessKeyId": "oss_access_key_id",
    "Signature": "signature",
    "policy": "policy",
    "x-oss-object-acl": "x_oss_object_acl",
    "x-oss-forbid-overwrite": "x_oss_forbid_overwrite",
}
_DIRECTORY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_MAX_FILE_MEGABYTES = 1_000_000

# An upload may take as long as its policy is valid.
_READ_TIMEOUT = 300.0
_MIN_BYTES_PER_SECOND = 100_000


@dataclass(frozen=True, kw_only=True)
class UploadPolicy:
    """Permission to store files for a few minutes.

    :param host: URL of the store
    :param directory: prefix of all keys
    :param fields: form fields that prove the permission
    :param max_file_bytes: maximum file size, ``None`` if the reply has none
    """

    host: str
    directory: str
    fields: Mapping[str, str]
    max_file_bytes: int | None

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> UploadPolicy:
        data = payload["data"]
        megabytes = number(data.get("max_file_size_mb"), high=_MAX_FILE_MEGABYTES)
        host, directory = web_url(data["upload_host"]), str(data["upload_dir"]).rstrip("/")
        if host is None or not _DIRECTORY.fullmatch(directory):
            raise ValueError("upload_host is no http or https URL, or upload_dir is no plain path")
        return cls(
            host=host,
            directory=directory,
            fields={name: _form_value(data[source]) for name, source in _FORM_FIELDS.items()},
            max_file_bytes=int(megabytes * 1024 * 1024) if megabytes else None,
        )


@dataclass(frozen=True, kw_only=True)
class StoreRequest(Request[str]):
    """The form POST to the store, whose reply is empty or XML."""

    key: str

    def answer(self, reply: Reply) -> str:
        if reply.status in (200, 201, 204):
            return f"oss://{self.key}"
        raise RequestError(
            "the temporary storage refused the file",
            status=reply.status,
            request_id=plain_id(reply.headers.get("x-oss-request-id")),
            retryable=reply.status >= 500 or b"expired" in reply.content,
            remedy="Upload again. The permission is valid for five minutes: large files need a fast connection.",
        )


def _form_value(value: object) -> str:
    """
    :raises ValueError: it is no text of one line, so it could forge other fields of the form
    """
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("a field of the upload policy is no text of one line")
    return value


def get_upload_policy(*, model: str) -> Request[UploadPolicy]:
    """Requests permission to store a file for ``model``."""
    query = {"action": "getPolicy", "model": model}
    return Request(method="GET", path="uploads", query=query, parse=UploadPolicy.parse, route="upload")


def store_file(policy: UploadPolicy, content: Content) -> StoreRequest:
    """Stores a file. Each attempt has a new key, because a policy forbids to overwrite.

    :raises InputError: the file is missing, or larger than the policy allows
    """
    if not content.is_file():
        raise InputError(f"{content} is not a file", remedy="Give the path of a file.")
    size = content.stat().st_size
    if policy.max_file_bytes is not None and size > policy.max_file_bytes:
        raise InputError(
            f"{content.name} has {size} bytes, the temporary storage allows at most {policy.max_file_bytes}",
            remedy="Reduce the file size, or give a URL of your own store.",
        )
    name = f"{uuid.uuid4().hex}{content.suffix}"
    key = f"{policy.directory}/{name}"
    form = MultipartUpload(
        fields={**policy.fields, "key": key, "success_action_status": "200"}, content=content, name=name
    )
    return StoreRequest(
        method="POST",
        path=policy.host,
        parse=str,
        body=form,
        read_timeout=_READ_TIMEOUT,
        total_timeout=_READ_TIMEOUT + size / _MIN_BYTES_PER_SECOND,
        key=key,
    )


def upload(client: Client, content: Content, *, model: str) -> str:
    """Stores a file and returns its ``oss://`` URL, valid for ``model`` and this account for 48 hours."""
    return client.send(store_file(client.send(get_upload_policy(model=model)), content))
