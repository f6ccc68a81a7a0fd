"""The page of the commands, made from the parser of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from airflow_provider_videoretalk.cli import command
from website.markdown import code, table

_BEGIN = """# Commands

All arguments of `python -m airflow_provider_videoretalk`. [The command](../command.md) has examples, the exit codes and
the JSON.

"""


def page() -> str:
    return _BEGIN + "\n".join(_command(name, parser) for name, parser in _commands())


def _commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in command._parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    rows = [(_name(action), _default(action), action.help or "") for action in parser._actions if action.dest != "help"]
    return f"## {name}\n\n{parser.description}\n\n" + table(("argument", "default", "meaning"), rows)


def _name(action: argparse.Action) -> str:
    value = action.metavar or action.dest.upper()
    if not action.option_strings:
        return code(value if isinstance(value, str) else " ".join(value))
    taken = f" {value}" if action.nargs != 0 else ""
    return ", ".join(code(option + taken) for option in action.option_strings)


def _default(action: argparse.Action) -> str:
    return "" if action.default in (None, False, argparse.SUPPRESS) else code(action.default)
