"""What an endpoint can do, found out for the connection test without submitting anything."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.dialect import DIALECTS, DialectName
from airflow_provider_videoretalk.dashscope.endpoint import BEIJING, Endpoint
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, DashScopeError, RequestError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import cancel_task
from airflow_provider_videoretalk.dashscope.task_list import list_tasks
from airflow_provider_videoretalk.dashscope.task_route import check_task_route
from airflow_provider_videoretalk.dashscope.temporary_storage import get_upload_policy

_ABSENT = (404, 405)

# The vendor's own hosts: dashscope.aliyuncs.com, dashscope-intl.aliyuncs.com, cn-hongkong.dashscope.aliyuncs.com,
# {workspace}.cn-beijing.maas.aliyuncs.com. Every region has a host, and every host has one.
_VENDOR_HOST = re.compile(r"(.*\.)?(dashscope(-[a-z0-9-]+)?|maas)\.aliyuncs\.com")
_REGIONS = {
    "cn-beijing": "Beijing",
    "dashscope-intl": "Singapore",
    "ap-southeast-1": "Singapore",
    "dashscope-us": "Virginia",
    "us-east-1": "Virginia",
    "cn-hongkong": "Hong Kong",
    "eu-central-1": "Frankfurt",
    "ap-northeast-1": "Tokyo",
}


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """The routes of an endpoint besides submit and query; ``None`` if unknown.

    :param queued: number of render jobs in the account's queue
    """

    lists: bool | None
    cancels: bool | None
    uploads: bool | None
    queued: int | None

    def __str__(self) -> str:
        parts = {"list": self.lists, "cancel": self.cancels, "upload": self.uploads}
        words = {True: "yes", False: "no", None: "unknown"}
        routes = ", ".join(f"{name}: {words[there]}" for name, there in parts.items())
        return routes if self.queued is None else f"{routes}; {self.queued} render jobs in the account's queue"


def probe_endpoint(client: Client) -> Capabilities:
    """Tries each route once. If render jobs cannot be queried, tries the other dialects too.

    :raises ConfigurationError: VideoRetalk cannot be used there, or only with other settings, which the error names
    :raises DashScopeError: the key is not accepted, or the endpoint does not answer
    """
    check_region(client.endpoint)
    try:
        check_task_route(client)
    except ConfigurationError as error:
        found = _find_dialects(client.endpoint)
        if not found:
            raise
        examples = " or ".join(f'{{"dialect": "{name}"}}' for name in found)
        raise ConfigurationError(
            error.message,
            remedy=f"This endpoint answers another dialect. Set the connection's extra {examples}.",
        ) from error
    queued = None
    lists: bool | None = True
    try:
        queued = client.send(list_tasks(status="PENDING", page_size=1)).total
    except DashScopeError as error:
        if error.status not in _ABSENT:
            raise
        lists = False
    unknown = str(uuid.uuid4())
    return Capabilities(
        lists=lists,
        cancels=_has_route(client, cancel_task(unknown)),
        uploads=_has_route(client, get_upload_policy(model="videoretalk")),
        queued=queued,
    )


def describe(endpoint: Endpoint, capabilities: Capabilities) -> str:
    """The endpoint in one line, for the connection test."""
    region = region_of(endpoint.base_url)
    place = "a gateway, or another endpoint" if region is None else f"{region}, where VideoRetalk is"
    workspace = endpoint.workspace or "the account's default"
    return (
        f"{endpoint.base_url} accepts the key. Dialect: {endpoint.dialect}. Region: {place}. Workspace: {workspace}. "
        f"{capabilities}."
    )


def check_region(endpoint: Endpoint) -> None:
    """Returns if VideoRetalk can be had at the endpoint, as far as its host tells.

    :raises ConfigurationError: it is the vendor's endpoint of another region than Beijing
    """
    region = region_of(endpoint.base_url)
    if region not in (None, "Beijing"):
        raise ConfigurationError(
            f"{urlsplit(endpoint.base_url).hostname} is the vendor's endpoint in {region}, where VideoRetalk cannot be "
            "used",
            remedy=f"VideoRetalk is in Beijing only: use {BEIJING}, or your workspace's host there, and a key of the "
            "Beijing region.",
        )


def region_of(base_url: str) -> str | None:
    """The region of one of the vendor's own hosts; ``None`` for any other host."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    if not _VENDOR_HOST.fullmatch(host):
        return None
    if host == urlsplit(BEIJING).hostname:
        return "Beijing"
    labels = reversed(host.split("."))
    named = [place for label in labels for region, place in _REGIONS.items() if region in label]
    return named[0] if named else "another region"


def _find_dialects(endpoint: Endpoint) -> list[DialectName]:
    found: list[DialectName] = []
    for name in DIALECTS:
        if name != endpoint.dialect:
            with suppress(DashScopeError), Client(replace(endpoint, dialect=name)) as client:
                check_task_route(client)
                found.append(name)
    return found


def _has_route(client: Client, request: Request[Any]) -> bool | None:
    """Whether the endpoint has the route of ``request``, even if it refuses this request."""
    try:
        client.send(request)
    except RequestError as error:
        return error.status not in _ABSENT
    except DashScopeError:
        # Throttled, not allowed for this key, or no reply: the route may exist.
        return None
    return True
