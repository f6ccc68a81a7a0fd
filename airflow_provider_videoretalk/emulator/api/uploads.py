"""Temporary uploads: the upload policy of DashScope, and the form upload of the object store."""

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

from airflow_provider_videoretalk.emulator.api.components import Components, authorize, components_of
from airflow_provider_videoretalk.emulator.api.openapi import operation, parameter, refusals
from airflow_provider_videoretalk.emulator.api.paths import API
from airflow_provider_videoretalk.emulator.api.request_body import BodyTooLargeError, LimitedBody
from airflow_provider_videoretalk.emulator.api.response_models import PolicyReply, UploadPolicy
from airflow_provider_videoretalk.emulator.api.responses import json_response, origin, request_id
from airflow_provider_videoretalk.emulator.service.clock import service_day
from airflow_provider_videoretalk.emulator.service.errors import OssError, invalid_parameter
from airflow_provider_videoretalk.emulator.service.oss_signature import policy_expiration
from airflow_provider_videoretalk.emulator.service.storage import UploadGrant
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

router = APIRouter()

# Bytes that the other fields of the form may need. They come first.
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
    """Return a policy for uploads of one model. Models other than videoretalk get the same limits."""
    components_of(request).state.require_part("uploads")
    components, caller = authorize(request, "policy")
    if request.query_params.get("action") != "getPolicy":
        raise invalid_parameter("action must be getPolicy")
    model = request.query_params.get("model")
    if not model:
        raise invalid_parameter("Field required: model")
    settings, storage = components.settings, components.state.storage
    now = components.state.clock()
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
    return json_response(PolicyReply(request_id=request_id(request), data=data))


@router.post("/oss", include_in_schema=False)
async def put_object(request: Request) -> Response:
    """The form upload of the object store. Its error replies are XML."""
    components = components_of(request)
    body = LimitedBody(request, max_bytes=components.settings.upload_megabytes * MEGABYTE + FORM_OVERHEAD)
    try:
        try:
            form = await _read_form(components, request, body)
        except OssError:
            await body.drop_rest()
            raise
    except BodyTooLargeError:
        raise _too_large() from None
    try:
        return await _store(components, form)
    finally:
        await form.close()


async def _read_form(components: Components, request: Request, body: LimitedBody) -> FormData:
    """Streams a form to disk, but only one that its policy allows.

    :raises OssError: it is no form, or its policy does not allow it
    :raises BodyTooLargeError: it exceeds the largest upload
    """

    async def allowed() -> AsyncIterator[bytes]:
        parsed, checked = 0, False
        async for chunk in body:
            # The parser begins a file on disk later than that, and the fields are complete.
            if parsed > FORM_OVERHEAD and not checked:
                _check_policy(components, _text_fields(parser.items))
                checked = True
            yield chunk
            parsed += len(chunk)

    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise _malformed("The body of your POST request is not well-formed multipart data.")
    parser = MultiPartParser(request.headers, allowed(), max_files=1, max_fields=50)  # type: ignore[arg-type]
    try:
        return await parser.parse()
    # Older releases of starlette let the errors of its parser through.
    except (MultiPartException, ValueError):
        raise _malformed("The body of your POST request is not well-formed multipart data.") from None
    except KeyError:
        raise _malformed("The multipart boundary is missing.") from None


async def _store(components: Components, form: FormData) -> Response:
    """Check a form against its policy and store its file."""
    fields = _text_fields(form.multi_items())
    last = form.multi_items()[-1] if form.multi_items() else ("", "")
    if last[0] != "file" or not isinstance(last[1], UploadFile):
        raise _malformed("The last field of the form must be the file.")
    storage = components.state.storage
    grant, document = _check_policy(components, fields)
    if (last[1].size or 0) > _max_bytes(document):
        raise _too_large()
    path = storage.folder("uploads") / f"{uuid.uuid4().hex}{_suffix(fields['key'])}"
    await asyncio.to_thread(_copy, last[1].file, path)
    if not storage.add_upload(key=fields["key"], path=path, grant=grant):
        await asyncio.to_thread(path.unlink)
        message = "The object you specified already exists and can not be overwritten."
        raise OssError(409, "FileAlreadyExists", message)
    return Response(status_code=200 if fields.get("success_action_status") == "200" else 204)


def _text_fields(items: Iterable[tuple[str, str | UploadFile]]) -> dict[str, str]:
    return {name.lower(): value for name, value in items if isinstance(value, str)}


def _check_policy(components: Components, fields: dict[str, str]) -> tuple[UploadGrant, dict[str, Any]]:
    """The grant of a form's policy; 403 if the policy does not allow the form."""
    for name in ("key", "policy", "signature", "ossaccesskeyid"):
        if not fields.get(name):
            raise OssError(400, "InvalidArgument", f"Bucket POST must contain a field named '{name}'.")
    signer = components.state.storage.signer
    if fields["ossaccesskeyid"] != signer.access_key_id:
        raise OssError(403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records.")
    document = signer.read_policy(policy=fields["policy"], signature=fields["signature"])
    if components.state.clock() >= policy_expiration(document):
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
    return components.state.storage.grants[prefix.rstrip("/")], document


def _max_bytes(document: dict[str, Any]) -> int:
    return next(int(c[2]) for c in document["conditions"] if isinstance(c, list) and c[0] == "content-length-range")


def _condition_failed(condition: str) -> OssError:
    return OssError(403, "AccessDenied", f"Invalid according to Policy: Policy Condition failed: {condition}")


def _too_large() -> OssError:
    message = "Your proposed upload exceeds the maximum allowed size."
    # The client may still send.
    return OssError(400, "EntityTooLarge", message, headers={"Connection": "close"})


def _malformed(message: str) -> OssError:
    return OssError(400, "MalformedPOSTRequest", message)


def _suffix(key: str) -> str:
    suffix = Path(key).suffix
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 10 else ""


def _copy(source: BinaryIO, target: Path) -> None:
    source.seek(0)
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, MEGABYTE)
