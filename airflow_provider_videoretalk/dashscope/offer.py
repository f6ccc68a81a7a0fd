"""What an endpoint has: asked for by requests that cost nothing and change nothing."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import BEIJING, Endpoint
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, RequestError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import cancel_task, get_task, list_tasks
from airflow_provider_videoretalk.dashscope.upload import get_upload_policy

_ABSENT = (404, 405)
_REGIONS = {
    urlsplit(BEIJING).netloc: "Beijing, where VideoRetalk is",
    "dashscope-intl.aliyuncs.com": "Singapore, which has no VideoRetalk",
    "dashscope-us.aliyuncs.com": "Virginia, which has no VideoRetalk",
}


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What an endpoint has beside submitting and querying; ``None`` stands for what is not known.

    :param waiting: how many tasks of the account queue
    """

    lists: bool
    cancels: bool | None
    uploads: bool | None
    waiting: int | None

    def __str__(self) -> str:
        parts = {"list": self.lists, "cancel": self.cancels, "upload": self.uploads}
        words = {True: "yes", False: "no", None: "not known"}
        told = ", ".join(f"{name}: {words[there]}" for name, there in parts.items())
        return told if self.waiting is None else f"{told}; {self.waiting} tasks wait in the account's queue"


def offer_of(client: Client) -> Offer:
    """Asks an endpoint for what it has.

    :raises DashScopeError: the key is not accepted, or the endpoint does not answer
    """
    unknown = str(uuid.uuid4())
    waiting = None
    try:
        waiting = client.send(list_tasks(status="PENDING", page_size=1)).total
    except DashScopeError as error:
        if error.status not in _ABSENT:
            raise
        # Without a list only this tells whether the key is accepted.
        client.send(get_task(unknown))
    return Offer(
        lists=waiting is not None,
        cancels=_has(client, cancel_task(unknown)),
        uploads=_has(client, get_upload_policy(model="videoretalk")),
        waiting=waiting,
    )


def describe(endpoint: Endpoint, offer: Offer) -> str:
    """The endpoint in one line, for a person who has just written it down."""
    region = _REGIONS.get(urlsplit(endpoint.base_url).netloc, "a gateway, or another endpoint")
    workspace = endpoint.workspace or "the account's own"
    return f"{endpoint.base_url} accepts the key. Region: {region}. Workspace: {workspace}. {offer}."


def _has(client: Client, request: Request[Any]) -> bool | None:
    """Whether the endpoint knows such a request, whatever it thinks of this one."""
    try:
        client.send(request)
    except RequestError as error:
        return error.status not in _ABSENT
    except DashScopeError:
        # Throttled, not allowed for this key, or lost on the way.
        return None
    return True
