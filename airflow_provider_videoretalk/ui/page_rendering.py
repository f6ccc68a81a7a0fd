"""Pages from templates, which escape every value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from airflow_provider_videoretalk.links import PREFIX

UI_FOLDER = Path(__file__).parent

UNKNOWN = "-"
"""Stands for an unknown value on pages."""


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(UI_FOLDER / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"utc_time": format_time, "duration": format_duration, "amount": format_amount}
    return environment


def render_page(
    request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """A page, or a part of one.

    :param values: the template's variables
    """
    root = request.scope.get("root_path", "").rstrip("/")
    # The root path of a mounted app contains the prefix of the mount.
    airflow = root.removesuffix(PREFIX)
    text = _environment().get_template(template).render(root=root, airflow=airflow, **values)
    # A text from a log or from the service may hold half a surrogate pair, which UTF-8 cannot encode.
    return HTMLResponse(text.encode("utf-8", "replace"), status_code=status, headers=headers)


def format_time(moment: datetime | None) -> str:
    """``2026-11-22 20:15 UTC``, or :data:`UNKNOWN`."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC") if moment else UNKNOWN


def format_duration(seconds: float | timedelta | None) -> str:
    """``2 h 5 min``, ``3 min 4 s`` or ``12.5 s``, or :data:`UNKNOWN`."""
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return f"{max(seconds, 0):.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def format_amount(value: float | None, unit: str) -> str:
    """``0.59 CNY`` or ``12.4 s``, or :data:`UNKNOWN`."""
    if value is None:
        return UNKNOWN
    return format_duration(value) if unit == "s" else f"{value:,.2f} {unit}"
