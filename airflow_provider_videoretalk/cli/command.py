"""The command line: parses the arguments and runs one command. A command imports its dependencies when it runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from airflow_provider_videoretalk import __version__
from airflow_provider_videoretalk.cli import check, copy_dags, doctor
from airflow_provider_videoretalk.cli.exit_code import EXPLANATION

PROGRAM = "python -m airflow_provider_videoretalk"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    :return: an :class:`~airflow_provider_videoretalk.cli.exit_code.ExitCode`
    """
    options = _parser().parse_args(arguments)
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Commands of the Airflow provider for DashScope VideoRetalk.",
        epilog=EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"airflow-provider-videoretalk {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (check, copy_dags, doctor):
        added = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.DESCRIPTION,
            epilog=EXPLANATION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(added)
        added.set_defaults(run=command.run)
    return parser
