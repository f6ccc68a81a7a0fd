"""Runs a local Airflow and the emulator until Ctrl-C, with the connection, the pool and the DAGs."""

from __future__ import annotations

import argparse

from child_processes import check_port
from interrupts import run_to_exit
from local_airflow import POOL, ROOT, LocalAirflow, emulator

HOME = ROOT / ".airflow"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="port of Airflow's API server; default: %(default)s")
    port = parser.parse_args().port
    check_port(port)
    print("Starting the emulator and Airflow; this takes about half a minute.", flush=True)
    local = LocalAirflow(home=HOME, published=HOME / "videos", port=port)
    with emulator(home=HOME, time_scale=4) as base_url, local.running() as airflow:
        airflow.configure(base_url=base_url, api_key="sk-local")
        print(f"Airflow        {airflow.url}  (no login)")
        print(f"Connection     dashscope_default -> {base_url}")
        print(f"Pool           {POOL['name']}, {POOL['slots']} slots, counting deferred tasks")
        print(f"Videos         {local.published}")
        print(f"Start here     {airflow.url}/dags/videoretalk_quickstart  (Trigger)")
        print("Ctrl-C stops everything.", flush=True)
        airflow.wait_for_failure()
    return 0


if __name__ == "__main__":
    run_to_exit(main)
