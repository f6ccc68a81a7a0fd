"""The values that an address of these pages may have. No other one reaches Airflow's database."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# The length of these columns in Airflow's database.
_MAX_ID = 250

MAX_INTEGER = 2**31 - 1
"""The largest map index and run number that Airflow's columns hold."""

MAX_PAGE = 10_000
"""The last page of a list."""

Id = Annotated[str, Path(min_length=1, max_length=_MAX_ID)]
"""The id of a DAG, a run or a task."""

MapIndex = Annotated[int, Path(ge=-1, le=MAX_INTEGER)]

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
"""A day whose neighbours exist in every time zone and database."""

# In bytes, as sent. Four ids, percent-encoded.
_MAX_PATH = _MAX_QUERY = 4 * 3 * _MAX_ID + 1_000

_REFUSED_IN_PATH = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_REFUSED_IN_QUERY = re.compile(rb"%(?:[01][0-9A-Fa-f]|7[Ff])|[\x00-\x1f\x7f]")


class AddressLimitsMiddleware:
    """An ASGI middleware that answers 400 to an address that is too long or has control characters.

    Airflow's own permission checks read the address before the routes' declared types apply. PostgreSQL refuses a text
    with a NUL, for example.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_allowed(scope):
            response = PlainTextResponse("The address is not one of these pages.", status_code=400)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_allowed(scope: Scope) -> bool:
    path, query = scope["path"], scope.get("query_string", b"")
    if len(path) > _MAX_PATH or len(query) > _MAX_QUERY:
        return False
    return not _REFUSED_IN_PATH.search(path) and not _REFUSED_IN_QUERY.search(query)
