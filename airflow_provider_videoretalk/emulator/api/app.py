"""DashScope's HTTP API on this machine, as an ASGI app."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from airflow_provider_videoretalk.emulator.api import (
    control,
    photos,
    result_files,
    speech,
    tasks,
    transcriptions,
    translation,
    uploads,
    voices,
)
from airflow_provider_videoretalk.emulator.api.components import Components, build_components
from airflow_provider_videoretalk.emulator.api.fault_middleware import FaultMiddleware
from airflow_provider_videoretalk.emulator.api.gateways import gateway_error, gateway_router
from airflow_provider_videoretalk.emulator.api.openapi import install_openapi
from airflow_provider_videoretalk.emulator.api.photos import DetectRequest, PortraitRequest, WanRequest
from airflow_provider_videoretalk.emulator.api.request_log import RequestLogMiddleware
from airflow_provider_videoretalk.emulator.api.request_models import VideoRetalkRequest
from airflow_provider_videoretalk.emulator.api.responses import error_response, oss_error_response
from airflow_provider_videoretalk.emulator.api.speech_request_models import CosyVoiceRequest, QwenRequest
from airflow_provider_videoretalk.emulator.api.transcriptions import TranscribeFileRequest, TranscribeListRequest
from airflow_provider_videoretalk.emulator.api.translation_models import TranslationRequest
from airflow_provider_videoretalk.emulator.api.voice_request_models import VOICE_REQUESTS
from airflow_provider_videoretalk.emulator.service.errors import OssError, ServiceError, invalid_parameter, not_found
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi.responses import Response
    from pydantic import BaseModel

    from airflow_provider_videoretalk.emulator.execution.input_fetcher import Fetcher
    from airflow_provider_videoretalk.emulator.execution.media_engine import MediaEngine
    from airflow_provider_videoretalk.emulator.service.clock import Clock
    from airflow_provider_videoretalk.emulator.settings import Gateway

BODIES: tuple[type[BaseModel], ...] = (
    VideoRetalkRequest,
    WanRequest,
    PortraitRequest,
    DetectRequest,
    TranscribeFileRequest,
    TranscribeListRequest,
    CosyVoiceRequest,
    QwenRequest,
    *VOICE_REQUESTS,
    TranslationRequest,
)


def create_app(
    settings: EmulatorSettings | None = None,
    *,
    clock: Clock = time.time,
    engine: MediaEngine | None = None,
    fetcher: Fetcher | None = None,
) -> FastAPI:
    """The ASGI app of an emulator; its parts are in ``app.state.components``.

    :param clock: seconds since the epoch; measures every documented duration
    :param engine: replaces the media work, for tests
    :param fetcher: replaces the downloads, for tests
    """
    components = build_components(settings or EmulatorSettings(), clock=clock, engine=engine, fetcher=fetcher)
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
    app.state.components = components
    gateway = components.settings.gateway
    service = (tasks, photos, transcriptions, speech, voices, translation, uploads)
    for router in (
        *([part.router for part in service] if gateway is None else [gateway_router(gateway)]),
        result_files.router,
        control.router,
    ):
        app.include_router(router)
    app.add_middleware(FaultMiddleware, plan=components.faults)
    # The middleware that is added last runs first: the fault plan needs the operation that this one sets.
    app.add_middleware(RequestLogMiddleware, state=components.state, token=components.download_token)
    _handle_errors(app, gateway)
    install_openapi(app, bodies=BODIES)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    components: Components = app.state.components
    app.state.loop = asyncio.get_running_loop()
    maintenance = asyncio.create_task(components.runner.run_maintenance(), name="maintenance")
    try:
        yield
    finally:
        maintenance.cancel()
        await asyncio.gather(maintenance, return_exceptions=True)
        await components.runner.stop()
        await components.fetcher.close()
        await components.engine.close()
        await asyncio.to_thread(components.state.storage.close)


def _handle_errors(app: FastAPI, gateway: Gateway | None) -> None:
    """Give every error reply, including the framework's own, one of the service's two shapes, or the gateway's."""

    def reply(request: Request, error: ServiceError) -> Response:
        return error_response(request, error) if gateway is None else gateway_error(request, gateway, error)

    async def service_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ServiceError)
        return reply(request, error)

    async def oss_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, OssError)
        return oss_error_response(request, error)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return reply(request, not_found())
        code = "MethodNotAllowed" if error.status_code == 405 else "InvalidParameter"
        return reply(request, ServiceError(error.status_code, code, str(error.detail), headers=error.headers))

    async def validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return reply(request, invalid_parameter(f"{'.'.join(map(str, first['loc']))}: {first['msg']}"))

    app.add_exception_handler(ServiceError, service_error)
    app.add_exception_handler(OssError, oss_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, validation_error)
