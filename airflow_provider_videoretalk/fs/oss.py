"""``oss://``: Alibaba Cloud's OSS, through its S3-compatible endpoint.

The connection is the alibaba provider's type ``oss`` as it stands, or any other (``generic``, say) with:

- login and password: the access key's id and secret; or the extras ``access_key_id`` and ``access_key_secret``
- extra ``region``, e.g. ``cn-hangzhou``; or extra ``endpoint``, e.g. ``https://s3.oss-cn-hangzhou-internal.aliyuncs.com``
- extra ``security_token``, for a temporary key
- extra ``signature_version``: ``s3`` (the default, and what the vendor's page asks Python clients for) or ``s3v4``

A path that names no connection uses ``oss_default``. Needs the extra ``oss``, which is s3fs: it writes in parts that
nobody sees before they are put together, while the vendor-specific ossfs appends to an object that all can see.
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
    """``oss://bucket/key`` as ``UPath`` has it, which knows the scheme only as that of the package ossfs."""

    __slots__ = ()

    @property
    def path(self) -> str:
        return super().path.removeprefix("/")

    def __str__(self) -> str:
        return super().__str__().replace("oss:///", "oss://", 1)


def register_paths() -> None:
    """Lets ``ObjectStoragePath("oss://...")`` be written in this process."""
    if "oss" not in available_implementations():
        register_implementation("oss", OssPath)


def get_fs(conn_id: str | None, storage_options: Mapping[str, Any] | None = None) -> Any:
    """A file system for Airflow, which calls this for the scheme ``oss``.

    :param storage_options: of ``s3fs.S3FileSystem``; they win over what the connection says
    :raises ConfigurationError: s3fs is not installed, or the connection lacks something
    """
    from airflow.sdk import BaseHook
    from fsspec import get_filesystem_class  # type: ignore[import-untyped]

    from airflow_provider_videoretalk.dashscope.errors import ConfigurationError

    try:
        s3 = get_filesystem_class("s3")
    except ImportError:
        raise ConfigurationError(
            "oss:// needs s3fs, which is not installed", remedy="Install airflow-provider-videoretalk[oss]."
        ) from None
    connection = BaseHook.get_connection(conn_id or DEFAULT_CONN_ID)
    return s3(**_options(connection) | dict(storage_options or {}))


def _options(connection: Connection) -> dict[str, Any]:
    extra = connection.extra_dejson
    key = extra.get("access_key_id") or connection.login
    secret = extra.get("access_key_secret") or connection.password
    _check(connection.conn_id, key=key, secret=secret, place=extra.get("region") or extra.get("endpoint"))
    region = str(extra.get("region") or "").removeprefix("oss-")
    return {
        "key": key,
        "secret": secret,
        "token": extra.get("security_token"),
        "endpoint_url": extra.get("endpoint") or f"https://s3.oss-{region}.aliyuncs.com",
        "client_kwargs": {"region_name": region} if region else {},
        "config_kwargs": {
            "signature_version": extra.get("signature_version") or "s3",
            # OSS refuses buckets in the path, and the checksums that botocore puts behind a body.
            "s3": {"addressing_style": "virtual"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        },
    }


def _check(conn_id: str, **parts: object) -> None:
    from airflow_provider_videoretalk.dashscope.errors import ConfigurationError

    wanted = {
        "key": "its access key's id (login, or extra access_key_id)",
        "secret": "its access key's secret (password, or extra access_key_secret)",
        "place": "its region (extra region, e.g. cn-hangzhou)",
    }
    missing = [wanted[name] for name, value in parts.items() if not value]
    if missing:
        raise ConfigurationError(
            f"the connection {conn_id} lacks {', '.join(missing)}", remedy="Add it to the connection."
        )
