"""What importing costs, beside other packages: each in a fresh process that has ``airflow.sdk`` loaded already.

Other packages that are not installed are left out. Each figure is the median over the runs, which take turns, so that a
machine that slows down slows all of them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from functools import partial
from importlib.util import find_spec

from benchmarks.machine import undisturbed
from benchmarks.results import Goal, Result, Table, commit, setting

OURS = "airflow_provider_videoretalk"
GOAL_MS = 20.0
MODULES = (
    f"{OURS}.operators.videoretalk",
    f"{OURS}.operators.speech",
    f"{OURS}.operators.publish",
    f"{OURS}.operators.dashscope",
    f"{OURS}.sensors.dashscope",
    f"{OURS}.triggers.dashscope",
    f"{OURS}.triggers.retry_later",
    "airflow.providers.standard.operators.bash",
    "airflow.providers.http.operators.http",
    "airflow.providers.databricks.operators.databricks",
    "dashscope",
)
_PROGRAM = """
import sys, time
from airflow.sdk import Asset, AssetAlias, BaseOperator, BaseSensorOperator, DAG, ObjectStoragePath, Param, conf, task
modules, begun = len(sys.modules), time.perf_counter()
import {module}
print((time.perf_counter() - begun) * 1000, len(sys.modules) - modules)
"""


def measure(*, quick: bool) -> Result:
    runs = 2 if quick else 7
    modules = [module for module in MODULES if module.startswith(OURS) or find_spec(module.partition(".")[0])]
    found: dict[str, list[tuple[float, int]]] = {}
    for turn in range(runs + 1):
        for module in modules:
            figures, _ = undisturbed(partial(imported, module), what=f"import {module}")
            # The first is not counted.
            if figures and turn:
                found.setdefault(module, []).append(figures)
    rows = [_row(module, figures) for module, figures in found.items()]
    slowest = max(_median(figures) for module, figures in found.items() if module.startswith(OURS))
    goal = Goal(
        what="each module of this package: added to a process with airflow.sdk",
        wanted=f"<= {GOAL_MS:g} ms",
        found=f"{slowest:.1f} ms",
        met=slowest <= GOAL_MS,
    )
    table = Table(header=("import", "adds, ms (median)", "range", "modules"), rows=rows)
    return Result(setting=setting("apache-airflow", more=f"{runs} runs"), commit=commit(), goals=[goal], tables=[table])


def imported(module: str) -> tuple[float, int] | None:
    """Milliseconds and modules that importing ``module`` adds; ``None`` where another package lacks it."""
    command = [sys.executable, "-W", "ignore", "-c", _PROGRAM.format(module=module)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        if module.startswith(OURS) or "ModuleNotFoundError" not in done.stderr:
            raise SystemExit(done.stderr)
        return None
    milliseconds, modules = done.stdout.split()[-2:]
    return float(milliseconds), int(modules)


def _median(figures: list[tuple[float, int]]) -> float:
    return statistics.median(milliseconds for milliseconds, _ in figures)


def _row(module: str, figures: list[tuple[float, int]]) -> list[str]:
    times = [milliseconds for milliseconds, _ in figures]
    return [f"`{module}`", f"{_median(figures):.1f}", f"{min(times):.1f} to {max(times):.1f}", f"{figures[-1][1]}"]
