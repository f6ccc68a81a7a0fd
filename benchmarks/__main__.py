"""Measures what the package costs.

    python -m benchmarks [SECTION ...] [--quick] [--write]

Each section is printed when it is measured. With ``--write`` the results go to ``benchmarks/results.json``, and
``docs/benchmarks.md`` is made of them. A section that stays disturbed by other processes keeps its earlier result.
Ends with 1 if one did, and with 0 whether the goals are met or not.
"""

from __future__ import annotations

import argparse
import os
import sys

from benchmarks.document import section_text, write_document
from benchmarks.machine import DisturbedError, accept_disturbance, adopt_orphans
from benchmarks.results import commit, read_results, write_results
from benchmarks.sections import SECTIONS, Section


def chosen(names: list[str], *, quick: bool) -> list[Section]:
    """The sections to measure: those named, or all that can be."""
    if names:
        return [SECTIONS[name] for name in names]
    return [each for each in SECTIONS.values() if each.measured_by and (each.is_quick or not quick)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [each.name for each in SECTIONS.values() if each.measured_by]
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="small parts only, disturbed or not")
    parser.add_argument("--write", action="store_true", help="also write the results and the page")
    options = parser.parse_args()
    if unknown := sorted(set(options.sections) - set(names)):
        parser.error(f"{', '.join(unknown)}: no such section; there are {', '.join(names)}")
    if options.quick and options.write:
        parser.error("--quick measures parts, which --write must not keep")
    adopt_orphans()
    # Else a process compiles this package, and finds its dependencies compiled by the installation.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if options.quick:
        accept_disturbance()
    # Before a measurement that may take an hour.
    commit()
    status = 0
    for section in chosen(options.sections, quick=options.quick):
        try:
            result = section.measure(quick=options.quick)
        except DisturbedError as error:
            print(f"{section.name} is not measured: {error}", file=sys.stderr, flush=True)
            status = 1
            continue
        print(section_text(section, result), end="\n\n", flush=True)
        if options.write:
            write_results(read_results() | {section.name: result})
            write_document()
    return status


if __name__ == "__main__":
    sys.exit(main())
