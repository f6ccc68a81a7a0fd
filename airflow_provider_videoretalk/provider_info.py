"""The metadata that Airflow reads of this package. Imports nothing else of it."""

from __future__ import annotations

from typing import Any

_PACKAGE = "airflow_provider_videoretalk"
_INTEGRATION = "DashScope VideoRetalk"
_CONFIG_DESCRIPTION = "What the tasks of the VideoRetalk provider may read and write, and how they mark it."
# By the name behind ``@task.``.
_TASK_DECORATORS = {
    "videoretalk": "videoretalk.videoretalk_task",
    "text_to_speech": "speech.text_to_speech_task",
    "publish_media": "publish.publish_media_task",
}


def get_provider_info() -> dict[str, Any]:
    """The package's provider info, by Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-videoretalk",
        "name": _INTEGRATION,
        "description": "Translation, speech, VideoRetalk lip replacement and publishing, as paid, long-running jobs.",
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://help.aliyun.com/zh/model-studio/videoretalk-api",
                "tags": ["service"],
            }
        ],
        "hooks": [_modules("hooks.dashscope")],
        "operators": [
            _modules(
                "operators.approve_videos",
                "operators.audit",
                "operators.dashscope",
                "operators.make_video",
                "operators.manifest",
                "operators.plan_videos",
                "operators.proofread",
                "operators.publish",
                "operators.review_video",
                "operators.segment_speech",
                "operators.speech",
                "operators.talking_photo",
                "operators.transcribe",
                "operators.translate",
                "operators.videoretalk",
                "operators.voice",
            )
        ],
        "sensors": [_modules("sensors.dashscope")],
        "task-decorators": [
            {"name": name, "class-name": f"{_PACKAGE}.decorators.{function}"}
            for name, function in _TASK_DECORATORS.items()
        ],
        "triggers": [_modules("triggers.admission", "triggers.dashscope", "triggers.retry_later")],
        "extra-links": [f"{_PACKAGE}.links.WatchLink", f"{_PACKAGE}.links.BatchLink"],
        "filesystems": [f"{_PACKAGE}.airflow_adapters.oss_filesystem"],
        "connection-types": [_connection_type()],
        "config": {"videoretalk": {"description": _CONFIG_DESCRIPTION, "options": _config_options()}},
    }


def _config_options() -> dict[str, Any]:
    return {
        "allowed_sources": _option(
            "Where the inputs of render jobs, the samples of voices and the sources of publishing may be.",
            example="https://media.example.com/clips/, s3://aws_default@clips/, file:///srv/clips/",
        ),
        "allowed_destinations": _option(
            "Where results may be published. The pages in Airflow's UI play published files from there only.",
            example="s3://aws_default@videos/, file:///srv/videos/",
        ),
        "aigc_content_producer": _text_option(
            "Name or code of the provider in the AIGC label (GB 45438-2025) of all that is published. Empty: no label, "
            "unless a task asks for one.",
            example="001191330101MA27WPYJ18x0001",
        ),
        "content_credentials_conn_id": _text_option(
            "The connection whose key signs content credentials (C2PA) of all that is published. Empty: none, unless a "
            "task asks for them.",
            example="signing_default",
        ),
    }


def _option(description: str, *, example: str) -> dict[str, Any]:
    return {
        "description": f"{description} Prefixes with commas between them; remote stands for every URL and store. A "
        "file on a disk is allowed below a file:/// prefix only. Operators can narrow it, and not widen it.\n",
        "version_added": "0.2.0",
        "type": "string",
        "example": example,
        "default": "remote",
    }


def _text_option(description: str, *, example: str) -> dict[str, Any]:
    return {
        "description": f"{description}\n",
        "version_added": "0.2.0",
        "type": "string",
        "example": example,
        "default": "",
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
        "conn-fields": {**_account_fields(), **_limit_fields(), **_network_fields()},
    }


def _account_fields() -> dict[str, Any]:
    return {
        "dialect": _field(
            "Dialect",
            "How a gateway is queried, and how it answers. The connection test finds it. dashscope for the service "
            "itself, and for gateways with its own routes below a prefix.",
            "Account",
            "string",
            enum=["dashscope", "video-tasks", "flat-tasks", "video-generations"],
            default="dashscope",
        ),
        "workspace": _field(
            "Workspace", "Id of a sub-workspace. Empty for the account's default one.", "Account", "string"
        ),
        "queries_per_second": _field(
            "Queries per second",
            "Most status queries a second of one process, and as many list pages. An account's limit is 20.",
            "Account",
            "number",
            exclusiveMinimum=0,
            maximum=100,
            default=20,
        ),
        "prices": _field(
            "Prices",
            "Price of a second of output by model, if it is not the list price: per_second, currency and as_of.",
            "Account",
            "object",
        ),
    }


def _limit_fields() -> dict[str, Any]:
    # No defaults: the form would store them, and then operators could not exceed them.
    return {
        "poll_interval": _field(
            "Poll interval",
            "Least seconds between two queries for one render job. Operators may only raise it. Empty: 4 s, and "
            "operators choose freely.",
            "Limits",
            "number",
            minimum=0,
        ),
        "max_poll_interval": _field(
            "Longest poll interval",
            "Most seconds between two queries for one render job. Operators may only raise it. Empty: 300 s, and "
            "operators choose freely.",
            "Limits",
            "number",
            minimum=0,
        ),
        "throttle_timeout": _field(
            "Throttle timeout",
            "Seconds for which to go on sending while the account is throttled. Operators may only shorten it. Empty: "
            "3600 s, and operators choose freely.",
            "Limits",
            "number",
            minimum=0,
        ),
        "hold_back": _field(
            "Hold back submits",
            "Defer a submit whose job would not begin or end in time. Operators may turn it on, but not off. Empty: "
            "on, and operators choose freely.",
            "Limits",
            "boolean",
        ),
    }


def _network_fields() -> dict[str, Any]:
    return {
        "verify": _field(
            "CA bundle", "Path of a CA bundle, for an endpoint with a private certificate.", "Network", "string"
        ),
        "proxy": _field(
            "Proxy", "URL of a proxy between Airflow and the endpoint: http, https or SOCKS.", "Network", "string"
        ),
        "allow_private": _field(
            "Private networks",
            "Inputs and results may be at private addresses. Only for an endpoint that can reach them.",
            "Network",
            "boolean",
            default=False,
        ),
    }


def _field(label: str, description: str, section: str, kind: str, **schema: object) -> dict[str, Any]:
    types = [kind, "null"]
    return {"label": label, "description": description, "schema": {"type": types, **schema, "section": section}}
