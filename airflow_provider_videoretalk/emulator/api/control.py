"""The control room: what a test reads and arms, outside the service's own paths and on loopback only."""

from __future__ import annotations

import ipaddress
from typing import Any

from fastapi import APIRouter, Depends, Request

from airflow_provider_videoretalk.emulator.api.services import services_of
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.service.errors import ServiceError


def require_loopback(request: Request) -> None:
    """403 for a client on another machine."""
    host = request.client.host if request.client else ""
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    if not near:
        raise ServiceError(403, "AccessDenied", "The emulator's control room is open to loopback only.")


router = APIRouter(prefix="/emulator", include_in_schema=False, dependencies=[Depends(require_loopback)])


@router.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/tasks")
async def tasks(request: Request) -> dict[str, Any]:
    """The books: every task ever submitted, oldest first, and what was billed in all."""
    books = services_of(request).state.books()
    return {"tasks": books, "billed_seconds": sum(task["billed_seconds"] for task in books)}


@router.get("/requests")
async def requests(request: Request) -> dict[str, Any]:
    """Every request for one of the service's operations, oldest first."""
    return {"requests": list(services_of(request).state.requests)}


@router.get("/faults")
async def pending_faults(request: Request) -> dict[str, Any]:
    return {"rules": [rule.model_dump() for rule in services_of(request).faults.pending()]}


@router.post("/faults", status_code=201)
async def arm_faults(request: Request, rules: list[FaultRule] | FaultRule) -> dict[str, Any]:
    """Append one rule or a list of rules to the plan."""
    plan = services_of(request).faults
    plan.arm(*(rules if isinstance(rules, list) else [rules]))
    return {"rules": [rule.model_dump() for rule in plan.pending()]}


@router.delete("/faults")
async def clear_faults(request: Request) -> dict[str, Any]:
    services_of(request).faults.clear()
    return {"rules": []}
