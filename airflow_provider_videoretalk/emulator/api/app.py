"""DashScope's HTTP API on this machine, as an ASGI app."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from airflow_provider_videoretalk.emulator.api import control, results, speech, tasks, uploads
from airflow_provider_videoretalk.emulator.api.fault_effects import FaultMiddleware
from airflow_provider_videoretalk.emulator.api.middleware import EntranceMiddleware
from airflow_provider_videoretalk.emulator.api.openapi import install
from airflow_provider_videoretalk.emulator.api.replies import error_reply, oss_error_reply
from airflow_provider_videoretalk.emulator.api.requests import VideoRetalkRequest
from airflow_provider_videoretalk.emulator.api.services import Services, build_services
from airflow_provider_videoretalk.emulator.api.speech_requests import CosyVoiceRequest, QwenRequest
from airflow_provider_videoretalk.emulator.service.errors import OssError, ServiceError, invalid_parameter, not_found
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi.responses import JSONResponse, Response

    from airflow_provider_videoretalk.emulator.service.account import Clock
    from airflow_provider_videoretalk.emulator.work.engine_port import MediaEngine
    from airflow_provider_videoretalk.emulator.work.fetch import Fetcher


def create_app(
    settings: EmulatorSettings | None = None,
    *,
    clock: Clock = time.time,
    engine: MediaEngine | None = None,
    fetcher: Fetcher | None = None,
) -> FastAPI:
    """The emulator as an app; its parts are in ``app.state.services``.

    :param clock: seconds since the epoch; moves every documented duration
    :param engine: replaces the media work, for tests
    :param fetcher: replaces the downloads, for tests
    """
    services = build_services(settings or EmulatorSettings(), clock=clock, engine=engine, fetcher=fetcher)
    app = FastAPI(
        title="DashScope emulator",
        version="1",
        description="The part of DashScope a VideoRetalk pipeline talks to, on this machine.",
        lifespan=_lifespan,
        redirect_slashes=False,
        docs_url="/emulator/docs",
        redoc_url=None,
        openapi_url="/emulator/openapi.json",
    )
    app.state.services = services
    for part in (tasks, speech, uploads, results, control):
        app.include_router(part.router)
    app.add_middleware(FaultMiddleware, plan=services.faults)
    # Added last, so it comes first: it names the operation the fault plan goes by.
    app.add_middleware(EntranceMiddleware, state=services.state, token=services.download_token)
    _handle_errors(app)
    install(app, bodies=(VideoRetalkRequest, CosyVoiceRequest, QwenRequest))
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    house = asyncio.create_task(services.runner.keep_house(), name="keep house")
    try:
        yield
    finally:
        house.cancel()
        await asyncio.gather(house, return_exceptions=True)
        await services.runner.stop()
        await services.fetcher.close()
        await services.engine.close()
        await asyncio.to_thread(services.state.storage.close)


def _handle_errors(app: FastAPI) -> None:
    """Give every refusal, the framework's own included, one of the service's two shapes."""

    async def service_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ServiceError)
        return error_reply(request, error)

    async def oss_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, OssError)
        return oss_error_reply(request, error)

    async def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return error_reply(request, not_found())
        code = "MethodNotAllowed" if error.status_code == 405 else "InvalidParameter"
        return error_reply(request, ServiceError(error.status_code, code, str(error.detail), headers=error.headers))

    async def validation_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return error_reply(request, invalid_parameter(f"{'.'.join(map(str, first['loc']))}: {first['msg']}"))

    app.add_exception_handler(ServiceError, service_error)
    app.add_exception_handler(OssError, oss_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, validation_error)
