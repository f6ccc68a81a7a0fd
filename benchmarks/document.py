"""``docs/benchmarks.md``, made of ``document.md`` (the prose), the results and the reasons for goals that are not met.

    python -m benchmarks.document

A line ``<!-- section NAME -->`` of the prose becomes the goals and tables of that section.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.reasons import REASONS
from benchmarks.results import ROOT, Goal, Result, Table, read_results
from benchmarks.sections import SECTIONS, Section
from benchmarks.waiting.picture import picture

TEMPLATE = ROOT / "benchmarks" / "document.md"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "images" / "waiting.svg"
UNEXPLAINED = "The reason is not known yet."
_SECTION = re.compile(r"^<!-- section (\S+) -->$", re.MULTILINE)
_HEAD = "<!-- Written by make bench, from benchmarks/document.md and benchmarks/results.json. Change those instead. -->"
_VERDICTS = {True: "met", False: "NOT met", None: ""}


def document(template: str, results: Mapping[str, Result]) -> str:
    """The whole page.

    :raises KeyError: the template names a section that does not exist
    """

    def filled(found: re.Match[str]) -> str:
        section = SECTIONS[found[1]]
        return "\n\n".join(_parts(section, results.get(section.name)))

    return f"{_HEAD}\n\n{_SECTION.sub(filled, template)}"


def section_text(section: Section, result: Result) -> str:
    """One section, for the terminal."""
    return "\n\n".join([f"## {section.title}", *_parts(section, result)])


def markdown(table: Table) -> str:
    lines = [table.header, ["---"] * len(table.header), *table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_document() -> None:
    """Writes page and picture from the stored results."""
    results = read_results()
    DOCUMENT.write_text(document(TEMPLATE.read_text(), results))
    if chart := results["many-running"].chart:
        PICTURE.write_text(picture(chart))


def _parts(section: Section, result: Result | None) -> Iterator[str]:
    if result is None:
        command = f"`python -m benchmarks {section.name}` measures it."
        yield f"Not measured yet: {command if section.measured_by else 'there is no benchmark of it.'}"
        if section.goals:
            yield _goal_table(section.goals)
        return
    measured = f"{result.setting}." + (f" Commit {result.commit}." if result.commit else "")
    yield measured
    # A goal that is younger than the last measurement is shown as well.
    known = {goal.what for goal in result.goals}
    goals = [*result.goals, *(goal for goal in section.goals if goal.what not in known)]
    if goals:
        yield _goal_table(goals)
    if unmet := [goal.what for goal in goals if goal.met is False]:
        yield "\n".join(f"- **{what}**: {REASONS.get(what, UNEXPLAINED)}" for what in unmet)
    for table in result.tables:
        yield from ([f"**{table.title}**"] if table.title else [])
        yield markdown(table)
        yield from ([table.note] if table.note else [])


def _goal_table(goals: Sequence[Goal]) -> str:
    rows = [[goal.what, goal.wanted, goal.found, _VERDICTS[goal.met]] for goal in goals]
    return markdown(Table(header=("goal", "wanted", "found", ""), rows=rows))


if __name__ == "__main__":
    write_document()
