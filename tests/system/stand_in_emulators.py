"""Several emulators in one process, without media work: each hands every video back unchanged.

Takes one argument: a JSON object of names to ports and settings. Ends with SIGTERM.
"""

from __future__ import annotations

import json
import signal
import sys
from contextlib import ExitStack
from typing import Any

from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.emulator.work.stand_in import StandInEngine

# Stand-in videos claim three seconds: a render takes three, a result lives 72 minutes, a task may take nine.
DEFAULTS: dict[str, Any] = {"time_scale": 20, "render_factor": 20, "submits_per_second": 1000}


def main(plan: dict[str, dict[str, Any]]) -> None:
    with ExitStack() as stack:
        for settings in plan.values():
            missing = frozenset(settings.pop("missing", ()))
            wanted = EmulatorSettings(**DEFAULTS | settings, missing=missing)
            stack.enter_context(Emulator(wanted, engine=StandInEngine()))
        print("ready", flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    # Before any thread starts, so that all of them leave the two signals to sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(json.loads(sys.argv[1]))
