"""Creates DashScope clients from an Airflow connection."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, Connection
from airflow.sdk.log import mask_secret
from asgiref.sync import sync_to_async

from airflow_provider_videoretalk.airflow_adapters.metric_buffer import BUFFER
from airflow_provider_videoretalk.airflow_adapters.request_metrics import RequestCounter
from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import BEIJING, Endpoint
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, DashScopeError
from airflow_provider_videoretalk.hooks.connection_settings import ConnectionSettings
from airflow_provider_videoretalk.hooks.shared_look_up import shared_endpoint
from airflow_provider_videoretalk.outbound.address_policy import AddressPolicy
from airflow_provider_videoretalk.outbound.host_access import HostAccess
from airflow_provider_videoretalk.outbound.http_transport import HttpTransport, session_over
from airflow_provider_videoretalk.polling.account import account_of

if TYPE_CHECKING:
    import requests
    from airflow.models import Connection as StoredConnection

    from airflow_provider_videoretalk.dashscope.async_client import AsyncClient

API_KEY_VARIABLE = "DASHSCOPE_API_KEY"
"""Environment variable of the vendor's own tools, used if the default connection does not exist."""

# The extras that are fields of Endpoint.
_ENDPOINT_EXTRAS = ("workspace", "queries_per_second", "verify", "proxy", "allow_private", "dialect")


