"""``python -m airflow_provider_videoretalk.emulator``: DashScope on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings, MissingPart
from airflow_provider_videoretalk.emulator.work.engine_port import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Sequence

# A key for the printed examples: any that starts with "sk-" is accepted by default.
EXAMPLE_KEY = "sk-emulator"


def parse(arguments: Sequence[str] | None = None) -> EmulatorSettings:
    """The settings a command line stands for; exits with a message for a wrong one."""
    default = EmulatorSettings()
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_videoretalk.emulator",
        description="DashScope on this machine, with real media work.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default=default.host, help="address to listen on")
    add("--port", type=int, default=default.port, help="TCP port, 0 for any free one")
    add("--time-scale", type=float, default=default.time_scale, help="divides render time, 3 h limit and list delay")
    add("--life-scale", type=float, default=default.life_scale, help="divides how long results and uploads live")
    add("--render-factor", type=float, default=default.render_factor, help="seconds of render per second of output")
    add("--list-delay", type=float, default=default.list_delay, help="seconds until the list shows a task")
    add("--running", type=int, default=default.running, help="tasks of one account that run at once")
    add("--workers", type=int, default=default.workers, help="processes that render; as many as --running if not given")
    add("--submits-per-second", type=float, default=default.submits_per_second, help="per account")
    add("--queries-per-second", type=float, default=default.queries_per_second, help="query, list, cancel, per account")
    add("--speech-per-second", type=float, default=default.speech_per_second, help="per account, no limit if not given")
    add("--download-timeout", type=float, default=default.download_timeout, help="seconds an input may take")
    add("--api-key", action="append", dest="api_keys", help="accept only this key; may be repeated")
    add("--missing", action="append", default=[], choices=get_args(MissingPart), help="answer 404 there")
    add("--data-dir", type=Path, default=default.data_dir, help="folder for files, kept; temporary if not given")
    values = vars(parser.parse_args(arguments))
    keys = values.pop("api_keys")
    missing = frozenset(values.pop("missing"))
    try:
        return EmulatorSettings(api_keys=tuple(keys) if keys else None, missing=missing, **values)
    except ValueError as error:
        parser.error(str(error))


def banner(emulator: Emulator) -> str:
    """What a user needs to get going."""
    key = (emulator.settings.api_keys or (EXAMPLE_KEY,))[0]
    samples = "\n".join(f"  {emulator.url}/samples/{name}" for name in SAMPLES)
    connection = json.dumps({"conn_type": "dashscope", "host": emulator.base_url, "password": key})
    return (
        f"DashScope emulator on {emulator.base_url}\n"
        f"Connection for Airflow:\n  export AIRFLOW_CONN_DASHSCOPE_DEFAULT={shlex.quote(connection)}\n"
        f"Sample media:\n{samples}\n"
        f"Books and faults: {emulator.url}/emulator/tasks  /emulator/requests  /emulator/faults\n"
        "Stop with Ctrl-C."
    )


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM."""
    settings = parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    if not is_loopback(settings.host):
        print(
            f"warning: listening on {settings.host}: whoever reaches this machine can use the emulator "
            "and make it download from any address it can reach",
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
