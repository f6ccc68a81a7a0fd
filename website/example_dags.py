"""What the example DAGs say of themselves, read from their files without Airflow."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class FormField:
    """A field of a DAG's form. ``schema`` has the other arguments of the ``Param``, if they are constants."""

    name: str
    default: Any
    schema: Mapping[str, Any]

    @property
    def description(self) -> str:
        return str(self.schema.get("description") or self.schema.get("description_md", "").partition("Some of them")[0])


@dataclass(frozen=True)
class ExampleDag:
    """One file of the folder ``dags``."""

    path: Path

    @cached_property
    def _module(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @property
    def title(self) -> str:
        return self._text.splitlines()[0].removeprefix("### ")

    @property
    def description(self) -> str:
        """The text below the title, up to what all examples say of their folder; a command has a fence."""
        paragraphs = self._text.partition("\n\n")[2].split("\n\n")
        told = [text for text in paragraphs if "`videoretalk_folder`" not in text]
        return "\n\n".join(_fenced(text) if text.startswith("    ") else text for text in told)

    @property
    def _text(self) -> str:
        return ast.get_docstring(self._module) or ""

    @cached_property
    def fields(self) -> list[FormField]:
        """The fields of the form, in its order; those of the first DAG that has a form."""
        values = dict(self._constants())
        for node in ast.walk(self._module):
            if isinstance(node, ast.keyword) and node.arg == "params" and isinstance(node.value, ast.Dict):
                pairs = zip(node.value.keys, node.value.values, strict=True)
                return [_field(key, value, values) for key, value in pairs if isinstance(value, ast.Call)]
        return []

    def _constants(self) -> Iterator[tuple[str, Any]]:
        for node in self._module.body:
            if isinstance(node, ast.Assign):
                (target,) = node.targets
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                try:
                    value = ast.literal_eval(node.value)
                except ValueError:
                    continue
                values = value if isinstance(target, ast.Tuple) else [value]
                yield from (
                    (name.id, one) for name, one in zip(names, values, strict=True) if isinstance(name, ast.Name)
                )


def example_dags() -> list[ExampleDag]:
    return [ExampleDag(path) for path in sorted((ROOT / "dags").glob("*.py"))]


def _field(key: ast.expr | None, call: ast.Call, values: Mapping[str, Any]) -> FormField:
    default = _value(call.args[0], values) if call.args else None
    schema = {word.arg: _value(word.value, values) for word in call.keywords if word.arg}
    return FormField(name=ast.literal_eval(key) if key else "", default=default, schema=schema)


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    """A constant, or the constant parts of an f-string; ``None`` for anything else."""
    if isinstance(node, ast.Name):
        return values.get(node.id)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _fenced(text: str) -> str:
    lines = "\n".join(line.removeprefix("    ") for line in text.splitlines())
    return f"```text\n{lines}\n```"
