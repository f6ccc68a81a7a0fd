"""Videos on a simulated clock: ``python -m month CLIPS [DAYS]`` prints what they left behind, as JSON.

The operator, its triggers, the audit and all rooms below them are real. The service, Airflow's stores, its workers and
its triggerer are in memory.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile

from month.virtual_time import EPOCH, VirtualTime

_TIME = VirtualTime()


def main(clips: int, days: int) -> None:
    from unit.polling import virtual

    virtual.EPOCH = EPOCH
    from month.simulation import Month, simulate

    print(json.dumps(simulate(Month(clips=clips, days=days), _TIME)))


if __name__ == "__main__":
    _TIME.rule()
    # Most of the time would go to looks at all jobs, of which none is garbage.
    gc.set_threshold(200_000, 50, 50)
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL",
        }
        main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 30)
