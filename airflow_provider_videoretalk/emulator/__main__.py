"""``python -m airflow_provider_videoretalk.emulator``: runs the emulator until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.emulator.execution.media_engine import SAMPLES
from airflow_provider_videoretalk.emulator.loopback import is_loopback
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings, Gateway, MissingPart
from airflow_provider_videoretalk.optional_dependencies import require_extra

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_videoretalk.emulator.server import Emulator

# The key of the printed examples. By default every key that starts with "sk-" is accepted.
EXAMPLE_KEY = "sk-emulator"


def _parser(default: EmulatorSettings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_videoretalk.emulator",
        description="DashScope on this machine, with real media work.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default=default.host, help="address to listen on")
    add("--port", type=int, default=default.port, help="TCP port; 0 for any free port")
    add("--time-scale", type=float, default=default.time_scale, help="divides render time, 3 h limit and list delay")
    add("--life-scale", type=float, default=default.life_scale, help="divides how long results and uploads are kept")
    add("--render-factor", type=float, default=default.render_factor, help="seconds of render per second of output")
    add("--list-delay", type=float, default=default.list_delay, help="seconds until a list shows a new render job")
    add("--running", type=int, default=default.running, help="render jobs of one account that run at once")
    add("--workers", type=int, default=default.workers, help="processes that render; by default as many as --running")
    add("--submits-per-second", type=float, default=default.submits_per_second, help="per account")
    add("--queries-per-second", type=float, default=default.queries_per_second, help="query, list, cancel, per account")
    add("--speech-per-second", type=float, default=default.speech_per_second, help="per account; no limit by default")
    add("--translations-per-minute", type=float, default=default.translations_per_minute, help="per account")
    add(
        "--download-timeout",
        type=float,
        default=default.download_timeout,
        help="seconds for the download of an input",
    )
    add("--api-key", action="append", dest="api_keys", help="accept only this key; may be repeated")
    add(
        "--missing",
        action="append",
        default=[],
        choices=get_args(MissingPart),
        help="answer 404 there; may be repeated",
    )
    add(
        "--gateway",
        choices=get_args(Gateway),
        help="play a gateway with other routes and replies; list: docs/emulator.md",
    )
    add("--data-dir", type=Path, default=default.data_dir, help="folder for files, which is kept; temporary by default")
    return parser


def parse(arguments: Sequence[str] | None = None) -> EmulatorSettings:
    """The settings of a command line; exits with a message if a value is wrong."""
    parser = _parser(EmulatorSettings())
    values = vars(parser.parse_args(arguments))
    keys = values.pop("api_keys")
    missing = frozenset(values.pop("missing"))
    try:
        return EmulatorSettings(api_keys=tuple(keys) if keys else None, missing=missing, **values)
    except ValueError as error:
        parser.error(str(error))


def banner(emulator: Emulator) -> str:
    """The address, a connection for Airflow, and the URLs of the sample files and of the control API."""
    key = (emulator.settings.api_keys or (EXAMPLE_KEY,))[0]
    samples = "\n".join(f"  {emulator.url}/samples/{name}" for name in SAMPLES)
    gateway = emulator.settings.gateway
    extra = {"allow_private": True} | ({"dialect": gateway} if gateway else {})
    connection = json.dumps({"conn_type": "dashscope", "host": emulator.base_url, "password": key, "extra": extra})
    return (
        f"DashScope emulator on {emulator.base_url}\n"
        f"Connection for Airflow:\n  export AIRFLOW_CONN_DASHSCOPE_DEFAULT={shlex.quote(connection)}\n"
        f"Sample media:\n{samples}\n"
        f"Render jobs, requests and faults: {emulator.url}/emulator/tasks  /emulator/requests  /emulator/faults\n"
        "Stop with Ctrl-C."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM."""
    settings = parse(arguments)
    try:
        require_extra("emulator", part="the emulator")
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    # Imported late, because it needs the libraries of the extra.
    from airflow_provider_videoretalk.emulator.server import Emulator

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    if not is_loopback(settings.host):
        print(
            f"warning: listening on {settings.host}: every client that reaches this machine can use the emulator, "
            "and can make it download from any address that it can reach",
            file=sys.stderr,
        )
    try:
        emulator = Emulator(settings)
        emulator.start()
    except OSError as error:
        print(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}", file=sys.stderr)
        return 1
    try:
        print(banner(emulator), flush=True)
        stopped.wait()
    finally:
        emulator.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
