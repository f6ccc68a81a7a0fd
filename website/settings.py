"""The page of the connection's fields and of the configuration, made from the provider info."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_videoretalk.provider_info import get_provider_info
from website.markdown import code, codes, table

_BEGIN = """# Settings

The fields of a connection of the type `dashscope`, and Airflow's settings of this package, as Airflow is told of them.
[The connection](../connection.md) explains the fields, and
[allowed sources and destinations](../installation.md#allowed-sources-and-destinations) the settings.

## Connection fields

*API key* is the connection's password, and *Base URL* its host. Each other field is stored in the connection's extra
under its name.

"""
_CONFIGURATION = """
## Configuration

Each is an option of Airflow's configuration, or an environment variable of all components.

"""


def page() -> str:
    info = get_provider_info()
    fields = info["connection-types"][0]["conn-fields"]
    rows = [
        (code(name), field["label"], _accepted(field["schema"]), _default(field["schema"]), field["description"])
        for name, field in fields.items()
    ]
    found = table(("name", "field of the form", "accepted", "default", "meaning"), rows)
    return _BEGIN + found + _CONFIGURATION + "".join(_options(info["config"]))


def _options(sections: Mapping[str, Any]) -> list[str]:
    return [
        table(
            ("option", "environment variable", "default", "meaning"),
            [
                (
                    code(f"[{section}] {name}"),
                    code(f"AIRFLOW__{section}__{name}".upper()),
                    code(option["default"]) or "empty",
                    option["description"],
                )
                for name, option in parts["options"].items()
            ],
        )
        for section, parts in sections.items()
    ]


def _accepted(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return codes(schema["enum"])
    bounds = [
        f"{words} {schema[name]}"
        for name, words in (("minimum", "at least"), ("exclusiveMinimum", "more than"), ("maximum", "at most"))
        if name in schema
    ]
    return ", ".join([schema["type"][0], *bounds])


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    if isinstance(default, bool):
        return "yes" if default else "no"
    return "" if default is None else code(default)
