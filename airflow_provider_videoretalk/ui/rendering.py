"""Pages made of templates, in which every value is escaped."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from airflow_provider_videoretalk.links import PREFIX

FOLDER = Path(__file__).parent


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clock": clock, "span": span, "amount": amount}
    return environment


NOTHING = "-"
"""What stands for a value that is not known."""


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, or a part of one.

    :param values: what the template names
    """
    root = request.scope.get("root_path", "").rstrip("/")
    # Mounted, the app sees its own prefix as part of the root.
    airflow = root.removesuffix(PREFIX)
    text = _environment().get_template(template).render(root=root, airflow=airflow, **values)
    return HTMLResponse(text, status_code=status)


def clock(moment: datetime | None) -> str:
    """``2026-11-22 20:15 UTC``, or a dash."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC") if moment else NOTHING


def span(seconds: float | timedelta | None) -> str:
    """``2 h 5 min``, ``3 min 4 s`` or ``12.5 s``, or a dash."""
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{max(seconds, 0):.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def amount(value: float | None, unit: str) -> str:
    """``0.59 CNY`` or ``12.4 s``, or a dash."""
    if value is None:
        return NOTHING
    return span(value) if unit == "s" else f"{value:,.2f} {unit}"
