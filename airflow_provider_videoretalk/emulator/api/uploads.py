"""Temporary uploads: the policy DashScope gives out, and the object store's form upload."""

from __future__ import annotations

import asyncio
import math
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from airflow_provider_videoretalk.emulator.api.middleware import API
from airflow_provider_videoretalk.emulator.api.openapi import operation, parameter, refusals
from airflow_provider_videoretalk.emulator.api.replies import origin, reply, request_id
from airflow_provider_videoretalk.emulator.api.services import Services, enter, services_of
from airflow_provider_videoretalk.emulator.api.wire import PolicyReply, UploadPolicy
from airflow_provider_videoretalk.emulator.service.errors import OssError, invalid_parameter
from airflow_provider_videoretalk.emulator.service.signature import policy_end
from airflow_provider_videoretalk.emulator.service.storage import UploadGrant
from airflow_provider_videoretalk.emulator.service.task import service_day
from airflow_provider_videoretalk.limits import MEGABYTE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

router = APIRouter()

# Room for the form's other fields beside the file.
FORM_OVERHEAD = 64 * 1024
CAPACITY_MB = 999_999_999
QUERY = (
    parameter("action", required=True, type="string", enum=["getPolicy"]),
    parameter("model", required=True, type="string", minLength=1),
)


@router.get(
    f"{API}/uploads",
    response_model=PolicyReply,
    responses=refusals(400, 401, 404, 429),
    openapi_extra=operation(query=QUERY),
)
async def get_policy(request: Request) -> JSONResponse:
    """Give out a policy for uploads of one model. Models other than videoretalk get the same limits."""
    services_of(request).state.require_part("uploads")
    services, caller = enter(request, "policy")
    services.state.require_action(request.query_params.get("action"))
    model = request.query_params.get("model")
    if not model:
        raise invalid_parameter("Field required: model")
    settings, storage = services.settings, services.state.storage
    now = services.state.clock()
    prefix = f"dashscope-instant/{uuid.uuid4().hex}/{service_day(now)}/{uuid.uuid4().hex}"
    storage.grants[prefix] = UploadGrant(prefix=prefix, account=caller.account.name, model=model)
    policy = storage.signer.policy(
        prefix=prefix, expires=now + settings.policy_seconds, max_bytes=settings.upload_megabytes * MEGABYTE
    )
    data = UploadPolicy(
        policy=policy,
        signature=storage.signer.sign(policy),
        upload_dir=prefix,
        upload_host=f"{origin(request)}/oss",
        expire_in_seconds=max(1, math.floor(settings.policy_seconds)),
        max_file_size_mb=settings.upload_megabytes,
        capacity_limit_mb=CAPACITY_MB,
        oss_access_key_id=storage.signer.access_key_id,
        x_oss_object_acl="private",
        x_oss_forbid_overwrite="true",
    )
    return reply(PolicyReply(request_id=request_id(request), data=data))


@router.post("/oss", include_in_schema=False)
async def put_object(request: Request) -> Response:
    """The object store's form upload. Refusals are the store's XML."""
    services = services_of(request)
    form = await _read_form(request, max_bytes=services.settings.upload_megabytes * MEGABYTE)
    try:
        return await _store(services, form)
    finally:
        await form.close()


async def _read_form(request: Request, *, max_bytes: int) -> FormData:
    """Stream a form to disk; 400 when it is no form or grows over the limit."""

    async def limited() -> AsyncIterator[bytes]:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            # As with JSON bodies the rest is read and dropped, or the client would not see the answer.
            if size <= max_bytes + FORM_OVERHEAD:
                yield chunk
        if size > max_bytes + FORM_OVERHEAD:
            raise MultiPartException("too large")

    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise OssError(400, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart data.")
    parser = MultiPartParser(request.headers, limited(), max_files=1, max_fields=50)  # type: ignore[arg-type]
    try:
        return await parser.parse()
    except MultiPartException as error:
        if error.message == "too large":
            raise _too_large() from None
        message = "The body of your POST request is not well-formed multipart data."
        raise OssError(400, "MalformedPOSTRequest", message) from None
    except KeyError:
        raise OssError(400, "MalformedPOSTRequest", "The multipart boundary is missing.") from None


async def _store(services: Services, form: FormData) -> Response:
    """Check a form against its policy and keep its file."""
    fields = {name.lower(): value for name, value in form.multi_items() if isinstance(value, str)}
    last = form.multi_items()[-1] if form.multi_items() else ("", "")
    if last[0] != "file" or not isinstance(last[1], UploadFile):
        raise OssError(400, "MalformedPOSTRequest", "The last field of the form must be the file.")
    storage = services.state.storage
    grant, document = _check_policy(services, fields)
    if (last[1].size or 0) > _max_bytes(document):
        raise _too_large()
    path = storage.folder("uploads") / f"{uuid.uuid4().hex}{_suffix(fields['key'])}"
    await asyncio.to_thread(_copy, last[1].file, path)
    if not storage.claim(key=fields["key"], path=path, grant=grant):
        await asyncio.to_thread(path.unlink)
        message = "The object you specified already exists and can not be overwritten."
        raise OssError(409, "FileAlreadyExists", message)
    return Response(status_code=200 if fields.get("success_action_status") == "200" else 204)


def _check_policy(services: Services, fields: dict[str, str]) -> tuple[UploadGrant, dict[str, Any]]:
    """The grant a form's policy stands for; 403 when the policy does not allow the form."""
    for name in ("key", "policy", "signature", "ossaccesskeyid"):
        if not fields.get(name):
            raise OssError(400, "InvalidArgument", f"Bucket POST must contain a field named '{name}'.")
    signer = services.state.storage.signer
    if fields["ossaccesskeyid"] != signer.access_key_id:
        raise OssError(403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records.")
    document = signer.read_policy(policy=fields["policy"], signature=fields["signature"])
    if services.state.clock() >= policy_end(document):
        raise OssError(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
    prefix = ""
    for condition in document["conditions"]:
        if isinstance(condition, dict):
            for name, value in condition.items():
                if fields.get(name) != value:
                    raise _condition_failed(f'["eq", "${name}", "{value}"]')
        elif condition[0] == "starts-with":
            prefix = str(condition[2])
    if not fields["key"].startswith(prefix) or fields["key"] == prefix:
        raise _condition_failed(f'["starts-with", "$key", "{prefix}"]')
    return services.state.storage.grants[prefix.rstrip("/")], document


def _max_bytes(document: dict[str, Any]) -> int:
    return next(int(c[2]) for c in document["conditions"] if isinstance(c, list) and c[0] == "content-length-range")


def _condition_failed(condition: str) -> OssError:
    return OssError(403, "AccessDenied", f"Invalid according to Policy: Policy Condition failed: {condition}")


def _too_large() -> OssError:
    return OssError(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")


def _suffix(key: str) -> str:
    suffix = Path(key).suffix
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 10 else ""


def _copy(source: BinaryIO, target: Path) -> None:
    source.seek(0)
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, MEGABYTE)
