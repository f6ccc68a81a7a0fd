"""The document of a plan: all rows, what becomes of each, and the sums. The manifest and the pages are made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from airflow_provider_videoretalk.batches.plan import total_cost
from airflow_provider_videoretalk.batches.plan_file import VERSION
from airflow_provider_videoretalk.batches.planned_video import PlannedVideo
from airflow_provider_videoretalk.batches.recipe import amount_in
from airflow_provider_videoretalk.batches.table_text import Fault

_SHOWN_ROWS = 20
_LINE_CHARACTERS = 90


def plan_document(
    planned: Sequence[PlannedVideo],
    *,
    uris: Sequence[str],
    numbers: Sequence[int | None],
    faults: Sequence[Fault],
    unused: Sequence[str],
    render_seconds: Callable[[float, str], float],
    now: datetime,
    **settings: Any,
) -> dict[str, Any]:
    """The document, as JSON-safe values. Scripts are not in it.

    :param uris: of the objects, in the order of the rows
    :param numbers: see :func:`~airflow_provider_videoretalk.batches.plan_file.numbers_of`
    :param faults: of rows that could not be read
    :param unused: URIs of videos of this batch that the table does not name
    :param render_seconds: how long a render takes, by the seconds of its output and its model
    :param settings: further fields
    """
    costs = [one.estimate.speech_cost for one in planned if one.state == "make" and one.estimate]
    videos = list(_videos(planned, uris, numbers, render_seconds, now))
    refused = list(_refused(faults))
    ready = [video["ready_at"] for video in videos if video["ready_at"]]
    return {
        "version": VERSION,
        "planned_at": now.isoformat(),
        **settings,
        "most_cost": _amount(total_cost(planned)),
        "exact": all(one.estimate.cost.exact for one in planned if one.state == "make" and one.estimate),
        "speech_cost": None if None in costs else _amount(sum((cost or Decimal(0) for cost in costs), Decimal(0))),
        "ready_at": ready[-1] if ready else None,
        "counts": {
            state: sum(video["state"] == state for video in [*videos, *refused]) for state in ("make", "keep", "refuse")
        },
        "unused": list(unused),
        "videos": sorted([*videos, *refused], key=lambda video: int(video["line"])),
    }


def _videos(
    planned: Sequence[PlannedVideo],
    uris: Sequence[str],
    numbers: Sequence[int | None],
    render_seconds: Callable[[float, str], float],
    now: datetime,
) -> Iterator[dict[str, Any]]:
    """The service renders one job at a time, so each is ready after those before it."""
    busy = 0.0
    for one, uri, number in zip(planned, uris, numbers, strict=True):
        video = {
            "line": one.row.line,
            "name": one.row.name,
            "language": one.row.language,
            "label": one.row.label,
            "state": one.state,
            "row": number,
            "uri": uri,
            "seconds": amount_in(one.kept, "billed_seconds"),
            "exact": True,
            "cost": amount_in(one.kept, "cost"),
            "most_cost": None,
            "ready_at": None,
            "replaces": one.replaces,
            "problems": [str(fault) for fault in one.faults],
            "remedy": " ".join(fault.remedy for fault in one.faults),
        }
        if one.state == "make" and one.estimate is not None:
            busy += render_seconds(one.estimate.expected_seconds, one.recipe.model)
            video |= {
                "seconds": one.estimate.cost.seconds,
                "exact": one.estimate.cost.exact,
                "most_cost": _amount(one.most_cost),
                "ready_at": (now + timedelta(seconds=round(busy))).isoformat(),
            }
        yield video


def _refused(faults: Iterable[Fault]) -> Iterator[dict[str, Any]]:
    by_line: dict[int, list[Fault]] = {}
    for fault in faults:
        by_line.setdefault(fault.line, []).append(fault)
    for line, found in by_line.items():
        yield {
            "line": line,
            "name": None,
            "language": None,
            "label": f"line {line}",
            "state": "refuse",
            "row": None,
            "uri": None,
            "seconds": None,
            "exact": True,
            "cost": None,
            "most_cost": None,
            "ready_at": None,
            "replaces": None,
            "problems": [str(fault) for fault in found],
            "remedy": " ".join(dict.fromkeys(fault.remedy for fault in found)),
        }


def _amount(amount: Decimal) -> float:
    return float(round(amount, 4))


def summary(document: Mapping[str, Any]) -> str:
    """The sums in one line, for logs."""
    counts, bound = document["counts"], "" if document["exact"] else "at most "
    parts = [f"{counts['make']} to make", f"{counts['keep']} kept"]
    parts += [f"{counts['refuse']} refused"] if counts["refuse"] else []
    parts += [f"{len(document['unused'])} videos that the table does not name"] if document["unused"] else []
    if counts["make"]:
        speech = "with speech" if document["speech_cost"] is not None else "without speech, whose price is not known"
        parts.append(f"{bound}{document['most_cost']:.2f} {document['currency']} ({speech})")
        parts.append(f"ready at about {_utc(document['ready_at'])}")
    return ", ".join(parts)


def report(document: Mapping[str, Any]) -> str:
    """The sums and the first rows as Markdown, for a person who decides. Names are code, so nothing in them is
    Markdown."""
    making = [video for video in document["videos"] if video["state"] == "make"]
    lines = [
        f"{as_code(video['label'])}: {'' if video['exact'] else 'at most '}{video['seconds']:g} s, "
        f"{'' if video['exact'] else 'at most '}{video['most_cost']:.2f} {document['currency']}, "
        f"ready at about {_utc(video['ready_at'])}"
        for video in making[:_SHOWN_ROWS]
    ]
    more = len(making) - len(lines)
    lines += [f"and {more} more"] if more > 0 else []
    # A list: Airflow shows the lines of a block of code as one.
    return f"{summary(document)}.\n\n" + "\n".join(f"- {line}" for line in lines)


def as_code(label: str) -> str:
    """A name as code in Markdown, in one line."""
    text = " ".join(label[:_LINE_CHARACTERS].replace("`", "'").split())
    return f"`{text}`"


def _utc(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
