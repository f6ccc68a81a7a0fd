"""The pages as an app, to be mounted into Airflow's API server."""

from __future__ import annotations

from typing import Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from airflow_provider_videoretalk.ui import board_page, result_page
from airflow_provider_videoretalk.ui.access import ANYBODY
from airflow_provider_videoretalk.ui.headers import SafeHeaders
from airflow_provider_videoretalk.ui.rendering import FOLDER, page

Asset = Literal["videoretalk.css", "videoretalk.js", "icon.svg", "icon-dark.svg"]
"""All files that the pages load besides media."""


def create_app() -> FastAPI:
    """The app; it asks Airflow about every request, and documents itself to nobody."""
    app = FastAPI(title="VideoRetalk", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(SafeHeaders)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_api_route("/static/{name}", static, dependencies=ANYBODY, methods=["GET"])
    app.include_router(board_page.router)
    app.include_router(result_page.router)
    return app


def static(name: Asset) -> FileResponse:
    """A file of this package."""
    return FileResponse(FOLDER / "static" / name, headers={"cache-control": "private, max-age=300"})


async def _refused(request: Request, error: Exception) -> HTMLResponse:
    status, detail = (error.status_code, error.detail) if isinstance(error, StarletteHTTPException) else (500, "")
    return page(request, "refused.html", status=status, code=status, detail=detail)


async def _not_understood(request: Request, error: Exception) -> HTMLResponse:
    return page(request, "refused.html", status=422, code=422, detail="The address is not one of these pages.")
