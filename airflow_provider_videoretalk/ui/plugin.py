"""The Airflow plugin that adds this package's pages.

Every Airflow process imports it. The app is created when the API server reads it. A failure here is logged, and Airflow
runs without the pages.
"""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from airflow.plugins_manager import AirflowPlugin
from airflow.providers.common.compat.sdk import conf

from airflow_provider_videoretalk.links import PREFIX

log = logging.getLogger(__name__)


class _LazyApps:
    """A descriptor that creates the app at its first access."""

    def __init__(self) -> None:
        self._apps: list[dict[str, Any]] = []

    def __get__(self, plugin: object, owner: type) -> list[dict[str, Any]]:
        if not self._apps:
            self._apps.append({"app": _create_app(), "url_prefix": PREFIX, "name": "VideoRetalk"})
        return self._apps


def _create_app() -> Any:
    """The app, or a substitute that answers 503 if it cannot be built."""
    try:
        # Late: only the API server needs the app, and its dependencies may be missing.
        from airflow_provider_videoretalk.ui.app import create_app

        return create_app()
    except Exception as error:
        # Any error that escaped here would stop Airflow's API server.
        log.exception(
            "The pages of airflow-provider-videoretalk %s cannot be built for Airflow %s. The API server runs without "
            "them; DAGs are not affected. %s",
            _version("airflow-provider-videoretalk"),
            _version("apache-airflow-core"),
            _remedy(error),
        )
        return _respond_unavailable


def _remedy(error: Exception) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and not missing.startswith(("airflow.", "airflow_provider_videoretalk")):
        return f"The module {missing!r} is missing. Run `pip check` where the API server runs, and install it."
    return (
        "Upgrade airflow-provider-videoretalk to a release that supports this version of Airflow. "
        "If there is none, report this error."
    )


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(unknown version)"


async def _respond_unavailable(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI app that refers to the API server's log.

    It does not return the error, which may hold paths: anyone can send this request.
    """
    if scope["type"] != "http":
        return
    body = b"The VideoRetalk pages could not be built. The log of Airflow's API server has the error and a remedy."
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _base_path() -> str:
    """The path of Airflow's base URL, without a slash at its end."""
    try:
        return urlsplit(str(conf.get("api", "base_url", fallback=""))).path.rstrip("/")
    except ValueError:
        log.exception(
            "[api] base_url is not a valid URL. The links to the VideoRetalk pages lead to the server's root."
        )
        return ""


class VideoRetalkPlugin(AirflowPlugin):
    """Mounts the pages, and adds the board to the navigation."""

    name = "videoretalk"
    fastapi_apps = _LazyApps()
    external_views = [  # noqa: RUF012 - Airflow's own attribute
        {
            "name": "VideoRetalk",
            "href": f"{_base_path()}{PREFIX}/",
            "destination": "nav",
            "url_route": "videoretalk",
            "nav_top_level": True,
            "icon": f"{_base_path()}{PREFIX}/static/icon.svg",
            "icon_dark_mode": f"{_base_path()}{PREFIX}/static/icon-dark.svg",
        }
    ]
