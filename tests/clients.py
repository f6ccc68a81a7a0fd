"""The synchronous and the asynchronous client behind one call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from airflow_provider_videoretalk.dashscope.async_client import AsyncClient
from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.request import Request

Send = Callable[[Endpoint, Request[Any]], Any]
"""Returns the parsed reply, or raises the client's error."""


def send_sync(endpoint: Endpoint, request: Request[Any]) -> Any:
    with Client(endpoint) as client:
        return client.send(request)


def send_async(endpoint: Endpoint, request: Request[Any]) -> Any:
    async def run() -> Any:
        async with AsyncClient(endpoint) as client:
            return await client.send(request)

    return asyncio.run(run())
