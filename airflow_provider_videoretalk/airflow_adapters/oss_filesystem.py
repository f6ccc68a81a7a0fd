"""The scheme ``oss://``: Alibaba Cloud's OSS, through its S3-compatible endpoint.

The connection has the alibaba provider's type ``oss``, or any other type (such as ``generic``) with:

- login and password, the access key's id and secret; or the extras ``access_key_id`` and ``access_key_secret``
- extra ``region``, e.g. ``cn-hangzhou``; or extra ``endpoint``, e.g. ``https://s3.oss-cn-hangzhou-internal.aliyuncs.com``
- extra ``security_token``, for a temporary key
- extra ``signature_version``: ``s3`` (the default, which the vendor's page requires of Python clients) or ``s3v4``

A path without a connection uses ``oss_default``. The package's extra ``oss`` installs s3fs. It uploads parts that are
invisible until the upload is complete, while the vendor-specific ossfs appends to a visible object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from upath.implementations.cloud import CloudPath
from upath.registry import available_implementations, register_implementation

if TYPE_CHECKING:
    from airflow.sdk import Connection

schemes = ["oss"]

DEFAULT_CONN_ID = "oss_default"


class OssPath(CloudPath):
    """The ``UPath`` class for ``oss://bucket/key``. ``UPath`` itself knows the scheme only with the package ossfs."""

    __slots__ = ()

    @property
    def path(self) -> str:
        return super().path.removeprefix("/")

    def __str__(self) -> str:
        return super().__str__().replace("oss:///", "oss://", 1)


def register_paths() -> None:
    """Makes ``ObjectStoragePath("oss://...")`` available in this process."""
    if "oss" not in available_implementations():
        register_implementation("oss", OssPath)


def get_fs(conn_id: str | None, storage_options: Mapping[str, Any] | None = None) -> Any:
    """The file system for the scheme ``oss``. Airflow calls this.

    :param storage_options: of ``s3fs.S3FileSystem``; they override the connection
    :raises ConfigurationError: s3fs is not installed, or the connection lacks a required value
    """
    from airflow.sdk import BaseHook
    from fsspec import get_filesystem_class  # type: ignore[import-untyped]

    from airflow_provider_videoretalk.optional_dependencies import require_extra

    require_extra("oss", part="oss://")
    s3 = get_filesystem_class("s3")
    connection = BaseHook.get_connection(conn_id or DEFAULT_CONN_ID)
    return s3(**_s3fs_options(connection) | dict(storage_options or {}))


def _s3fs_options(connection: Connection) -> dict[str, Any]:
    extra = connection.extra_dejson
    key = extra.get("access_key_id") or connection.login
    secret = extra.get("access_key_secret") or connection.password
    _check_required(connection.conn_id, key=key, secret=secret, region=extra.get("region") or extra.get("endpoint"))
    region = str(extra.get("region") or "").removeprefix("oss-")
    return {
        "key": key,
        "secret": secret,
        "token": extra.get("security_token"),
        "endpoint_url": extra.get("endpoint") or f"https://s3.oss-{region}.aliyuncs.com",
        "client_kwargs": {"region_name": region} if region else {},
        "config_kwargs": {
            "signature_version": extra.get("signature_version") or "s3",
            # OSS refuses the bucket in the path, and the checksums that botocore appends to a body.
            "s3": {"addressing_style": "virtual"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        },
    }


def _check_required(conn_id: str, **values: object) -> None:
    from airflow_provider_videoretalk.dashscope.errors import ConfigurationError

    required = {
        "key": "its access key's id (login, or extra access_key_id)",
        "secret": "its access key's secret (password, or extra access_key_secret)",
        "region": "its region (extra region, e.g. cn-hangzhou)",
    }
    missing = [required[name] for name, value in values.items() if not value]
    if missing:
        raise ConfigurationError(
            f"the connection {conn_id} lacks {', '.join(missing)}", remedy="Add it to the connection."
        )
