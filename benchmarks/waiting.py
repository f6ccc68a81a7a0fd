"""What waiting costs, beside what people wait with today: on the emulator, with its clock sped up.

    python -m benchmarks.waiting [--sizes 10 100] [--write]

Twenty minutes for all sizes on two cores, two for 10 and 100. Ends with 0 whether the goals are met or not.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.bench import measure
from benchmarks.figures import Figures
from benchmarks.goals import goals
from benchmarks.makespan import makespans
from benchmarks.picture import picture
from benchmarks.report import DOCUMENT, row, setting, tables, write
from benchmarks.scenarios import SIZES, runs

PACKAGES = ("apache-airflow", "apache-airflow-providers-http", "dashscope")
PICTURE = DOCUMENT.parent / "images" / "waiting.svg"


def measure_all(sizes: list[int]) -> list[Figures]:
    """All runs, one after the other, each told when it is over."""
    measured = []
    for run in runs(sizes):
        figures = measure(run)
        measured.append(figures)
        print(f"{run.scenario}: {' | '.join(row(figures))}", file=sys.stderr, flush=True)
    return measured


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="how many tasks wait")
    parser.add_argument("--write", action="store_true", help="also write tables and picture into docs/")
    options = parser.parse_args()
    measured, spans = measure_all(options.sizes), makespans()
    text = f"{setting(*PACKAGES)}.\n\n{tables(measured, spans, goals(measured, spans))}"
    print(text)
    if options.write:
        write(text, by="benchmarks/waiting.py")
        PICTURE.write_text(picture(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
