"""An Airflow Connection becomes a DashScope client."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import requests
from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import AirflowNotFoundException, Connection
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.log import mask_secret
from asgiref.sync import sync_to_async

from airflow_provider_videoretalk.dashscope.client import AsyncClient, Client
from airflow_provider_videoretalk.dashscope.endpoint import BEIJING, Endpoint
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, DashScopeError

if TYPE_CHECKING:
    from airflow.models import Connection as StoredConnection

API_KEY_VARIABLE = "DASHSCOPE_API_KEY"
"""Environment variable of the vendor's own tools, used where the default connection does not exist."""

# Of the endpoint.
_EXTRAS = ("workspace", "queries_per_second", "verify", "proxy")


class DashScopeHook(HttpHook):
    """Talks to DashScope through an Airflow Connection of type ``dashscope``.

    The connection's password is the API key, its host the base URL with any path prefix (the Beijing endpoint by
    default, ``/api/v1`` where a URL has no path). Its extra may hold ``workspace``, ``queries_per_second``, ``verify``
    and ``proxy``, of the endpoint, and ``prices`` and ``allow_private``, of the inputs; anything else there is left
    alone, and never becomes an HTTP header.

    Of :class:`HttpHook` it keeps the plumbing of a connection only: requests go through :attr:`client` or
    :meth:`get_async_client`, which know the service's errors and never retry a submit.

    :param dashscope_conn_id: the connection; if the default one does not exist, ``DASHSCOPE_API_KEY`` is used with the
        default endpoint
    """

    conn_name_attr = "dashscope_conn_id"
    default_conn_name = "dashscope_default"
    conn_type = "dashscope"
    hook_name = "DashScope"

    def __init__(self, dashscope_conn_id: str = default_conn_name) -> None:
        super().__init__(http_conn_id=dashscope_conn_id)
        self.dashscope_conn_id = dashscope_conn_id

    @cached_property
    def client(self) -> Client:
        """The synchronous client, made at first use and kept.

        :raises ConfigurationError: the connection lacks something
        """
        return Client(self.endpoint, session=self.get_conn())

    @cached_property
    def endpoint(self) -> Endpoint:
        try:
            connection = self.get_connection(self.dashscope_conn_id)
        except AirflowNotFoundException as error:
            return self._endpoint_of_environment(error)
        return self._endpoint_of(connection)

    @cached_property
    def prices(self) -> Mapping[str, Any]:
        """What the models cost, where that differs from :data:`airflow_provider_videoretalk.media.estimate.PRICES`."""
        prices = self._extra.get("prices") or {}
        try:
            prices = json.loads(prices) if isinstance(prices, str) else prices
        except ValueError:
            prices = None
        if not isinstance(prices, dict):
            raise ConfigurationError(
                f"connection {self.dashscope_conn_id!r} has prices that can't be read",
                remedy='Write {"videoretalk": {"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"}}.',
            )
        return prices

    @cached_property
    def allow_private(self) -> bool:
        """Whether inputs may lie in private networks, as an endpoint that is in one itself can reach them."""
        return str(self._extra.get("allow_private")).lower() == "true"

    @cached_property
    def _extra(self) -> dict[str, Any]:
        try:
            return _extra_of(self.get_connection(self.dashscope_conn_id))
        except AirflowNotFoundException:
            return {}

    async def get_async_client(self) -> AsyncClient:
        """An asynchronous client, to be entered with ``async with``; the connection is looked up without blocking."""
        try:
            connection = await get_async_connection(self.dashscope_conn_id, hook=self)
        except AirflowNotFoundException as error:
            # It tells the supervisor to mask the key, which an event loop must not wait for.
            return AsyncClient(await sync_to_async(self._endpoint_of_environment)(error))
        return AsyncClient(self._endpoint_of(connection))

    def get_conn(
        self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None
    ) -> requests.Session:
        """A session with TCP keep-alive. It holds no key: the client adds it to requests for the endpoint alone."""
        session = requests.Session()
        if self.keep_alive_adapter is not None:
            session.mount("https://", self.keep_alive_adapter)
            session.mount("http://", self.keep_alive_adapter)
        session.headers.update(headers or {})
        return session

    def run(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not for this service: it would send no key, and its retries would pay twice.

        :raises NotImplementedError: always
        """
        raise NotImplementedError("DashScopeHook sends requests through its client: hook.client.send(...)")

    def test_connection(self) -> tuple[bool, str]:
        """Asks what costs nothing: what the endpoint has, and how many tasks wait."""
        from airflow_provider_videoretalk.dashscope.offer import describe, offer_of

        try:
            return True, describe(self.endpoint, offer_of(self.client))
        except DashScopeError as error:
            return False, str(error)

    def _endpoint_of_environment(self, error: Exception) -> Endpoint:
        key = os.environ.get(API_KEY_VARIABLE, "")
        if self.dashscope_conn_id != self.default_conn_name or not key:
            raise ConfigurationError(
                f"there is no connection {self.dashscope_conn_id!r}",
                remedy=f"Add it with type 'dashscope' and the API key as password, or set {API_KEY_VARIABLE} "
                f"and use {self.default_conn_name!r}.",
            ) from error
        mask_secret(key)
        return Endpoint(api_key=key)

    def _endpoint_of(self, connection: Connection | StoredConnection) -> Endpoint:
        options = _options(connection)
        if not connection.password:
            raise ConfigurationError(
                f"connection {self.dashscope_conn_id!r} has no API key",
                remedy="Put the DashScope API key into its password.",
            )
        return Endpoint(api_key=connection.password, base_url=_base_url(connection), **options)


def _extra_of(connection: Connection | StoredConnection) -> dict[str, Any]:
    """
    :raises ConfigurationError: it is not a JSON object
    """
    # Not extra_dejson: before Airflow 3.3.2 it calls the supervisor, which an event loop must not wait for.
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise _unusable(connection)
    return extra


def _options(connection: Connection | StoredConnection) -> dict[str, Any]:
    """The extras that an endpoint takes; a connection that was written as a URI has all of them as strings."""
    stored = _extra_of(connection)
    # The UI stores optional fields that were left empty as null.
    options = {name: stored[name] for name in _EXTRAS if stored.get(name) not in (None, "")}
    try:
        if "queries_per_second" in options:
            options["queries_per_second"] = float(options["queries_per_second"])
    except (ValueError, TypeError):
        raise _unusable(connection) from None
    if str(options.get("verify")).lower() in ("true", "false"):
        options["verify"] = str(options["verify"]).lower() == "true"
    return options


def _unusable(connection: Connection | StoredConnection) -> ConfigurationError:
    return ConfigurationError(
        f"connection {connection.conn_id!r} has an unusable extra",
        remedy='Write it as JSON: {"workspace": "...", "queries_per_second": 20}.',
    )


def _base_url(connection: Connection | StoredConnection) -> str:
    host = (connection.host or "").strip()
    if not host:
        return BEIJING
    if "://" in host:
        return host
    # As a URI, dashscope://:key@host/qwen/api/v1 has its path in the schema.
    schema = connection.schema or ""
    scheme, path = (schema, "") if schema in ("http", "https", "") else ("", f"/{schema}")
    name, slash, rest = host.partition("/")
    port = f":{connection.port}" if connection.port else ""
    return f"{scheme or 'https'}://{name}{port}{slash}{rest}{path}"
