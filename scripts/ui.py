"""A local Airflow on the emulator, with the connection, the pool and the DAGs in place, until Ctrl-C."""

from __future__ import annotations

import signal
import sys

from local_airflow import POOL, ROOT, LocalAirflow, emulator

HOME = ROOT / ".airflow"
PORT = 8080


def main() -> int:
    print("Starting the emulator and Airflow; this takes about half a minute.", flush=True)
    with emulator(home=HOME, time_scale=4) as base_url, LocalAirflow(home=HOME, port=PORT).running() as airflow:
        airflow.furnish(base_url=base_url, api_key="sk-local")
        print(f"Airflow        {airflow.url}  (no login)")
        print(f"Connection     dashscope_default -> {base_url}")
        print(f"Pool           {POOL['name']}, {POOL['slots']} slots, counting deferred tasks")
        print(f"Start here     {airflow.url}/dags/videoretalk_quickstart  (Trigger)")
        print("Ctrl-C stops everything.", flush=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("Stopping.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
