"""What ``make bench`` measures, in the order of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pkgutil import resolve_name

from benchmarks.results import Goal, Result


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of the page.

    :param measured_by: the function that measures it, as ``module:name``; ``None`` if there is none yet
    :param goals: what is wanted, for as long as nothing is measured
    :param is_quick: whether ``make bench-quick`` measures a part of it
    """

    name: str
    title: str
    measured_by: str | None
    goals: Sequence[Goal] = ()
    is_quick: bool = False

    def measure(self, *, quick: bool) -> Result:
        """Measures it.

        :param quick: only a part, for everyday use
        """
        assert self.measured_by
        result: Result = resolve_name(self.measured_by)(quick=quick)
        return result


_AT_ONCE = "1,500 ending at once"
_QUEUED = "one running, 150 queued"
_LATENCIES = ("50 ms", "120 ms", "500 ms", "1,000 ms")

ALL = (
    Section(
        name="many-running",
        title="Many running",
        measured_by="benchmarks.waiting.run:many_running",
        is_quick=True,
    ),
    Section(
        name="ten-thousand",
        title="10,000 waiting",
        measured_by="benchmarks.waiting.run:ten_thousand",
        goals=(
            Goal(what="10,000 waiting: lag, p95", wanted="<= 1.3 x the limit"),
            Goal(what="10,000 waiting: lost or not seen", wanted="0"),
            Goal(what="10,000 waiting: share of a core", wanted="<= 30 %"),
            Goal(what="10,000 waiting: files open", wanted="<= 50"),
        ),
    ),
    Section(
        name="ending-at-once",
        title="1,500 ending at once, at a high latency",
        measured_by="benchmarks.waiting.run:ending_at_once",
        goals=tuple(Goal(what=f"{_AT_ONCE}, {each}: lag, p95", wanted="<= 1.2 x the limit") for each in _LATENCIES),
    ),
    Section(
        name="one-running",
        title="One running",
        measured_by="benchmarks.waiting.run:one_running",
        is_quick=True,
    ),
    Section(
        name="no-list",
        title="One running, at a gateway without the list",
        measured_by="benchmarks.waiting.run:without_list",
        goals=(Goal(what=f"{_QUEUED}, no list: requests a finished clip", wanted="<= 10.0"),),
    ),
    Section(
        name="pool",
        title="A batch through a pool",
        measured_by="benchmarks.waiting.makespan:measure",
        goals=(
            Goal(what="pool of 1, length known: requests a clip", wanted="<= 3.50"),
            Goal(what="pool of 1, length known: lag, p95", wanted="<= 6.0 s"),
        ),
    ),
    Section(
        name="held-back",
        title="Clips held back without a pool",
        measured_by="benchmarks.held_back:measure",
        is_quick=True,
    ),
    Section(
        name="end-to-end",
        title="A clip in a real Airflow, beyond its render",
        measured_by="benchmarks.end_to_end:measure",
        goals=(Goal(what="overhead of a deferred clip, warm", wanted="<= 3.5 s"),),
    ),
    Section(
        name="submit",
        title="A cold submit",
        measured_by="benchmarks.submitting:measure",
        goals=(Goal(what="CPU of a cold submit, with preflight", wanted="< HttpOperator's"),),
        is_quick=True,
    ),
    Section(
        name="publishing",
        title="Publishing",
        measured_by="benchmarks.publishing:measure",
        is_quick=True,
    ),
    Section(
        name="probing",
        title="Probing",
        measured_by="benchmarks.probing:measure",
        is_quick=True,
    ),
    Section(
        name="batch",
        title="Planning a batch",
        measured_by="benchmarks.batch:measure",
        is_quick=True,
    ),
    Section(
        name="faces",
        title="Checks of faces",
        measured_by="benchmarks.face_check:measure",
        goals=(
            Goal(what="clips with a fault: caught", wanted=">= 90 %"),
            Goal(what="good clips: false alarms", wanted="0 %"),
            Goal(what="unchanged lips: caught", wanted="100 %"),
            Goal(what="lip-synced videos: false alarms", wanted="0 %"),
        ),
    ),
    Section(
        name="importing",
        title="Importing",
        measured_by="benchmarks.importing:measure",
        is_quick=True,
    ),
    Section(
        name="board",
        title="The board",
        measured_by="benchmarks.board:measure",
        goals=(Goal(what="the board, beside Airflow's own list of DAG runs", wanted="no slower"),),
    ),
)
SECTIONS = {section.name: section for section in ALL}
