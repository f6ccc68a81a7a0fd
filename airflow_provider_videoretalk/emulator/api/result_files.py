"""Serves result files by signed URLs, as the object store does, and the emulator's sample files."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from airflow_provider_videoretalk.emulator.api.components import components_of
from airflow_provider_videoretalk.emulator.execution.media_engine import SAMPLES
from airflow_provider_videoretalk.emulator.service.errors import OssError, not_found

router = APIRouter(include_in_schema=False)


@router.api_route("/results/{key:path}", methods=["GET", "HEAD"])
async def get_result(request: Request, key: str) -> Response:
    """The bytes of a result, whole or in ranges.

    A URL that is signed for GET is valid for HEAD here; whether OSS accepts that is not known.
    """
    state = components_of(request).state
    state.storage.signer.verify_url(key=key, query=request.query_params, now=state.clock())
    result = state.storage.results.get(key)
    if result is None or not await asyncio.to_thread(result.path.is_file):
        raise OssError(404, "NoSuchKey", "The specified key does not exist.", details={"Key": key})
    sums = result.checksums
    return FileResponse(
        result.path,
        media_type=result.media_type,
        headers={
            "ETag": sums.etag,
            "Content-MD5": sums.content_md5,
            "x-oss-hash-crc64ecma": str(sums.crc64),
            "x-oss-object-type": "Normal",
        },
    )


@router.api_route("/samples/{name}", methods=["GET", "HEAD"])
async def get_sample(request: Request, name: str) -> Response:
    """One of the emulator's sample files; the first request creates it."""
    if name not in SAMPLES:
        raise not_found()
    path = await components_of(request).samples.path(name)
    return FileResponse(path, media_type=SAMPLES[name])
