"""The name under which a machine is known to the others: Airflow's ``[core] hostname_callable``."""

from __future__ import annotations

import os


def machine_address() -> str:
    return os.environ["VIDEORETALK_MACHINE"]
