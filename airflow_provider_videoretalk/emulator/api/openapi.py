"""The parts of the OpenAPI document that FastAPI cannot derive, because the routes read their requests themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from airflow_provider_videoretalk.emulator.api.response_models import ErrorReply

if TYPE_CHECKING:
    from fastapi import FastAPI
    from pydantic import BaseModel

TEMPLATE = "#/components/schemas/{model}"
REFUSALS = {
    400: "The request or its content is refused",
    401: "No or no valid API key",
    403: "Access denied",
    404: "No such model, or a part this gateway lacks",
    413: "Body over 16 MiB",
    429: "Over the account's rate",
    500: "The service failed",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses`` of a route: the statuses of its error replies, all of one shape."""
    return {status: {"model": ErrorReply, "description": REFUSALS[status]} for status in statuses}


def operation(
    *,
    body: type[BaseModel] | None = None,
    other_bodies: tuple[type[BaseModel], ...] = (),
    headers: tuple[dict[str, Any], ...] = (),
    query: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    """``openapi_extra`` of a route: bearer key, JSON body, headers and query parameters."""
    extra: dict[str, Any] = {"security": [{"BearerAuth": []}]}
    if body is not None:
        references = [{"$ref": TEMPLATE.format(model=model.__name__)} for model in (body, *other_bodies)]
        schema = references[0] if len(references) == 1 else {"anyOf": references}
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if headers or query:
        extra["parameters"] = [*headers, *query]
    return extra


def header(name: str, *, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "schema": {"type": "string", **schema}}


def parameter(name: str, *, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def install_openapi(app: FastAPI, *, bodies: tuple[type[BaseModel], ...]) -> None:
    """Add the request models and the key's security scheme to an app's document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _, models = models_json_schema([(body, "validation") for body in bodies], ref_template=TEMPLATE)
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {}).update(models["$defs"])
            components["securitySchemes"] = {"BearerAuth": {"type": "http", "scheme": "bearer"}}
            for path in schema["paths"].values():
                for method in path.values():
                    # FastAPI's own reply to a wrong parameter; here that is a 400 in the service's shape.
                    method["responses"].pop("422", None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
