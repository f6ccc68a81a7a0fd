"""What Airflow learns of this package's pages. Every Airflow process imports it, so the app itself waits to be asked
for, which only the API server does.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.plugins_manager import AirflowPlugin
from airflow.providers.common.compat.sdk import conf

from airflow_provider_videoretalk.links import PREFIX


class _Apps:
    """The app, made at the first look at it."""

    def __init__(self) -> None:
        self._apps: list[dict[str, Any]] = []

    def __get__(self, plugin: object, owner: type) -> list[dict[str, Any]]:
        if not self._apps:
            from airflow_provider_videoretalk.ui.app import create_app

            self._apps.append({"app": create_app(), "url_prefix": PREFIX, "name": "VideoRetalk"})
        return self._apps


def _root() -> str:
    """The path that Airflow is served below, without a slash at its end."""
    return urlsplit(str(conf.get("api", "base_url", fallback=""))).path.rstrip("/")


class VideoRetalkPlugin(AirflowPlugin):
    """Mounts the pages, and puts the board into the navigation."""

    name = "videoretalk"
    fastapi_apps = _Apps()
    external_views = [  # noqa: RUF012 - Airflow's own attribute
        {
            "name": "VideoRetalk",
            "href": f"{_root()}{PREFIX}/",
            "destination": "nav",
            "url_route": "videoretalk",
            "nav_top_level": True,
            "icon": f"{_root()}{PREFIX}/static/icon.svg",
            "icon_dark_mode": f"{_root()}{PREFIX}/static/icon-dark.svg",
        }
    ]
