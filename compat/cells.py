"""The matrix: every Python with every set of dependencies that a user may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """A set of dependency versions.

    :param name: name in the table and on the command line
    :param requirements: requirements beside those of the project
    :param day: Airflow and its dependencies are the newest versions of this day, as in its constraints file. Packages
        of the extras are the newest of today
    :param days: ``day`` for a Python version whose lowest Airflow is newer
    :param lowest: whether each direct requirement has its lowest version instead of the highest
    """

    name: str
    requirements: tuple[str, ...] = ()
    day: str | None = None
    days: Mapping[str, str] = field(default_factory=dict, hash=False)
    lowest: bool = False


SURROUNDINGS = (
    # The day of the newest 3.1: Airflow 3.1 sets no upper limits, and does not start with today's versions.
    Surroundings(name="lowest", day="2026-03-12", days={"3.14": "2026-05-30"}, lowest=True),
    Surroundings(name="3.1", requirements=("apache-airflow==3.1.8",), day="2026-03-12"),
    Surroundings(name="3.2", requirements=("apache-airflow==3.2.2",), day="2026-05-30"),
    Surroundings(name="3.3.0", requirements=("apache-airflow==3.3.0",), day="2026-07-07"),
    Surroundings(name="newest"),
    Surroundings(
        name="3.4-pre",
        # An installer uses a pre-release only of the packages that are named.
        requirements=(
            "apache-airflow>=3.4.0b0,<3.5",
            "apache-airflow-core>=3.4.0b0,<3.5",
            "apache-airflow-task-sdk>=1.4.0b0,<1.5",
        ),
    ),
)

# The ones that fail most often are first.
_ORDER = ("lowest", "3.4-pre", "newest", "3.1", "3.3.0", "3.2")


@dataclass(frozen=True)
class Cell:
    """One Python version with one set of dependencies."""

    python: str
    surroundings: Surroundings

    @property
    def name(self) -> str:
        return f"{self.python}:{self.surroundings.name}"


def all_cells(pythons: Sequence[str] = PYTHONS) -> list[Cell]:
    """Every cell, in an order that shows failures early: likely failures and the outermost Pythons first."""
    cells = [Cell(python, surroundings) for surroundings in SURROUNDINGS for python in pythons]

    def place(cell: Cell) -> tuple[int, int]:
        number = pythons.index(cell.python)
        return _ORDER.index(cell.surroundings.name), min(number, len(pythons) - 1 - number)

    return sorted(cells, key=place)


def parse_cells(text: str, pythons: Sequence[str] = PYTHONS) -> list[Cell]:
    """The named cells: ``3.12:newest``, ``3.12`` for all sets of dependencies, ``newest`` for all Pythons.

    :raises ValueError: an unknown Python or an unknown set of dependencies
    """
    wanted: set[Cell] = set()
    every = all_cells(pythons)
    for word in text.split():
        python, colon, name = word.partition(":")
        matching = [
            cell
            for cell in every
            if (colon and (cell.python, cell.surroundings.name) == (python, name))
            or (not colon and word in (cell.python, cell.surroundings.name))
        ]
        if not matching:
            names = ", ".join(surroundings.name for surroundings in SURROUNDINGS)
            raise ValueError(f"{word!r} names no cell; Pythons: {', '.join(pythons)}; surroundings: {names}")
        wanted.update(matching)
    return [cell for cell in every if cell in wanted]
