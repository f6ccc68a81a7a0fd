"""How much other processes disturb a measurement, on Linux. A disturbed measurement is repeated."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

DISTURBED = 0.05
"""The share of all cores from which on a measurement is disturbed."""

TRIES = 4
_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_ADOPT_ORPHANS = 36
# User, nice, system, idle, iowait, and what other machines of the host took. No interrupts: they are also ours.
_WORK, _ALL = (0, 1, 2, 7), (0, 1, 2, 3, 4, 7)


_accepts_disturbance = False


class DisturbedError(Exception):
    """No measurement of several was undisturbed."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Seconds of CPU since the machine started.

    :param total: that all cores had
    :param work: that all processes used
    :param own: that this process and its descendants used
    """

    total: float
    work: float
    own: float


def peak_megabytes() -> float:
    """The most memory that this program had resident, in MiB.

    ``getrusage`` would tell the peak of the process that started it, if that is higher.
    """
    status = Path("/proc/self/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kilobytes) / 1024


def others_share(before: Usage, after: Usage) -> float:
    """The share of all cores that other processes used in between, from 0 to 1."""
    others = (after.work - before.work) - (after.own - before.own)
    return max(0.0, others) / max(1 / _TICKS, after.total - before.total)


def undisturbed(measure: Callable[[], T], *, what: str, usage: Callable[[], Usage] | None = None) -> tuple[T, float]:
    """What ``measure`` returns from its first undisturbed run, and the share that others had of the cores meanwhile.

    :raises DisturbedError: every one of :data:`TRIES` runs was disturbed
    """
    read = usage or _usage
    for _ in range(TRIES):
        before = read()
        found = measure()
        share = others_share(before, read())
        if share <= DISTURBED or _accepts_disturbance:
            return found, share
        print(f"{what}: repeated, other processes used {100 * share:.0f} % of the cores", file=sys.stderr, flush=True)
    raise DisturbedError(f"{what}: disturbed in {TRIES} runs; measure on an idle machine")


def accept_disturbance() -> None:
    """From now on :func:`undisturbed` repeats nothing: for a look at a machine that is in use."""
    global _accepts_disturbance
    _accepts_disturbance = True


def adopt_orphans() -> None:
    """Makes processes that outlive their parent, such as a database server, descendants of this one."""
    ctypes.CDLL(None, use_errno=True).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)


def _usage() -> Usage:
    fields = [int(each) / _TICKS for each in (_PROC / "stat").read_text().partition("\n")[0].split()[1:]]
    return Usage(total=sum(fields[i] for i in _ALL), work=sum(fields[i] for i in _WORK), own=_own_seconds())


def _own_seconds() -> float:
    """Of this process and its descendants, those that ended included."""
    parents, seconds = {}, {}
    for path in _PROC.glob("[0-9]*/stat"):
        try:
            # The name may contain spaces and parentheses.
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        number = int(path.parent.name)
        parents[number] = int(fields[1])
        seconds[number] = sum(int(each) for each in fields[11:15]) / _TICKS
    ours = {os.getpid()}
    while more := {number for number, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(seconds.get(number, 0.0) for number in ours)
