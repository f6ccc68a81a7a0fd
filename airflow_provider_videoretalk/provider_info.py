"""What Airflow learns of this package, without importing the rest of it."""

from __future__ import annotations

from typing import Any

_PACKAGE = "airflow_provider_videoretalk"
_INTEGRATION = "DashScope VideoRetalk"


def get_provider_info() -> dict[str, Any]:
    """The package's provider info, by Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-videoretalk",
        "name": _INTEGRATION,
        "description": "Text to speech, VideoRetalk lip replacement and publishing, as paid, long-running jobs.",
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://help.aliyun.com/zh/model-studio/videoretalk-api",
                "tags": ["service"],
            }
        ],
        "hooks": [_modules("hooks.dashscope")],
        "operators": [
            _modules("operators.dashscope", "operators.publish", "operators.speech", "operators.videoretalk")
        ],
        "sensors": [_modules("sensors.dashscope")],
        "triggers": [_modules("triggers.dashscope", "triggers.delay")],
        "extra-links": [f"{_PACKAGE}.links.WatchLink"],
        "filesystems": [f"{_PACKAGE}.fs.oss"],
        "connection-types": [_connection_type()],
    }


def _modules(*names: str) -> dict[str, Any]:
    return {"integration-name": _INTEGRATION, "python-modules": [f"{_PACKAGE}.{name}" for name in names]}


def _connection_type() -> dict[str, Any]:
    return {
        "connection-type": "dashscope",
        "hook-class-name": f"{_PACKAGE}.hooks.dashscope.DashScopeHook",
        "hook-name": "DashScope",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "login", "port"],
            "relabeling": {"password": "API key", "host": "Base URL"},
            "placeholders": {"password": "sk-...", "host": "https://dashscope.aliyuncs.com/api/v1"},
        },
        "conn-fields": {
            "workspace": {
                "label": "Workspace",
                "description": "Id of a sub-workspace; leave empty for the account's default one.",
                "schema": {"type": ["string", "null"], "section": "Account"},
            },
            "queries_per_second": {
                "label": "Queries per second",
                "description": "What this connection may ask of the account's 20 queries a second.",
                "schema": {
                    "type": ["number", "null"],
                    "exclusiveMinimum": 0,
                    "maximum": 100,
                    "default": 20,
                    "section": "Account",
                },
            },
            "verify": {
                "label": "CA bundle",
                "description": "Path of a CA bundle, for an endpoint with a certificate of your own.",
                "schema": {"type": ["string", "null"], "section": "Network"},
            },
            "proxy": {
                "label": "Proxy",
                "description": "URL of an HTTP proxy between Airflow and the endpoint.",
                "schema": {"type": ["string", "null"], "section": "Network"},
            },
            "prices": {
                "label": "Prices",
                "description": "What a second of output costs, where it is not the list price, by model: per_second, "
                "currency and as_of.",
                "schema": {"type": ["object", "null"], "section": "Account"},
            },
            "allow_private": {
                "label": "Inputs in private networks",
                "description": "Look at inputs at private addresses too: for an endpoint that can reach them.",
                "schema": {"type": ["boolean", "null"], "default": False, "section": "Network"},
            },
        },
    }