class DashScopeHook(BaseHook):
    """Interacts with DashScope through an Airflow connection of type ``dashscope``.

    The connection's password is the API key. Its host is the base URL with any path prefix. It defaults to the Beijing
    endpoint; a URL without a path gets ``/api/v1``. These extras are read, all others are ignored and never become HTTP
    headers:

    - ``dialect``, ``workspace``, ``queries_per_second``, ``verify``, ``proxy``, ``allow_private``: see
      :class:`~airflow_provider_videoretalk.dashscope.endpoint.Endpoint`
    - ``poll_interval``, ``max_poll_interval``, ``throttle_timeout``, ``hold_back``: see :attr:`settings`
    - ``prices``: see the attribute of this name

    Use :attr:`client` or :meth:`get_async_client` to send requests. They raise the service's errors and never retry a
    submit.

    :param dashscope_conn_id: The Airflow connection. If the default one does not exist, the environment variable
        ``DASHSCOPE_API_KEY`` is used with the default endpoint.
    """

    conn_name_attr = "dashscope_conn_id"
    default_conn_name = "dashscope_default"
    conn_type = "dashscope"
    hook_name = "DashScope"

    def __init__(self, dashscope_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.dashscope_conn_id = dashscope_conn_id

    @cached_property
    def client(self) -> Client:
        """The synchronous client, which shares the rate limit of its account.

        :raises ConfigurationError: the connection is not usable
        """
        return Client(
            self.endpoint,
            rate_limiter=account_of(self.endpoint).rate_limiter,
            note_request=RequestCounter(connection_id=self.dashscope_conn_id),
        )

    @cached_property
    def endpoint(self) -> Endpoint:
        """Base URL and credentials.

        :raises ConfigurationError: the connection is not usable
        """
        try:
            connection = self.get_connection(self.dashscope_conn_id)
        except AirflowNotFoundException as error:
            return self._endpoint_of_environment(error)
        return self._endpoint_of(connection)

    @cached_property
    def settings(self) -> ConnectionSettings:
        """The limits that the connection sets for all operators that use it.

        :raises ConfigurationError: the connection sets an unusable limit
        """
        return ConnectionSettings.parse(self.dashscope_conn_id, self._extra)

    @cached_property
    def prices(self) -> Mapping[str, Any]:
        """Prices by model that differ from those of :mod:`airflow_provider_videoretalk.model_catalog`.

        :raises ConfigurationError: the extra is not a JSON object
        """
        prices = self._extra.get("prices") or {}
        try:
            prices = json.loads(prices) if isinstance(prices, str) else prices
        except ValueError:
            prices = None
        if not isinstance(prices, dict):
            raise ConfigurationError(
                f"the extra 'prices' of the connection {self.dashscope_conn_id!r} is not a JSON object",
                remedy='Write {"videoretalk": {"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"}}.',
            )
        return prices

    def media_access(self, url: str) -> HostAccess:
        """How the host of an input or a result may be connected to, see :meth:`.Endpoint.media_access`.

        Without a usable connection, only at public addresses: reading media needs no key.
        """
        try:
            endpoint = self.endpoint
        except ConfigurationError:
            return HostAccess()
        return endpoint.media_access(url)

    @cached_property
    def _extra(self) -> dict[str, Any]:
        try:
            return _extra_of(self.get_connection(self.dashscope_conn_id))
        except AirflowNotFoundException:
            return {}

    def check_task_route(self) -> None:
        """Returns if render jobs can be queried at the endpoint. A process asks at most once an hour.

        :raises ConfigurationError: the endpoint has no route for queries, or the connection is not usable
        :raises DashScopeError: it does not answer, or does not accept the key
        """
        account_of(self.endpoint).task_route.check(self.client)

    async def get_async_client(self) -> AsyncClient:
        """An asynchronous client, for use with ``async with``. Does not block the event loop.

        All that use a connection on an event loop share one look-up of it, for a minute.

        :raises ConfigurationError: the connection is not usable
        """
        # Loads aiohttp, which no synchronous request needs.
        from airflow_provider_videoretalk.dashscope.async_client import AsyncClient

        endpoint = await shared_endpoint(self.dashscope_conn_id, self._look_up_endpoint)
        account = account_of(endpoint)
        # Of several connections to one account, the one that was used last counts the requests that all share.
        account.note_request = RequestCounter(connection_id=self.dashscope_conn_id, count=BUFFER.count)
        return AsyncClient(endpoint, rate_limiter=account.rate_limiter, note_request=account.note_request)

    def get_conn(self) -> requests.Session:
        """A session with the connection's TLS settings and proxy. It has no API key, which only the client adds."""
        policy = AddressPolicy(field="the URL", allow_private=True)
        return session_over(HttpTransport(policy, verify=self.endpoint.verify, proxy=self.endpoint.proxy))

    def test_connection(self) -> tuple[bool, str]:
        """Checks key, region, dialect and routes of the endpoint, with requests that cost nothing."""
        from airflow_provider_videoretalk.dashscope.endpoint_probe import describe, probe_endpoint

        try:
            return True, describe(self.endpoint, probe_endpoint(self.client))
        except DashScopeError as error:
            return False, str(error)

    @property
    def _get_connection_async(self) -> Callable[[str], Awaitable[Connection]]:
        # Before Airflow 3.3.2, aget_connection() masks secrets synchronously, which would block the event loop.
        return self.aget_connection if hasattr(Connection, "aextra_dejson") else sync_to_async(self.get_connection)

    async def _look_up_endpoint(self) -> Endpoint:
        try:
            connection = await self._get_connection_async(self.dashscope_conn_id)
        except AirflowNotFoundException as error:
            # It calls the supervisor to mask the key, which would block the event loop.
            return await sync_to_async(self._endpoint_of_environment)(error)
        return self._endpoint_of(connection)

    def _endpoint_of_environment(self, error: Exception) -> Endpoint:
        key = os.environ.get(API_KEY_VARIABLE, "")
        if self.dashscope_conn_id != self.default_conn_name or not key:
            raise ConfigurationError(
                f"there is no connection {self.dashscope_conn_id!r} that Airflow can read",
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
    # Not extra_dejson: before Airflow 3.3.2 it calls the supervisor, which would block the event loop.
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise ConfigurationError(
            f"the extra of the connection {connection.conn_id!r} is not a JSON object",
            remedy='Write it as JSON: {"workspace": "...", "queries_per_second": 20}.',
        )
    return extra


def _options(connection: Connection | StoredConnection) -> dict[str, Any]:
    """The extras for :class:`Endpoint`. A connection given as a URI has only strings."""
    stored = _extra_of(connection)
    # The UI stores an empty field as null.
    options = {name: stored[name] for name in _ENDPOINT_EXTRAS if stored.get(name) not in (None, "")}
    try:
        if "queries_per_second" in options:
            options["queries_per_second"] = float(options["queries_per_second"])
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"the extra 'queries_per_second' of the connection {connection.conn_id!r} is "
            f"{options['queries_per_second']!r}, allowed is a number above 0",
            remedy='Write it as JSON: {"queries_per_second": 20}.',
        ) from None
    if str(options.get("verify")).lower() in ("true", "false"):
        options["verify"] = str(options["verify"]).lower() == "true"
    if "allow_private" in options:
        options["allow_private"] = str(options["allow_private"]).lower() == "true"
    return options


def _base_url(connection: Connection | StoredConnection) -> str:
    host = (connection.host or "").strip()
    if not host:
        return BEIJING
    if "://" in host:
        return host
    # The URI dashscope://:key@host/qwen/api/v1 has its path in the schema.
    schema = connection.schema or ""
    scheme, path = (schema, "") if schema in ("http", "https", "") else ("", f"/{schema}")
    name, slash, rest = host.partition("/")
    port = f":{connection.port}" if connection.port else ""
    return f"{scheme or 'https'}://{name}{port}{slash}{rest}{path}"
