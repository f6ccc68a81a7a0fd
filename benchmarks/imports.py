"""What importing costs, beside other packages: each in a fresh process that has ``airflow.sdk`` loaded already.

    python benchmarks/imports.py [--runs 7] [--markdown FILE]

Packages that are not installed are left out. Each figure is the median over the runs, which take turns, so that a
machine that slows down slows all of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

OURS = "airflow_provider_videoretalk"
GOAL_MS = 20.0
MODULES = (
    f"{OURS}.operators.videoretalk",
    f"{OURS}.operators.speech",
    f"{OURS}.operators.publish",
    f"{OURS}.operators.dashscope",
    f"{OURS}.sensors.dashscope",
    f"{OURS}.triggers.dashscope",
    f"{OURS}.triggers.delay",
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


def measure(module: str) -> tuple[float, int] | None:
    """Milliseconds and modules that importing ``module`` adds; ``None`` where it is not installed."""
    command = [sys.executable, "-W", "ignore", "-c", _PROGRAM.format(module=module)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        if "ModuleNotFoundError" not in done.stderr:
            raise SystemExit(done.stderr)
        return None
    milliseconds, modules = done.stdout.split()[-2:]
    return float(milliseconds), int(modules)


def table(runs: int) -> tuple[str, bool]:
    """The figures as a Markdown table, and whether the goal is met."""
    found: dict[str, list[tuple[float, int]]] = {module: [] for module in MODULES}
    for _ in range(runs + 1):
        for module, figures in found.items():
            figure = measure(module)
            figures += [figure] if figure else []
    rows, met = ["| import | adds, ms (median) | range | modules |", "|---|---|---|---|"], True
    for module, figures in found.items():
        if not figures:
            continue
        times = [milliseconds for milliseconds, _ in figures[1:]]
        median = statistics.median(times)
        met = met and not (module.startswith(OURS) and median > GOAL_MS)
        rows.append(f"| `{module}` | {median:.1f} | {min(times):.1f} to {max(times):.1f} | {figures[-1][1]} |")
    return "\n".join(rows), met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=7, help="counted runs of each import, after one that is not")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    rows, met = table(options.runs)
    today = datetime.now(timezone.utc).date()
    setting = f"{today}, Python {platform.python_version()}, {os.cpu_count()} cores, {options.runs} runs"
    verdict = f"Goal: at most {GOAL_MS:g} ms for each module of this package: {'met' if met else 'NOT met'}."
    text = (
        f"# What importing costs\n\nOver a process that has `airflow.sdk` loaded. {setting}.\n\n{rows}\n\n{verdict}\n"
    )
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
