"""The control API for tests: render jobs, the request log and fault rules, outside the service's paths.

Only clients on loopback may use it, by a name of loopback or by the name that the emulator listens on.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from pydantic import TypeAdapter, ValidationError

from airflow_provider_videoretalk.emulator.api.components import components_of
from airflow_provider_videoretalk.emulator.api.request_body import read_json
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.loopback import is_loopback
from airflow_provider_videoretalk.emulator.service.errors import ServiceError, invalid_parameter

_RULES: TypeAdapter[list[FaultRule]] = TypeAdapter(list[FaultRule])


def require_loopback(request: Request) -> None:
    """403 for a client on another machine, and for a web page whose own name was pointed at this machine.

    A browser lets such a page read the replies (DNS rebinding). Its requests name the page's host.
    """
    if not is_loopback(request.client.host if request.client else ""):
        raise ServiceError(403, "AccessDenied", "The emulator's control API is open to loopback only.")
    name = _host_name(request.headers.get("host", ""))
    if not is_loopback(name) and name != components_of(request).settings.host.lower():
        message = "The emulator's control API answers to localhost and to the host that it listens on only."
        raise ServiceError(403, "AccessDenied", message)


def _host_name(header: str) -> str:
    """The name or address in a ``Host`` header, without its port; empty if there is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


router = APIRouter(prefix="/emulator", include_in_schema=False, dependencies=[Depends(require_loopback)])


@router.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/tasks")
async def tasks(request: Request) -> dict[str, Any]:
    """Every render job ever submitted, oldest first, and the sum of the billed seconds."""
    reports = components_of(request).state.job_reports()
    return {"tasks": reports, "billed_seconds": sum(report["billed_seconds"] for report in reports)}


@router.get("/voices")
async def voices(request: Request) -> dict[str, Any]:
    """Every enrolled voice that is not deleted, oldest first."""
    return {"voices": components_of(request).voices.reports()}


@router.get("/requests")
async def requests(request: Request) -> dict[str, Any]:
    """The request log: every request for one of the service's operations, oldest first."""
    return {"requests": list(components_of(request).state.requests)}


@router.get("/faults")
async def pending_faults(request: Request) -> dict[str, Any]:
    return {"rules": [rule.model_dump() for rule in components_of(request).faults.pending()]}


@router.post("/faults", status_code=201)
async def arm_faults(request: Request) -> dict[str, Any]:
    """Append one rule or a list of rules to the fault plan."""
    plan = components_of(request).faults
    body = await read_json(request)
    try:
        plan.arm(*_RULES.validate_python(body if isinstance(body, list) else [body]))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise invalid_parameter(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return {"rules": [rule.model_dump() for rule in plan.pending()]}


@router.delete("/faults")
async def clear_faults(request: Request) -> dict[str, Any]:
    components_of(request).faults.clear()
    return {"rules": []}
