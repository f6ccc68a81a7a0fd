"""DashScope's temporary storage: a file becomes an ``oss://`` URL that the service itself can read.

The vendor means it for development: a file lives 48 hours, is bound to one model and one account, and can be neither
listed nor deleted.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_videoretalk.dashscope.client import AsyncClient, Client
from airflow_provider_videoretalk.dashscope.errors import InputError, RequestError
from airflow_provider_videoretalk.dashscope.form import Content, FileForm
from airflow_provider_videoretalk.dashscope.request import Reply, Request
from airflow_provider_videoretalk.limits import MEGABYTE

# One file may take as long as its policy lives.
_READ_TIMEOUT = 300.0


@dataclass(frozen=True, kw_only=True)
class UploadPolicy:
    """Leave to store files for a few minutes.

    :param host: the store's URL
    :param directory: what keys must begin with
    :param fields: the form's fields that prove the leave
    :param max_file_bytes: largest file it allows, ``None`` where not said
    """

    host: str
    directory: str
    fields: Mapping[str, str]
    max_file_bytes: int | None

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> UploadPolicy:
        data = payload["data"]
        megabytes = data.get("max_file_size_mb")
        return cls(
            host=str(data["upload_host"]),
            directory=str(data["upload_dir"]).rstrip("/"),
            fields={
                "OSSAccessKeyId": str(data["oss_access_key_id"]),
                "Signature": str(data["signature"]),
                "policy": str(data["policy"]),
                "x-oss-object-acl": str(data["x_oss_object_acl"]),
                "x-oss-forbid-overwrite": str(data["x_oss_forbid_overwrite"]),
            },
            max_file_bytes=int(float(megabytes) * MEGABYTE) if megabytes else None,
        )


@dataclass(frozen=True, kw_only=True)
class StoreRequest(Request[str]):
    """The form POST to the store, which answers an empty body, or XML."""

    key: str

    def answer(self, reply: Reply) -> str:
        if reply.status in (200, 201, 204):
            return f"oss://{self.key}"
        raise RequestError(
            "the temporary storage refused the file",
            status=reply.status,
            request_id=reply.headers.get("x-oss-request-id"),
            retryable=reply.status >= 500 or b"expired" in reply.content,
            remedy="Upload again with a new policy; large files need a line that carries them within five minutes.",
        )


def get_upload_policy(*, model: str) -> Request[UploadPolicy]:
    """Asks for leave to store a file for ``model``."""
    return Request(
        method="GET", path="uploads", query={"action": "getPolicy", "model": model}, parse=UploadPolicy.parse
    )


def store_file(policy: UploadPolicy, content: Content) -> StoreRequest:
    """Stores a file; the key is new for each attempt, since a policy forbids to overwrite.

    :raises InputError: the file is missing, or larger than the policy allows
    """
    if not content.is_file():
        raise InputError(f"{content} is not a file", remedy="Give the path of a file.")
    size = content.stat().st_size
    if policy.max_file_bytes is not None and size > policy.max_file_bytes:
        raise InputError(
            f"{content.name} has {size} bytes, the temporary storage takes {policy.max_file_bytes}",
            remedy="Shrink the file, or give a URL of your own store.",
        )
    name = f"{uuid.uuid4().hex}{content.suffix}"
    key = f"{policy.directory}/{name}"
    form = FileForm(fields={**policy.fields, "key": key, "success_action_status": "200"}, content=content, name=name)
    return StoreRequest(method="POST", path=policy.host, parse=str, body=form, read_timeout=_READ_TIMEOUT, key=key)


def upload(client: Client, content: Content, *, model: str) -> str:
    """Stores a file and returns its ``oss://`` URL, good for ``model`` and this account for 48 hours."""
    return client.send(store_file(client.send(get_upload_policy(model=model)), content))


async def upload_async(client: AsyncClient, content: Content, *, model: str) -> str:
    """:func:`upload` over the asynchronous client."""
    return await client.send(store_file(await client.send(get_upload_policy(model=model)), content))
