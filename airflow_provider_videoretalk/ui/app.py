"""The pages as an ASGI app, which Airflow's API server mounts."""

from __future__ import annotations

from typing import Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from airflow_provider_videoretalk.ui import batch_page, board_page, result_page, spend_page
from airflow_provider_videoretalk.ui.address_limits import AddressLimitsMiddleware
from airflow_provider_videoretalk.ui.page_rendering import UI_FOLDER, render_page
from airflow_provider_videoretalk.ui.permissions import LOGGED_IN
from airflow_provider_videoretalk.ui.security_headers import SecurityHeadersMiddleware

StaticFile = Literal["videoretalk.css", "videoretalk.js", "icon.svg", "icon-dark.svg"]
"""The files that the pages load besides media."""


def create_app() -> FastAPI:
    """The app. Every route asks Airflow for permission, and no API documentation is served."""
    app = FastAPI(title="VideoRetalk", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(AddressLimitsMiddleware)
    # Added last, so it is the outer one.
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_exception_handler(StarletteHTTPException, _show_http_error)
    app.add_exception_handler(RequestValidationError, _show_validation_error)
    app.add_api_route("/static/{name}", static, dependencies=LOGGED_IN, methods=["GET"])
    app.include_router(board_page.router)
    app.include_router(spend_page.router)
    app.include_router(result_page.router)
    app.include_router(batch_page.router)
    return app


def static(name: StaticFile) -> FileResponse:
    """A static file of this package."""
    return FileResponse(UI_FOLDER / "static" / name, headers={"cache-control": "private, max-age=300"})


async def _show_http_error(request: Request, error: Exception) -> HTMLResponse:
    status, detail, headers = 500, "", None
    if isinstance(error, StarletteHTTPException):
        status, detail, headers = error.status_code, error.detail, error.headers
    return render_page(request, "error.html", status=status, headers=headers, code=status, detail=detail)


async def _show_validation_error(request: Request, error: Exception) -> HTMLResponse:
    return render_page(request, "error.html", status=422, code=422, detail="The address is not one of these pages.")
